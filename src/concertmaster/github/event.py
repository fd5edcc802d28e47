"""Reads the event that started a workflow: what it asks for, and who asks.

The payload is hostile input. A value that is not of the type that GitHub writes counts as absent.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

_OUR_BRANCH = re.compile(r"concertmaster/([a-z0-9]+(?:-[a-z0-9]+)*)/[A-Za-z0-9-]{1,200}")
_LOGIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
_RUN_ID = re.compile(r"(?!.{65})[a-z0-9]+(?:-[a-z0-9]+)*")
_LARGEST_NUMBER = 1 << 53


class EventKind(StrEnum):
    """The kinds of event that can ask for a run."""

    COMMENT = "comment"
    LABEL = "label"
    SCHEDULE = "schedule"
    DISPATCH = "dispatch"
    CALL = "call"
    PULL = "pull"  # one of our branches was merged or its pull request closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A request for a run, with the texts as the event holds them.

    `actor` is the login that must be allowed to start a run; "" for a schedule, which is
    authorised by the file on the default branch. `run` is the same when the workflow runs again.
    """

    kind: EventKind
    run: str
    actor: str
    is_bot: bool = False
    issue: int = 0
    pull: int = 0
    body: str = ""
    comment: int = 0
    comment_text: str = ""
    comment_at: str = ""  # the time of the comment, as GitHub writes it
    round: int = 1
    is_further: bool = False  # names a run that exists already
    requester: str = ""  # "Name <email>", credited as co-author
    prompts: str = ""  # the input `prompts` of a dispatch or a call


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """An event that asks for nothing; `reason` is for the log."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerWorkflow:
    """The caller's workflow run: `run` is GITHUB_RUN_ID, `actor` is GITHUB_ACTOR.

    `label`, `issue`, `prompts`, `resumed` and `round` are inputs.
    """

    run: int
    actor: str
    label: str
    issue: int = 0
    prompts: str = ""
    resumed: str = ""  # input `run`: the run whose next round this is
    round: int = 1


def read_trigger(event: str, payload: object, *, workflow: CallerWorkflow) -> Trigger | Ignored:
    """Return the trigger in the payload of an event with this name (GITHUB_EVENT_NAME)."""
    found = _Payload(payload)
    if event == "issue_comment":
        return _read_comment(found)
    if event == "issues":
        return _read_label(found, workflow)
    if event == "pull_request":
        return _read_pull(found)
    if event == "schedule":
        return Trigger(kind=EventKind.SCHEDULE, run=f"w{workflow.run}", actor="")
    kind = EventKind.DISPATCH if event == "workflow_dispatch" else EventKind.CALL
    return _read_request(found, workflow, kind)


def _read_comment(found: _Payload) -> Trigger | Ignored:
    if found.text("action") != "created":
        return Ignored(reason="only a new comment asks for something, an edited one does not")
    if found.has("issue", "pull_request"):
        return Ignored(reason="the comment is on a pull request")
    issue, comment = found.number("issue", "number"), found.number("comment", "id")
    if not (issue and comment):
        return Ignored(reason="the event names no issue or no comment")
    return Trigger(
        kind=EventKind.COMMENT,
        run=f"i{issue}-c{comment}",
        actor=found.text("comment", "user", "login"),
        is_bot=_is_bot(found, "comment", "user"),
        issue=issue,
        body=found.text("issue", "body"),
        comment=comment,
        comment_text=found.text("comment", "body"),
        comment_at=found.text("comment", "created_at"),
        requester=_requester(found, "comment", "user"),
    )


def _read_label(found: _Payload, workflow: CallerWorkflow) -> Trigger | Ignored:
    label = found.text("label", "name")
    if found.text("action") != "labeled" or label.lower() != workflow.label.lower():
        return Ignored(reason=f"only the label {workflow.label!r} asks for something")
    if found.has("issue", "pull_request") or not found.number("issue", "number"):
        return Ignored(reason="the label is not on an issue")
    issue = found.number("issue", "number")
    return Trigger(
        kind=EventKind.LABEL,
        run=f"i{issue}-w{workflow.run}",
        actor=found.text("sender", "login"),
        is_bot=_is_bot(found, "sender"),
        issue=issue,
        body=found.text("issue", "body"),
        requester=_requester(found, "sender"),
    )


def _read_pull(found: _Payload) -> Trigger | Ignored:
    branch = _OUR_BRANCH.fullmatch(found.text("pull_request", "head", "ref"))
    head = found.number("pull_request", "head", "repo", "id")
    if found.text("action") != "closed" or branch is None:
        return Ignored(reason="only a closed pull request of a branch of ours tells something")
    if not head or head != found.number("pull_request", "base", "repo", "id"):
        return Ignored(reason="the pull request comes from another repository")
    return Trigger(
        kind=EventKind.PULL,
        run=branch[1],
        actor=found.text("sender", "login"),
        is_bot=_is_bot(found, "sender"),
        pull=found.number("pull_request", "number"),
        is_further=True,
    )


def _requester(found: _Payload, *keys: str) -> str:
    """Return the co-author as "login <address>" with GitHub's no-reply address, or ""."""
    login, number = found.text(*keys, "login"), found.number(*keys, "id")
    if not (number and _LOGIN.fullmatch(login)) or _is_bot(found, *keys):
        return ""
    return f"{login} <{number}+{login}@users.noreply.github.com>"


def _read_request(found: _Payload, workflow: CallerWorkflow, kind: EventKind) -> Trigger | Ignored:
    if workflow.resumed and not _RUN_ID.fullmatch(workflow.resumed):
        return Ignored(reason="the input `run` is no id of a run")
    return Trigger(
        kind=kind,
        run=workflow.resumed or f"w{workflow.run}",
        actor=found.text("sender", "login") or workflow.actor,
        is_bot=_is_bot(found, "sender"),
        issue=workflow.issue,
        round=workflow.round,
        is_further=bool(workflow.resumed),
        requester=_requester(found, "sender"),
        prompts=workflow.prompts,
    )


def _is_bot(found: _Payload, *keys: str) -> bool:
    return found.text(*keys, "type") != "User" or found.text(*keys, "login").endswith("[bot]")


class _Payload:
    """Parsed JSON of any shape; values of the wrong type count as absent."""

    def __init__(self, value: object) -> None:
        self._value = value

    def _find(self, *keys: str) -> Any:
        found: Any = self._value
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found

    def has(self, *keys: str) -> bool:
        return self._find(*keys) is not None

    def text(self, *keys: str) -> str:
        found = self._find(*keys)
        return found if isinstance(found, str) else ""

    def number(self, *keys: str) -> int:
        found = self._find(*keys)
        is_number = isinstance(found, int) and not isinstance(found, bool)
        return found if is_number and 0 < found < _LARGEST_NUMBER else 0

"""Decides whether an event may start anything: it is authorized or rejected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from concertmaster.action.job import Job
from concertmaster.comments import plan_comment
from concertmaster.errors import EnvironmentFault
from concertmaster.github.errors import Locked, NotAllowed, NotFound
from concertmaster.github.event import EventKind, Ignored, Trigger
from concertmaster.github.models import Comment, Issue
from concertmaster.github.prompt_list import (
    PromptList,
    choose_prompts,
    read_paths,
    read_prompt_list,
)
from concertmaster.github.slash_command import CommandReply, CommandVerb, SlashCommand, read_comment
from concertmaster.text.marks import read_marks

_MAY_START = frozenset({"admin", "write"})


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizedRequest:
    """A command of a user who may give it. `parent` is set by `read_parent`.

    `key` names the request, however often its workflow runs.
    """

    trigger: Trigger
    key: str
    order: SlashCommand
    prompts: PromptList
    parent: Issue | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectedRequest:
    """An event that starts nothing. `replies` are for the person who asked, if any."""

    reason: str
    trigger: Trigger | None = None
    replies: Sequence[CommandReply] = ()


def authorize(job: Job) -> AuthorizedRequest | RejectedRequest:
    """Read the event and ask GitHub whether its actor may start a run."""
    trigger = job.trigger()
    if isinstance(trigger, Ignored):
        return RejectedRequest(reason=trigger.reason)
    if trigger.kind is EventKind.PULL:
        return RejectedRequest(reason="a pull request is for the control job", trigger=trigger)
    order = _read_order(trigger)
    if order is None:
        return RejectedRequest(reason="the comment is not for us", trigger=trigger)
    reason = _refuse(job, trigger)
    if reason:
        return RejectedRequest(reason=reason, trigger=trigger)
    if isinstance(order, CommandReply):
        return RejectedRequest(
            reason="the command cannot be read", trigger=trigger, replies=(order,)
        )
    key = f"c{trigger.comment}" if trigger.comment else f"w{job.settings.workflow_run}"
    prompts = _list_prompts(job, trigger)
    return AuthorizedRequest(trigger=trigger, key=key, order=order, prompts=prompts)


def _read_order(trigger: Trigger) -> SlashCommand | CommandReply | None:
    if trigger.kind is EventKind.COMMENT:
        return read_comment(trigger.comment_text)
    return SlashCommand(verb=CommandVerb.RUN)


def _refuse(job: Job, trigger: Trigger) -> str:
    """Return why the actor may not start anything; "" if they may. Any doubt is a no."""
    if trigger.kind is EventKind.SCHEDULE:
        return ""  # the workflow file on the default branch authorizes it
    if trigger.is_further and trigger.is_bot and trigger.actor == job.issue_client.viewer():
        return ""  # our own dispatch; the state branch tells whether the round is due
    bots = {name.lower() for name in job.settings.allowed_bots}
    if trigger.is_bot and trigger.actor.lower() not in bots:
        return f"{trigger.actor or 'nobody'} is a bot and not in allowed_bots"
    if not trigger.actor:
        return "the event names nobody who asked"
    if trigger.is_bot:
        return ""  # the workflow file allows it; GitHub tells no permission of a bot
    permission = job.issue_client.permission(trigger.actor)
    if permission in _MAY_START:
        return ""
    return f"{trigger.actor} has {permission} permission; starting a run needs write"


def _list_prompts(job: Job, trigger: Trigger) -> PromptList:
    if trigger.prompts:
        return read_paths(
            [line.strip("-* \t\r") for line in trigger.prompts.split("\n") if line.strip()]
        )
    if trigger.kind is EventKind.COMMENT:
        text = trigger.comment_text
        return choose_prompts(text, trigger.body, repository_url=job.repository_url)
    return read_prompt_list(trigger.body, repository_url=job.repository_url)


def read_parent(job: Job, request: AuthorizedRequest) -> AuthorizedRequest:
    """Return the request with the issue that is to be the parent of the run.

    A dispatch or a call has no text of its own, so its prompts come from the issue. Raises
    EnvironmentFault if the issue cannot be a parent; nothing was made then.
    """
    trigger = request.trigger
    if not trigger.issue:
        return request
    parent = _find_issue(job, trigger.issue)
    if parent.is_locked:
        _try_to_reply(job, trigger)
    if trigger.kind in (EventKind.COMMENT, EventKind.LABEL):
        return replace(request, parent=parent)
    trigger = replace(trigger, body=parent.body)
    prompts = _list_prompts(job, trigger)
    return replace(request, trigger=trigger, prompts=prompts, parent=parent)


def _find_issue(job: Job, number: int) -> Issue:
    """Return the issue. Raises EnvironmentFault that names it."""
    ours = job.settings.repository
    try:
        found = job.issue_client.issue(number)
    except NotFound as error:
        raise _no_parent(
            f"there is no issue #{number} in {ours}",
            f"it never was there, or was deleted or transferred. GitHub says: {error.why}",
        ) from error
    except NotAllowed as error:
        raise _no_parent(
            f"#{number} of {ours} cannot be read as an issue",
            f"it is a pull request, or the job lacks `issues: write`. GitHub says: {error.why}",
        ) from error
    if found.is_pull:
        raise _no_parent(f"#{number} of {ours} is a pull request", "only an issue has sub-issues")
    if (found.repository or ours).lower() != ours.lower():  # GitHub redirects the call
        raise _no_parent(
            f"issue #{number} of {ours} was transferred and is {found.repository}#{found.number}",
            "a run works on an issue of its own repository",
        )
    return found


def _try_to_reply(job: Job, trigger: Trigger) -> None:
    """Comment on a locked issue, because only GitHub knows whether the token may.

    Raises EnvironmentFault if it may not.
    """
    try:
        _reply(job, trigger, plan_comment.PLANNING)
    except Locked as error:
        raise EnvironmentFault(
            f"could not comment on issue #{trigger.issue}: it is locked",
            why=error.why,
            next_step="unlock it and run the job again; nothing was made",
        ) from error


def _no_parent(what: str, why: str) -> EnvironmentFault:
    next_step = "start the run from another issue: name it in the input `issue`, or comment on it"
    return EnvironmentFault(what, why=why, next_step=next_step)


def answer_event(job: Job, trigger: Trigger, text: str) -> None:
    """Answer the trigger in one comment, which repeated calls edit.

    The answer goes to the job's summary page if there is no issue or the issue is locked.
    """
    if not trigger.issue:
        job.write_summary(text)
        return
    try:
        _reply(job, trigger, text)
    except Locked:
        where = "the answer is on the page of this job"
        job.console.note(f"issue #{trigger.issue} is locked; {where}")
        job.write_summary(text)


def _reply(job: Job, trigger: Trigger, text: str) -> None:
    viewer = job.issue_client.viewer()
    body = job.redact(plan_comment.answer_body(text, run=trigger.run))

    def is_ours(comment: Comment) -> bool:
        marks = read_marks(comment.body)
        kinds = {(one.run, one.kind) for one in marks}
        return comment.author == viewer and (trigger.run, plan_comment.REPLY_KIND) in kinds

    job.issue_client.put_comment(trigger.issue, body, is_ours=is_ours)

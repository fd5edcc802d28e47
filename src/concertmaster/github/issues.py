"""Reads and writes the issues, comments and labels of one repository.

The methods return values of this package, never objects of the library. All writes are idempotent:
an object that exists already is found and not made twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from urllib.parse import quote

from concertmaster.clock import Clock
from concertmaster.github.client import Client
from concertmaster.github.connection import Connection
from concertmaster.github.errors import Conflicting, NotFound, Unsupported
from concertmaster.github.issue_batches import IssueBatches
from concertmaster.github.models import (
    Comment,
    Issue,
    IssueDraft,
    WorkflowJob,
    read_comment,
    read_issue,
    read_job,
)
from concertmaster.github.pull_requests import PullRequests
from concertmaster.github.rulesets import BranchRule, push_obstacle, read_rule
from concertmaster.github.workflows import Workflows

MOST_SUB_ISSUES = 100


class IssueClient:
    """A client for one repository with one token.

    `batches` changes many issues at once, `pulls` handles pull requests, `workflows` starts runs.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        clock: Clock,
        told: Callable[[str], None] = lambda text: None,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        """Open the client. `told` receives progress messages; `redact` filters all written text."""
        self.redact = redact
        self._wire = Client(connection, clock=clock, told=told)
        self.batches = IssueBatches(self._wire, told, redact)
        self.pulls = PullRequests(self._wire, redact)
        self.workflows = Workflows(self._wire)

    # --- reading -------------------------------------------------------------------------------

    def viewer(self) -> str:
        """Return the login that the token belongs to."""
        data = self._wire.query("query { viewer { login } }", {}, action="read who the token is")
        return str(data["viewer"]["login"])

    def permission(self, login: str) -> str:
        """Return the login's permission: admin, write, read or none, which also means unknown."""
        try:
            found = self._wire.get(f"/collaborators/{_segment(login)}/permission")
        except NotFound:
            return "none"
        return str(found.get("permission", "none"))

    def issue(self, number: int) -> Issue:
        """Return an issue. Raises NotFound."""
        return read_issue(self._wire.get(f"/issues/{number}"))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """Return all comments of an issue, oldest first."""
        return tuple(read_comment(one) for one in self._wire.pages(f"/issues/{number}/comments"))

    def sub_issues(self, number: int) -> tuple[Issue, ...]:
        """Return the sub-issues of an issue. Raises Unsupported if the server knows none."""
        try:
            return self._sub_issues(number)
        except NotFound:
            self.issue(number)  # raises NotFound if the issue itself is missing
        try:
            return self._sub_issues(number)
        except NotFound as error:
            raise Unsupported("this server knows no sub-issues") from error

    def _sub_issues(self, number: int) -> tuple[Issue, ...]:
        found = self._wire.pages(f"/issues/{number}/sub_issues")
        return tuple(replace(read_issue(one), parent=number) for one in found)

    def labelled(self, label: str, *, since: str = "") -> tuple[Issue, ...]:
        """Return all issues with the label, open and closed, without pull requests.

        `since` leaves out those that have not changed since that time, in the form of `created_at`.
        """
        limits = {"since": since} if since else {}
        found = self._wire.pages("/issues", labels=label, state="all", **limits)
        return tuple(read_issue(one) for one in found if "pull_request" not in one)

    def jobs(self, run: int) -> tuple[WorkflowJob, ...]:
        """Return the jobs of a workflow run."""
        found = self._wire.pages(f"/actions/runs/{run}/jobs", within="jobs")
        return tuple(read_job(one) for one in found)

    def rules(self, branch: str) -> tuple[BranchRule, ...]:
        """Return the rules that rulesets set for the branch, which need not exist.

        Classic branch protection is not included.
        """
        try:
            found = self._wire.pages(f"/rules/branches/{_segment(branch)}")
            return tuple(read_rule(one) for one in found)
        except NotFound:  # the server is older than rulesets
            return ()

    def forbids_push(self, branch: str, *, has_merges: bool = True) -> str:
        """Return why a ruleset forbids pushing new commits to the branch, or "".

        `has_merges` says whether there are merges among them.
        A push may still be refused or allowed against this answer: GitHub does not say who may
        bypass a rule, and classic branch protection is not included.
        """
        return push_obstacle(self.rules(branch), has_merges=has_merges)

    # --- labels and reactions ------------------------------------------------------------------

    def ensure_labels(self, wanted: Mapping[str, tuple[str, str]]) -> None:
        """Create the missing labels of `wanted`, which maps names to colour and description."""
        there = {str(one["name"]).lower() for one in self._wire.pages("/labels")}
        for name, (colour, description) in wanted.items():
            if name.lower() in there:
                continue
            body = {"name": name, "color": colour, "description": description}
            self._wire.write(
                f"create the label {name}",
                partial(self._find_label, name),
                partial(self._wire.send, "POST", "/labels", body),
            )

    def _find_label(self, name: str) -> dict[str, Any] | None:
        try:
            return self._wire.get(f"/labels/{_segment(name)}")
        except NotFound:
            return None

    def set_labels(self, number: int, *, add: Sequence[str], remove: Sequence[str] = ()) -> None:
        """Add and remove labels of an issue; safe to repeat, also if a label is not set."""
        if add:
            path = f"/issues/{number}/labels"
            send = partial(self._wire.send, "POST", path, {"labels": list(add)})
            self._wire.repeat(f"label issue #{number}", send)
        for name in remove:
            path = f"/issues/{number}/labels/{_segment(name)}"
            self._wire.repeat(f"label issue #{number}", partial(self._delete, path))

    def _delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        try:
            self._wire.send("DELETE", path, body)
        except NotFound:
            return

    def react(self, comment: int) -> None:
        """Add the reaction "eyes" to the comment, if it still exists; safe to repeat."""
        path = f"/issues/comments/{comment}/reactions"
        try:
            self._wire.repeat(
                "react to the comment",
                partial(self._wire.send, "POST", path, {"content": "eyes"}),
            )
        except NotFound:
            return

    # --- comments ------------------------------------------------------------------------------

    def put_comment(self, number: int, body: str, *, is_ours: Callable[[Comment], bool]) -> Comment:
        """Create the comment that `is_ours` selects, or update its body, and return it.

        If several exist, because two jobs wrote at once, the oldest stays and the others are
        deleted.
        """
        body = self.redact(body)
        found = self._one_comment(number, is_ours) or self._create_comment(number, body, is_ours)
        if found.body != body:
            send = partial(self._wire.send, "PATCH", f"/issues/comments/{found.id}", {"body": body})
            self._wire.repeat(f"change our comment on issue #{number}", send)
        return replace(found, body=body)

    def _create_comment(
        self, number: int, body: str, is_ours: Callable[[Comment], bool]
    ) -> Comment:
        path = f"/issues/{number}/comments"
        made = self._wire.write(
            f"comment on issue #{number}",
            lambda: self._one_comment(number, is_ours),
            lambda: read_comment(self._wire.send("POST", path, {"body": body})),
        )
        return self._one_comment(number, is_ours) or made

    def _one_comment(self, number: int, is_ours: Callable[[Comment], bool]) -> Comment | None:
        found = sorted(filter(is_ours, self.comments(number)), key=lambda one: one.id)
        for further in found[1:]:
            delete = partial(self._delete, f"/issues/comments/{further.id}")
            self._wire.repeat(f"remove our second comment on issue #{number}", delete)
        return found[0] if found else None

    # --- issues --------------------------------------------------------------------------------

    def create_issue(
        self, draft: IssueDraft, labels: Sequence[str], *, look_up: Callable[[], Issue | None]
    ) -> Issue:
        """Return the issue that `look_up` finds, or create it."""
        body = {"title": self.redact(draft.title), "body": self.redact(draft.body)}
        return look_up() or self._wire.write(
            f"create the issue {draft.title!r}",
            look_up,
            lambda: read_issue(
                self._wire.send("POST", "/issues", {**body, "labels": list(labels)})
            ),
        )

    def retire(self, issue: Issue, *, body: str) -> None:
        """Close an issue that was made twice as duplicate, with a new body; safe to repeat."""
        said = {"body": self.redact(body), "labels": []}
        closed = {"state": "closed", "state_reason": "duplicate"}
        send = partial(self._wire.send, "PATCH", f"/issues/{issue.number}", {**said, **closed})
        self._wire.repeat(f"close issue #{issue.number}, which was made twice", send)

    def close_issue(self, number: int) -> None:
        """Close the issue as completed; safe to repeat."""
        closed = {"state": "closed", "state_reason": "completed"}
        send = partial(self._wire.send, "PATCH", f"/issues/{number}", closed)
        self._wire.repeat(f"close issue #{number}", send)

    def change_issue(self, issue: Issue, *, title: str, body: str, is_open: bool) -> None:
        """Set title, body and state of the issue; safe to repeat. Closed means completed."""
        title, body = self.redact(title), self.redact(body)
        if (issue.title, issue.body, issue.is_open) == (title, body, is_open):
            return
        state = {"state": "open"} if is_open else {"state": "closed", "state_reason": "completed"}
        send = partial(
            self._wire.send,
            *("PATCH", f"/issues/{issue.number}", {"title": title, "body": body, **state}),
        )
        self._wire.repeat(f"change issue #{issue.number}", send)

    def release(self, issue: Issue) -> None:
        """Detach the sub-issue from its parent, if it has one; safe to repeat."""
        if issue.parent:
            path, child = f"/issues/{issue.parent}/sub_issue", {"sub_issue_id": issue.id}
            self._wire.repeat("release a sub-issue", partial(self._delete, path, child))

    # --- workflow runs -------------------------------------------------------------------------

    def cancel_run(self, run: int) -> None:
        """Request that a workflow run is cancelled; safe to repeat, also after the run's end."""
        path = f"/actions/runs/{run}/cancel"
        try:
            self._wire.repeat("cancel the workflow run", partial(self._wire.send, "POST", path))
        except Conflicting:
            return


def _segment(text: str) -> str:
    return quote(text, safe="")

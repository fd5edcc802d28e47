"""Finds, opens, changes, reviews and merges pull requests.

A request to merge names the commit that was checked. GitHub's answer becomes a MergeResult.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from concertmaster.errors import EnvironmentFault
from concertmaster.github.client import Client
from concertmaster.github.errors import Conflicting, Invalid, NotAllowed, NotFound, Unsupported
from concertmaster.github.models import (
    Comment,
    MergeResult,
    MergeState,
    Pull,
    Push,
    read_comment,
    read_pull,
    read_push,
)
from concertmaster.text.display import display

MERGE_LOOKS = 10
SECONDS_BETWEEN_LOOKS = 3.0

# Answers to PUT merge-async: 400 means refused at once, 409 means another request is pending.
_ANSWERS = (400, 409)


@dataclass(frozen=True)
class PullRequests:
    """The pull requests of one repository; `redact` filters all written text."""

    wire: Client
    redact: Callable[[str], str]

    # --- reading -------------------------------------------------------------------------------

    def find(
        self,
        branches: Collection[str],
        *,
        since: str = "",
        is_ours: Callable[[Pull], bool] = lambda pull: True,
    ) -> dict[str, Pull]:
        """Return the newest pull request of each branch, open or closed, without those of forks.

        Pull requests older than `since` (as `created_at`) are left out, which also saves calls.
        """
        missing, found = set(branches), dict[str, Pull]()
        if not missing:
            return found
        listed = self.wire.pages("/pulls", state="all", sort="created", direction="desc")
        for pull in map(read_pull, listed):
            if pull.created_at < since:
                break
            if pull.head in missing and is_ours(pull):
                found[pull.head] = pull
                missing.discard(pull.head)
            if not missing:
                break
        return found

    def get(self, number: int) -> Pull:
        """Return a pull request. Raises NotFound."""
        return read_pull(self.wire.get(f"/pulls/{number}"))

    def last_push(self, pull: Pull) -> Push | None:
        """Return the last move of the pull request's branch; None if GitHub tells none.

        GitHub keeps no record that can be read where the branch, its repository or the right to
        see it is gone.
        """
        if not (pull.source and pull.source_branch):
            return None
        try:
            found = self.wire.newest("/activity", repository=pull.source, ref=pull.source_branch)
        except (NotAllowed, NotFound):
            return None
        return read_push(found) if found else None

    def missing_reviews(self, number: int) -> str:
        """Return which reviews the base's rules still want before a merge, or "".

        Raises NotFound.
        """
        owner, _, name = self.wire.repository.partition("/")
        variables = {"owner": owner, "name": name, "number": number}
        action = f"read the reviews of pull request #{number}"
        data = self.wire.query(_REVIEWS, variables, action=action)
        found = (data.get("repository") or {}).get("pullRequest") or {}
        return _MISSING_REVIEWS.get(str(found.get("reviewDecision")), "")

    # --- writing -------------------------------------------------------------------------------

    def open(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """Open a pull request, or return the open one of this branch and base by any author.

        Raises NotAllowed, also if the repository forbids workflows to open pull requests, and
        Invalid if the branch has no new commit.
        """
        wanted = {"title": self.redact(title), "body": self.redact(body)}
        where = {"head": branch, "base": base}
        return self.wire.write(
            f"open a pull request for {branch}",
            partial(self._open_one, branch, base),
            lambda: read_pull(self.wire.send("POST", "/pulls", {**wanted, **where})),
        )

    def _open_one(self, branch: str, base: str) -> Pull | None:
        owner = self.wire.repository.partition("/")[0]
        listed = self.wire.pages("/pulls", state="open", head=f"{owner}:{branch}", base=base)
        return next((pull for pull in map(read_pull, listed) if pull.head == branch), None)

    def change(
        self,
        pull: Pull,
        *,
        title: str | None = None,
        body: str | None = None,
        base: str | None = None,
    ) -> Pull:
        """Set what is given of title, body and base; return the pull request; safe to repeat."""
        given = {"title": title, "body": body, "base": base}
        wanted = {name: self.redact(text) for name, text in given.items() if text is not None}
        if all(getattr(pull, name) == text for name, text in wanted.items()):
            return pull
        send = partial(self.wire.send, "PATCH", f"/pulls/{pull.number}", wanted)
        return read_pull(self.wire.repeat(f"change pull request #{pull.number}", send))

    def review(self, number: int, body: str, *, is_ours: Callable[[Comment], bool]) -> Comment:
        """Return the review that `is_ours` selects, or create one that only comments."""
        path = f"/pulls/{number}/reviews"
        wanted = {"body": self.redact(body), "event": "COMMENT"}

        def look_up() -> Comment | None:
            return next(filter(is_ours, map(read_comment, self.wire.pages(path))), None)

        return look_up() or self.wire.write(
            f"review pull request #{number}",
            look_up,
            lambda: read_comment(self.wire.send("POST", path, wanted)),
        )

    # --- merging -------------------------------------------------------------------------------

    def merge(self, pull: Pull, *, commit: str, method: str = "merge") -> MergeResult:
        """Merge the pull request, or enqueue it if the base has a queue, if its head is `commit`.

        `method` is "merge" or "rebase". The repository's settings decide the message of the merge
        commit.
        """
        wish = {"sha": commit, "merge_method": method}
        try:
            return self._merge_later(pull, wish)
        except NotFound:  # the server is older than this call
            return self._merge_now(pull, wish)

    def _merge_later(self, pull: Pull, wish: Mapping[str, str]) -> MergeResult:
        path, commit = f"/pulls/{pull.number}/merge-async", wish["sha"]
        try:
            answer = self._put(path, wish, accepted=_ANSWERS)
        except (Conflicting, Invalid, NotAllowed) as error:
            return self._ended(pull, commit, reason=_reason(error))
        request = str(_details(answer).get("uuid") or "")
        looks = 0
        while answer.get("status") == "pending" and request and looks < MERGE_LOOKS:
            self.wire.wait(SECONDS_BETWEEN_LOOKS)
            answer = self._request(f"{path}/{request}")
            looks += 1
        return self._answered(pull, commit, answer)

    def _request(self, path: str) -> dict[str, Any]:
        """Return the state of a request to merge; {} after a day, when GitHub forgets it."""
        try:
            return self.wire.get(path)
        except NotFound:
            return {}

    def _answered(self, pull: Pull, commit: str, answer: Mapping[str, Any]) -> MergeResult:
        details, status = _details(answer), answer.get("status")
        reason = display(str(details.get("message") or answer.get("message") or ""), limit=500)
        if status == "pending":
            return MergeResult(state=MergeState.PENDING, reason=reason)
        if status == "enqueued":
            return MergeResult(state=MergeState.QUEUED, reason=reason)
        is_merged = status == "merged" and bool(details.get("sha"))
        return self._ended(pull, commit, reason=reason, is_merged=is_merged)

    def _merge_now(self, pull: Pull, wish: Mapping[str, str]) -> MergeResult:
        try:
            self._put(f"/pulls/{pull.number}/merge", wish)
        except (Conflicting, Invalid, NotAllowed) as error:
            return self._ended(pull, wish["sha"], reason=_reason(error))
        return MergeResult(state=MergeState.MERGED)

    def _put(
        self, path: str, wish: Mapping[str, str], *, accepted: Collection[int] = ()
    ) -> dict[str, Any]:
        """Send a merge; safe to repeat, because GitHub refuses a second one."""
        send = partial(self.wire.send, "PUT", path, dict(wish), accepted=accepted)
        return self.wire.repeat("merge the pull request", send)

    def _ended(
        self, pull: Pull, commit: str, *, reason: str, is_merged: bool = False
    ) -> MergeResult:
        """Return the result that the pull request itself shows.

        `is_merged` says that GitHub reported the merge: the pull request may show an older state.
        """
        now = self.get(pull.number)
        if now.head_commit != commit:
            return MergeResult(state=MergeState.MOVED, reason=reason)
        if now.is_merged or is_merged:
            return MergeResult(state=MergeState.MERGED)
        if now.has_auto_merge and now.is_open:
            return MergeResult(state=MergeState.PENDING, reason=reason)
        return MergeResult(state=MergeState.REFUSED, reason=reason)

    def enable_auto_merge(self, pull: Pull, *, commit: str, method: str = "merge") -> MergeResult:
        """Let GitHub merge when its rules are met: PENDING, or REFUSED if they are met already."""
        wish = {
            "pullRequestId": pull.node_id,
            "expectedHeadOid": commit,
            "mergeMethod": method.upper(),
        }
        refusal = self._mutate("enablePullRequestAutoMerge", wish)
        if refusal:
            return self._ended(pull, commit, reason=refusal)
        return MergeResult(state=MergeState.PENDING)

    def enqueue(self, pull: Pull, *, commit: str) -> MergeResult:
        """Add the pull request to the base's merge queue (QUEUED), if its head is `commit`."""
        wish = {"pullRequestId": pull.node_id, "expectedHeadOid": commit}
        refusal = self._mutate("enqueuePullRequest", wish)
        if refusal and "already in" not in refusal.lower():  # queued by a try with a lost answer
            return self._ended(pull, commit, reason=refusal)
        return MergeResult(state=MergeState.QUEUED)

    def _mutate(self, mutation: str, wish: Mapping[str, str]) -> str:
        """Send a mutation and return why it was refused, or ""."""
        action = "have the pull request merged by GitHub"
        send = partial(self.wire.mutate, mutation, [wish], "clientMutationId", action=action)
        try:
            self.wire.repeat(action, send)
        except (Invalid, NotAllowed, NotFound, Unsupported) as error:
            return _reason(error)
        return ""


_REVIEWS = """\
query($owner: String!, $name: String!, $number: Int!) {
  repository(owner: $owner, name: $name) { pullRequest(number: $number) { reviewDecision } }
}"""
_MISSING_REVIEWS = {
    "REVIEW_REQUIRED": "it lacks an approving review that the rules of its branch require",
    "CHANGES_REQUESTED": "a review requests changes",
}


def _details(answer: Mapping[str, Any]) -> Mapping[str, Any]:
    details = answer.get("details")
    return details if isinstance(details, dict) else {}


def _reason(error: EnvironmentFault) -> str:
    """Return GitHub's reason; if a permission is missing, with the next step."""
    return f"{error.why} ({error.next_step})" if isinstance(error, NotAllowed) else error.why

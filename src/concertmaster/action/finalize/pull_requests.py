"""Opens and updates the pull requests of a run: for its tasks, for the whole, for Memory.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.comments import pull_request
from concertmaster.git.run_repository import RunRepository
from concertmaster.github.errors import Invalid, NotAllowed
from concertmaster.github.models import Comment, Pull
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds.history import History
from concertmaster.rounds.verdict import Verdict
from concertmaster.text.markdown import as_line
from concertmaster.text.marks import read_marks

LOOKS = 5
SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """The text of a pull request; `branch` is the name of its branch within the run."""

    branch: str
    title: str
    body: str
    review: str = ""  # a comment of ours on the change, "" for none


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The pull requests by branch name, and notes (Markdown) on those that could not be opened."""

    pulls: Mapping[str, Pull]
    notes: tuple[str, ...] = ()


def open_pull_requests(
    context: FinalizeContext, proposals: list[Proposal], *, since: str
) -> Proposed:
    """Open the missing pull requests and update the open ones; safe to repeat.

    `since` is the time when the run was created, as GitHub writes it. Where no pull request may be
    opened, a note links the page that compares the branch with the target.
    """
    pulls = context.job.issue_client.pulls
    names = [context.branch(one.branch) for one in proposals]
    found = pulls.find(names, since=since, is_ours=lambda pull: is_ours(pull, context.viewer))
    made: dict[str, Pull] = {}
    notes: list[str] = []
    for one in proposals:
        try:
            made[one.branch] = _put(context, one, found.get(context.branch(one.branch)))
            _publish_review(context, one, made[one.branch])
        except (NotAllowed, Invalid) as error:
            notes.append(_compare(context, one, error))
            if isinstance(error, NotAllowed):
                rest = proposals[proposals.index(one) + 1 :]
                notes.extend(_compare(context, other, error) for other in rest)
                break
    return Proposed(pulls=made, notes=tuple(notes))


def _put(context: FinalizeContext, one: Proposal, found: Pull | None) -> Pull:
    pulls = context.job.issue_client.pulls
    if found is None or not (found.is_open or _carries(context, found)):
        branch, base = context.branch(one.branch), context.plan.target
        found = pulls.open(branch=branch, base=base, title=one.title, body=one.body)
    if not is_ours(found, context.viewer):
        return found  # somebody else opened it from our branch: the text is theirs
    if found.is_merged or (found.title, found.body) == (one.title, one.body):
        return found
    return pulls.change(found, title=one.title, body=one.body)


def _publish_review(context: FinalizeContext, one: Proposal, pull: Pull) -> None:
    """Publish the review once; GitHub may refuse it without harm to the pull request."""
    if not one.review:
        return

    def is_there(comment: Comment) -> bool:
        return comment.author == context.viewer and read_marks(comment.body) == wanted

    wanted = read_marks(one.review)
    try:
        context.job.issue_client.pulls.review(pull.number, one.review, is_ours=is_there)
    except (NotAllowed, Invalid) as error:
        context.job.console.note(f"no review on #{pull.number}: {error.why or error.what}")


def _carries(context: FinalizeContext, merged: Pull) -> bool:
    """Return whether the pull request was merged as its branch is now.

    Commits that came onto the branch later are another change.
    """
    return merged.is_merged and merged.head_commit == context.seen.tip(merged.head)


def _compare(context: FinalizeContext, one: Proposal, error: NotAllowed | Invalid) -> str:
    """Return a note that links the page which compares the branch with the target (Markdown)."""
    target, branch = context.plan.target, context.branch(one.branch)
    url = f"{context.job.repository_url}/compare/{target}...{branch}"
    remedy = f"; {error.next_step}" if isinstance(error, NotAllowed) else ""  # our own text
    return f"No pull request for [`{branch}`]({url}): {as_line(error.why or error.what)}{remedy}"


def is_ours(pull: Pull, viewer: str) -> bool:
    """Return whether we wrote the pull request: it has our login and our mark."""
    return pull.author == viewer and bool(read_marks(pull.body))


def name_merged(context: FinalizeContext, history: History) -> History:
    """Return the history with the merge commits of squashed pull requests.

    The commits of their tasks never reached the target.
    """
    tasks = history.tasks.values()
    settled = [one for one in tasks if one.state is TaskState.LANDED and one.pull]
    doubtful = [one for one in settled if one.landed_as == one.head]
    tip = context.tip() if doubtful else ""
    missing = [one for one in doubtful if not context.objects.is_ancestor(one.head, tip)]
    pulls = {
        number: context.job.issue_client.pulls.get(number) for number in {o.pull for o in missing}
    }
    for one in missing:
        merged = pulls[one.pull].merge_commit or one.head
        history = history.put(replace(one, landed_as=merged))
    return history


def await_merged(context: FinalizeContext, names: Collection[str], *, since: str) -> list[str]:
    """Wait for GitHub to notice merged pull requests; return the branches of those still open.

    GitHub notices a push some seconds later. A pull request whose branch is removed before counts
    as closed.
    """
    waiting = list(names)
    for number in range(LOOKS):
        if not waiting:
            break
        if number:
            context.job.clock.sleep(SECONDS_BETWEEN_LOOKS)
        found = context.job.issue_client.pulls.find(
            [context.branch(one) for one in waiting], since=since
        )
        waiting = [
            one
            for one in waiting
            if (pull := found.get(context.branch(one))) is not None and pull.is_open
        ]
    return waiting


WHOLE = "landed"  # the branch of a run's one pull request


class Reached(StrEnum):
    """The place that the tested commit reached."""

    TARGET = "target"
    PULL = "pull"  # a pull request carries it
    MOVED = "moved"  # the target moved meanwhile; the result has to be checked again
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The history after a delivery, and notes for people (Markdown)."""

    history: History
    reached: Reached = Reached.NOTHING
    notes: tuple[str, ...] = ()

    def note(self, *notes: str) -> Delivery:
        """Return the delivery with these notes added."""
        return replace(self, notes=(*self.notes, *notes))


def set_fault(history: History, tasks: Iterable[str], fault: LandingFault, reason: str) -> History:
    """Return the history with the fault and its reason on each of the tasks."""
    for task in tasks:
        one = replace(history.task(task), fault=fault, reason=as_line(reason))
        history = history.put(one)
    return history


def propose_task(
    history: History,
    task: str,
    *,
    closes: bool,
    objects: RunRepository,
    together: Iterable[str] = (),
) -> Proposal:
    """Return the proposal of one task.

    `together` are the tasks that passed the check with it; `closes` makes its merge close the
    issue. `objects` holds its commits.
    """
    one = history.task(task)
    changed = [change.path for change in objects.changes(one.base, one.head)]
    body = pull_request.pull_body(
        history, one, closes=closes, together=[*together], changed=changed
    )
    return Proposal(
        branch=task,
        title=pull_request.pull_title(one),
        body=body,
        review=pull_request.review_body(history, one),
    )


def propose_whole(
    history: History, verdict: Verdict, made: Iterable[str], *, reason: str
) -> Proposal:
    """Return the proposal of the run's one pull request; `reason` says why nothing is pushed."""
    body = pull_request.run_pull_body(
        history, verdict, landed=[history.task(task) for task in made], reason=reason
    )
    return Proposal(branch=WHOLE, title=pull_request.run_pull_title(history), body=body)


def closes_issues(context: FinalizeContext) -> bool:
    """Return whether a merge into the target closes issues.

    GitHub closes issues only for merges into the default branch.
    """
    return context.repository.current_branch() == context.plan.target

"""The pull requests of a run: one for each task, one for all of it, one for Memory.md."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.comments import pull_request
from concertmaster.github.errors import Invalid, NotAllowed
from concertmaster.github.models import Pull
from concertmaster.model import TaskState
from concertmaster.rounds.history import History
from concertmaster.rounds.verdict import LandingFault, Verdict
from concertmaster.text.markdown import as_line
from concertmaster.text.marks import read_marks

LOOKS = 5
SECONDS_BETWEEN_LOOKS = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a pull request is to say; `branch` is its name within the run."""

    branch: str
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """The pull requests by branch, and why some could not be opened (Markdown)."""

    pulls: Mapping[str, Pull]
    notes: tuple[str, ...] = ()


def open_pull_requests(
    context: FinalizeContext, proposals: list[Proposal], *, since: str
) -> Proposed:
    """Open what is missing, and make what is open say what it should; safe to repeat.

    Where no pull request may be opened, the branches are named with the page that compares them.
    """
    pulls = context.job.issue_client.pulls
    names = [context.branch(one.branch) for one in proposals]
    found = pulls.find(names, since=since, is_ours=lambda pull: is_ours(pull, context.viewer))
    made: dict[str, Pull] = {}
    notes: list[str] = []
    for one in proposals:
        try:
            made[one.branch] = _put(context, one, found.get(context.branch(one.branch)))
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
        return found  # somebody opened it from our branch: its words are theirs
    if found.is_merged or (found.title, found.body) == (one.title, one.body):
        return found
    return pulls.change(found, title=one.title, body=one.body)


def _carries(context: FinalizeContext, merged: Pull) -> bool:
    """It was merged as the branch is now; what came onto the branch later is another change."""
    return merged.is_merged and merged.head_commit == context.seen.get(merged.head)


def _compare(context: FinalizeContext, one: Proposal, error: NotAllowed | Invalid) -> str:
    target, branch = context.plan.target, context.branch(one.branch)
    url = f"{context.job.repository_url}/compare/{target}...{branch}"
    remedy = f"; {error.next_step}" if isinstance(error, NotAllowed) else ""  # words of ours
    return f"No pull request for [`{branch}`]({url}): {as_line(error.why or error.what)}{remedy}"


def is_ours(pull: Pull, viewer: str) -> bool:
    """Written by us, with our mark."""
    return pull.author == viewer and bool(read_marks(pull.body))


def name_merged(context: FinalizeContext, history: History) -> History:
    """With what squashed pull requests became, where the commits of the tasks never landed."""
    settled = [one for one in history.tasks if one.state is TaskState.LANDED and one.pull]
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
    """The branches whose pull request GitHub still shows as open; without its branch it would
    count as closed. What a push has merged is seen only some seconds later."""
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
    """How far the tested commit came."""

    TARGET = "target"
    PULL = "pull"  # a pull request carries it
    MOVED = "moved"  # somebody else moved the target; it has to be checked again
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """The history with all that was delivered, and what people should know of it (Markdown)."""

    history: History
    reached: Reached = Reached.NOTHING
    notes: tuple[str, ...] = ()

    def note(self, *notes: str) -> Delivery:
        """With these notes as well."""
        return replace(self, notes=(*self.notes, *notes))


def set_fault(history: History, tasks: Iterable[str], fault: LandingFault, reason: str) -> History:
    for task in tasks:
        one = replace(history.task(task), fault=fault, reason=as_line(reason))
        history = history.put(one)
    return history


def propose_task(
    history: History,
    task: str,
    *,
    closes: bool,
    together: Iterable[str] = (),
) -> Proposal:
    one = history.task(task)
    body = pull_request.pull_body(history, one, closes=closes, together=[*together])
    return Proposal(branch=task, title=pull_request.pull_title(one), body=body)


def propose_whole(
    history: History, verdict: Verdict, made: Iterable[str], *, reason: str
) -> Proposal:
    body = pull_request.run_pull_body(
        history, verdict, landed=[history.task(task) for task in made], reason=reason
    )
    return Proposal(branch=WHOLE, title=pull_request.run_pull_title(history), body=body)


def closes_issues(context: FinalizeContext) -> bool:
    """GitHub closes issues by what is merged into the default branch, and by no other."""
    return context.repository.current_branch() == context.plan.target

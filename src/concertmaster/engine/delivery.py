"""How tested commits reach GitHub: the target itself, or pull requests to it.

Everything may be done again: what is there already is found by name and commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from concertmaster.adapters.issue import MergeState, Merging, Pull
from concertmaster.adapters.remote import Move, PushState
from concertmaster.adapters.run_repository import Conflict
from concertmaster.core import notice, rounds
from concertmaster.core.history import History, TaskHistory
from concertmaster.core.model import LandingMode, TaskState
from concertmaster.core.neutral import as_code, as_line
from concertmaster.core.verdict import Fault, Verdict
from concertmaster.engine import remembrance
from concertmaster.engine.ground import Ground
from concertmaster.engine.proposals import Proposal, is_ours, propose

FEW_TASKS = 20  # from so many on, one pull request carries them all
WHOLE = "landed"  # the branch of a run's one pull request
HELD = "only a person may merge it"

_AS_ASKED = {
    LandingMode.BRANCHES: "Nothing lands, as it was asked for: what succeeded lies on the branches "
    "named above. `/orchestrate retry landing=merge` checks and lands it.",
    LandingMode.NONE: "Nothing lands, as it was asked for: what succeeded lies in the artifacts of "
    "this workflow run alone.",
}


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


def deliver(
    ground: Ground, history: History, verdict: Verdict, *, made: Mapping[str, str], last: bool
) -> Delivery:
    """Bring what passed to where the run's landing mode wants it.

    `made` is the commit of each task that passed, as the verdict's merges made it. After the
    `last` round of ours a target that moves on is no reason to try again.
    """
    mode = ground.plan.settings.landing
    if mode in (LandingMode.NONE, LandingMode.BRANCHES):
        reason = "the run was asked to land nothing"
        history = _set_fault(history, _ready(history), Fault.UNASKED, reason)
        return Delivery(history=history, notes=(_AS_ASKED[mode],))
    if mode is LandingMode.PULL_REQUESTS:
        return _offer(ground, history, [*made, *_held(history)])
    # First, so that Memory.md, which lands in the same push, can name their pull requests.
    offered = _offer(ground, history, _held(history))
    delivery = _land(ground, offered.history, verdict, made, last=last).note(*offered.notes)
    if delivery.reached is Reached.MOVED:
        return delivery
    rest = _offer(ground, delivery.history, _held(delivery.history))
    return replace(delivery, history=rest.history).note(*rest.notes)


def _ready(history: History) -> list[str]:
    return [one.task for one in history.tasks if one.head and one.state is TaskState.SUCCEEDED]


def _held(history: History) -> list[str]:
    return [task for task in _ready(history) if history.task(task).sensitive]


def _set_fault(history: History, tasks: Iterable[str], fault: Fault, reason: str) -> History:
    for task in tasks:
        one = replace(history.task(task), fault=fault, reason=as_line(reason))
        history = history.put(one)
    return history


# --- straight onto the target ------------------------------------------------------------------


def _land(
    ground: Ground, history: History, verdict: Verdict, made: Mapping[str, str], *, last: bool
) -> Delivery:
    tip = ground.tip()
    landed = history
    for task, commit in made.items():
        landed = rounds.land(landed, task, landed_as=commit)
    if made and ground.objects.is_ancestor(verdict.commit, tip):  # a try before this one did it
        return _remember(ground, _recall(ground, landed, made, tip=tip))
    if not made:
        return Delivery(history=history)
    is_moved = tip != verdict.tip
    is_rewritten = is_moved and not ground.objects.is_ancestor(verdict.tip, tip)
    if is_moved and (is_rewritten or not last):
        return _give_way(ground, history)
    mode = ground.plan.settings.landing
    reason = "the run lands by one pull request" if mode is LandingMode.SINGLE_PULL_REQUEST else ""
    reason = reason or ("the target kept moving while results were checked" if is_moved else "")
    reason = reason or ground.job.forge.forbids_push(ground.plan.target)
    if not reason:
        return _push(ground, landed, verdict, made)
    may_merge = mode is LandingMode.MERGE and not is_moved
    return _carry(ground, history, verdict, made, reason=reason, may_merge=may_merge)


def _give_way(ground: Ground, history: History) -> Delivery:
    """What was checked is not what a push would make of the target now."""
    target = as_code(ground.plan.target)
    note = f"Somebody moved {target} while results were checked, so none of them has landed yet."
    return Delivery(history=history, reached=Reached.MOVED, notes=(note,))


def _push(ground: Ground, landed: History, verdict: Verdict, made: Mapping[str, str]) -> Delivery:
    """Move the target to the tested commit, with Memory.md on top; where nobody may push, by a
    pull request."""
    landed, notes = _show(ground, landed, verdict, made)
    final = remembrance.write_on(ground, verdict.commit, landed)
    target = ground.plan.target
    pushed = ground.push([Move(branch=target, old=verdict.tip, new=final.commit)])[target]
    if pushed.state is PushState.DONE:
        return Delivery(history=landed, reached=Reached.TARGET, notes=(*notes, *final.notes))
    history = _unland(landed, made)
    if pushed.state is PushState.MOVED:
        return _give_way(ground, history).note(*notes)
    return _carry(ground, history, verdict, made, reason=pushed.reason, may_merge=True)


def _unland(history: History, made: Mapping[str, str]) -> History:
    for task in made:
        one = history.task(task)
        history = history.put(replace(one, state=TaskState.SUCCEEDED, landed_as=""))
    return history


def _recall(ground: Ground, landed: History, made: Mapping[str, str], *, tip: str) -> History:
    """With the pull requests and branches that the try before this one made for them."""
    names = {name: ground.branch(name) for name in (*made, WHOLE)}
    found = ground.job.forge.pulls.find(
        names.values(), since=_since(landed), is_ours=lambda pull: is_ours(pull, ground.viewer)
    )
    numbers = {name: found[branch].number for name, branch in names.items() if branch in found}
    whole = numbers.get(WHOLE, landed.pull)
    for task in made:
        landed = landed.put(replace(landed.task(task), pull=numbers.get(task, whole)))
    there = {name: ground.seen[branch] for name, branch in names.items() if branch in ground.seen}
    # What the target holds is lost with no branch; with more on it, it is not as we left it.
    mine = {name: at for name, at in there.items() if ground.objects.is_ancestor(at, tip)}
    tips = tuple(sorted({**dict(landed.tips), **mine}.items()))
    return replace(landed, pull=whole, tips=tips)


def _remember(ground: Ground, landed: History) -> Delivery:
    notes = remembrance.bring(ground, landed)
    return Delivery(history=landed, reached=Reached.TARGET, notes=notes)


def _show(
    ground: Ground, landed: History, verdict: Verdict, made: Mapping[str, str]
) -> tuple[History, tuple[str, ...]]:
    """Pull requests, opened before the push, which GitHub then shows as merged."""
    if len(landed.tasks) >= FEW_TASKS:
        return _show_whole(ground, landed, verdict, made)
    history, failed = ground.set_branches(landed, made)
    closes = _closes(ground)
    proposals = [
        _proposal(history, task, closes=closes, together=made)
        for task in made
        if task not in failed and not _is_there(ground, made[task], verdict)
    ]
    proposed = propose(ground, proposals, since=_since(history))
    for task, pull in proposed.pulls.items():
        history = history.put(replace(history.task(task), pull=pull.number))
    return history, (*failed.values(), *proposed.notes)


def _is_there(ground: Ground, commit: str, verdict: Verdict) -> bool:
    """The target holds it already, so there is nothing to show."""
    return ground.objects.is_ancestor(commit, verdict.tip)


def _show_whole(
    ground: Ground, landed: History, verdict: Verdict, made: Mapping[str, str]
) -> tuple[History, tuple[str, ...]]:
    history, failed = ground.set_branches(landed, {WHOLE: verdict.commit})
    if failed:
        return history, tuple(failed.values())
    reason = f"a run of {len(history.tasks)} tasks has one pull request for all of them"
    proposed = propose(
        ground, [_whole(history, verdict, made, reason=reason)], since=_since(history)
    )
    number = next((pull.number for pull in proposed.pulls.values()), 0)
    for task in made:
        history = history.put(replace(history.task(task), pull=number))
    return replace(history, pull=number), proposed.notes


def _proposal(
    history: History,
    task: str,
    *,
    closes: bool,
    together: Iterable[str] = (),
    notes: tuple[str, ...] = (),
) -> Proposal:
    one = history.task(task)
    body = notice.pull_body(history, one, closes=closes, together=[*together], notes=notes)
    return Proposal(branch=task, title=notice.pull_title(one), body=body)


def _whole(history: History, verdict: Verdict, made: Iterable[str], *, reason: str) -> Proposal:
    body = notice.run_pull_body(
        history, verdict, landed=[history.task(task) for task in made], reason=reason
    )
    return Proposal(branch=WHOLE, title=notice.run_pull_title(history), body=body)


def _closes(ground: Ground) -> bool:
    """GitHub closes issues by what is merged into the default branch, and by no other."""
    return ground.repository.current_branch() == ground.plan.target


def _since(history: History) -> str:
    return history.created_at


# --- one pull request for all ------------------------------------------------------------------


def _carry(
    ground: Ground,
    history: History,
    verdict: Verdict,
    made: Mapping[str, str],
    *,
    reason: str,
    may_merge: bool,
) -> Delivery:
    """The tested commit, with Memory.md on top, as a pull request; merged where that is allowed."""
    landed = history
    for task, commit in made.items():
        landed = rounds.land(landed, task, landed_as=commit)
    final = remembrance.write_on(ground, verdict.commit, landed)
    history, failed = ground.set_branches(history, {WHOLE: final.commit})
    if failed:
        held_back = _set_fault(history, made, Fault.STUCK, f"{reason}, and it has no branch")
        return Delivery(history=held_back, notes=tuple(failed.values()))
    proposal = _whole(history, verdict, made, reason=reason)
    proposed = propose(ground, [proposal], since=_since(history))
    pull = proposed.pulls.get(WHOLE)
    history = replace(history, pull=pull.number if pull else 0)
    if pull is None:
        words = f"{reason}, and none could be opened"
        held_back = _set_fault(history, made, Fault.STUCK, words)
        return Delivery(history=held_back, reached=Reached.PULL, notes=proposed.notes)
    merging = _merge(ground, pull, final.commit) if may_merge else None
    if merging and merging.state is MergeState.MERGED:
        return _take_merged(ground, history, made, final.commit, pull).note(*final.notes)
    # One pull request holds it all now, and those of its tasks go with their branches.
    shown = {task: "" for task, _ in history.tips if task in made}
    history, failed = ground.set_branches(history, shown)
    words = "; ".join(filter(None, (reason, _say_merging(merging))))
    return _await(history, made, reason=words).note(*final.notes, *failed.values())


def _say_merging(merging: Merging | None) -> str:
    if merging is None:
        return ""
    match merging.state:
        case MergeState.PENDING:
            return "GitHub merges it by itself when nothing is in the way any more"
        case MergeState.QUEUED:
            return "it is in the merge queue"
        case MergeState.MOVED:
            return "somebody changed its branch, so it is not what was checked"
        case _:
            return merging.reason


def _merge(ground: Ground, pull: Pull, commit: str) -> Merging:
    """At once, else as soon as the rules are met, else by the queue."""
    pulls = ground.job.forge.pulls
    if pull.is_merged:
        return Merging(state=MergeState.MERGED, commit=pull.merge_commit)
    merging = pulls.merge(pull, commit=commit, title="", message="")
    if merging.state is not MergeState.REFUSED:
        return merging
    later = pulls.enable_auto_merge(pull, commit=commit, title="", message="")
    if later.state is not MergeState.REFUSED:
        return later
    queued = pulls.enqueue(pull, commit=commit)
    return merging if queued.state is MergeState.REFUSED else queued


def _take_merged(
    ground: Ground, history: History, made: Mapping[str, str], commit: str, pull: Pull
) -> Delivery:
    tip = ground.tip()
    for task, its_commit in made.items():
        is_there = ground.objects.is_ancestor(its_commit, tip)  # not where it was squashed
        history = rounds.land(history, task, landed_as=its_commit if is_there else tip)
        history = history.put(replace(history.task(task), pull=pull.number))
    delivery = Delivery(history=history, reached=Reached.PULL)
    if ground.objects.tree(tip) == ground.objects.tree(commit):
        return delivery
    return delivery.note(
        f"The target moved while #{pull.number} was merged: its tree is not the one that was "
        "checked. Run the check on it."
    )


def _await(history: History, made: Iterable[str], *, reason: str) -> Delivery:
    for task in made:
        history = rounds.await_merge(history, task, pull=history.pull, reason=as_line(reason))
    return Delivery(history=history, reached=Reached.PULL)


# --- a pull request for each -------------------------------------------------------------------


def _offer(ground: Ground, history: History, tasks: Iterable[str]) -> Delivery:
    """A pull request for each task that can be merged by itself; the others wait for those that
    they are built on."""
    tip = ground.tip()
    commits: dict[str, str] = {}
    for task in tasks:
        commit = _standalone(ground, history, history.task(task), tip)
        if isinstance(commit, Conflict):
            history = _set_aside(history, task, commit)
        elif commit:
            commits[task] = commit
    history, failed = ground.set_branches(history, commits)
    closes = _closes(ground)
    proposals = [
        _proposal(history, task, closes=closes, together=())
        for task in commits
        if task not in failed
    ]
    proposed = propose(ground, proposals, since=_since(history))
    for task in commits:
        pull = proposed.pulls.get(task)
        reason = HELD if history.task(task).sensitive else "a person merges it"
        number = pull.number if pull else 0
        history = rounds.await_merge(history, task, pull=number, reason=reason)
        if pull and pull.is_merged:  # since a try before this one
            history = rounds.land(history, task, landed_as=pull.merge_commit)
    reached = Reached.PULL if commits else Reached.NOTHING
    return Delivery(history=history, reached=reached, notes=(*failed.values(), *proposed.notes))


def _standalone(ground: Ground, history: History, one: TaskHistory, tip: str) -> str | Conflict:
    """A commit with the task's change and nothing of others that have not landed; "" = wait."""
    known = {other.task: other for other in history.tasks}
    hard = [need.on for need in history.needs if need.hard and need.task == one.task]
    if any(on in known and not known[on].is_done for on in hard):
        return ""
    objects = ground.objects
    is_foreign = objects.is_foreign(one.base, tip)
    if not is_foreign and all(objects.is_ancestor(built.head, tip) for built in one.built_on):
        return one.head
    text, at = objects.message(one.head), ground.plan.settings.made_at
    result = objects.reapply(tip, base=one.base, head=one.head, message=text, at=at)
    if not isinstance(result, Conflict):
        return result.commit
    before = [known[built.task] for built in one.built_on if built.task in known]
    waits = any(not (other.is_done or other.state.is_lost) for other in before)
    return "" if waits else result


def _set_aside(history: History, task: str, conflict: Conflict) -> History:
    reason = f"does not merge onto the target: conflict in {', '.join(conflict.paths[:5])}"
    one = replace(history.task(task), state=TaskState.LEFT_OUT, fault=Fault.CONFLICT, reason=reason)
    return history.put(one)

"""The pull requests of a run: one for each task, one for all of it, one for Memory.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from concertmaster.adapters.issue import Pull
from concertmaster.adapters.refusal import Invalid, NotAllowed
from concertmaster.core.history import History
from concertmaster.core.model import TaskState
from concertmaster.core.neutral import as_line, read_marks
from concertmaster.engine.ground import Ground

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


def propose(ground: Ground, proposals: list[Proposal], *, since: str) -> Proposed:
    """Open what is missing, and make what is open say what it should; safe to repeat.

    Where no pull request may be opened, the branches are named with the page that compares them.
    """
    pulls = ground.job.forge.pulls
    names = [ground.branch(one.branch) for one in proposals]
    found = pulls.find(names, since=since, is_ours=lambda pull: is_ours(pull, ground.viewer))
    made: dict[str, Pull] = {}
    notes: list[str] = []
    for one in proposals:
        try:
            made[one.branch] = _put(ground, one, found.get(ground.branch(one.branch)))
        except (NotAllowed, Invalid) as error:
            notes.append(_compare(ground, one, error))
            if isinstance(error, NotAllowed):
                rest = proposals[proposals.index(one) + 1 :]
                notes.extend(_compare(ground, other, error) for other in rest)
                break
    return Proposed(pulls=made, notes=tuple(notes))


def _put(ground: Ground, one: Proposal, found: Pull | None) -> Pull:
    pulls = ground.job.forge.pulls
    if found is None or not (found.is_open or _carries(ground, found)):
        branch, base = ground.branch(one.branch), ground.plan.target
        found = pulls.open(branch=branch, base=base, title=one.title, body=one.body)
    if not is_ours(found, ground.viewer):
        return found  # somebody opened it from our branch: its words are theirs
    if found.is_merged or (found.title, found.body) == (one.title, one.body):
        return found
    return pulls.change(found, title=one.title, body=one.body)


def _carries(ground: Ground, merged: Pull) -> bool:
    """It was merged as the branch is now; what came onto the branch later is another change."""
    return merged.is_merged and merged.head_commit == ground.seen.get(merged.head)


def _compare(ground: Ground, one: Proposal, error: NotAllowed | Invalid) -> str:
    target, branch = ground.plan.target, ground.branch(one.branch)
    url = f"{ground.job.repository_url}/compare/{target}...{branch}"
    remedy = f"; {error.next_step}" if isinstance(error, NotAllowed) else ""  # words of ours
    return f"No pull request for [`{branch}`]({url}): {as_line(error.why or error.what)}{remedy}"


def is_ours(pull: Pull, viewer: str) -> bool:
    """Written by us, with our mark."""
    return pull.author == viewer and bool(read_marks(pull.body))


def name_merged(ground: Ground, history: History) -> History:
    """With what squashed pull requests became, where the commits of the tasks never landed."""
    settled = [one for one in history.tasks if one.state is TaskState.LANDED and one.pull]
    doubtful = [one for one in settled if one.landed_as == one.head]
    tip = ground.tip() if doubtful else ""
    missing = [one for one in doubtful if not ground.objects.is_ancestor(one.head, tip)]
    pulls = {number: ground.job.forge.pulls.get(number) for number in {o.pull for o in missing}}
    for one in missing:
        merged = pulls[one.pull].merge_commit or one.head
        history = history.put(replace(one, landed_as=merged))
    return history


def await_merged(ground: Ground, names: Collection[str], *, since: str) -> list[str]:
    """The branches whose pull request GitHub still shows as open; without its branch it would
    count as closed. What a push has merged is seen only some seconds later."""
    waiting = list(names)
    for number in range(LOOKS):
        if not waiting:
            break
        if number:
            ground.job.clock.sleep(SECONDS_BETWEEN_LOOKS)
        found = ground.job.forge.pulls.find([ground.branch(one) for one in waiting], since=since)
        waiting = [
            one
            for one in waiting
            if (pull := found.get(ground.branch(one))) is not None and pull.is_open
        ]
    return waiting

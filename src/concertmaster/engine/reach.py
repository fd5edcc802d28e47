"""How far tested commits came, and the words of the pull requests that carry them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from concertmaster.core import notice
from concertmaster.core.history import History
from concertmaster.core.neutral import as_line
from concertmaster.core.verdict import Fault, Verdict
from concertmaster.engine.ground import Ground
from concertmaster.engine.proposals import Proposal

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


def set_fault(history: History, tasks: Iterable[str], fault: Fault, reason: str) -> History:
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
    body = notice.pull_body(history, one, closes=closes, together=[*together])
    return Proposal(branch=task, title=notice.pull_title(one), body=body)


def propose_whole(
    history: History, verdict: Verdict, made: Iterable[str], *, reason: str
) -> Proposal:
    body = notice.run_pull_body(
        history, verdict, landed=[history.task(task) for task in made], reason=reason
    )
    return Proposal(branch=WHOLE, title=notice.run_pull_title(history), body=body)


def closes_issues(ground: Ground) -> bool:
    """GitHub closes issues by what is merged into the default branch, and by no other."""
    return ground.repository.current_branch() == ground.plan.target

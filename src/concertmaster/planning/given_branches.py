"""Reads branches that exist already, so that a run can land them as it lands results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from concertmaster.errors import UsageError
from concertmaster.git import branches
from concertmaster.model import Need, RunSettings
from concertmaster.planning.checkout import Checkout
from concertmaster.settings.choices import HistoryShape, LandingMode


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenBranch:
    """A branch to land, as it is now.

    `base` is the commit where it left the target. `commits` are those that the target lacks.
    """

    name: str
    task: str
    head: str
    base: str
    commits: frozenset[str]


def read_given(checkout: Checkout, name: str, *, task: str, head: str) -> GivenBranch:
    """Return the branch with this head, for the target of the checkout.

    Raises UsageError if they have no commit in common.
    """
    repository, tip = checkout.repository, checkout.commit
    base = branches.find_fork(repository, head, target=tip)
    if not base:
        raise UsageError(
            f"the branch {name} has no commit in common with {checkout.target}",
            why="so nobody can say what it changes",
            next_step="name branches that began on it; in a shallow clone, first "
            "`git fetch --unshallow`",
        )
    commits = branches.own_commits(repository, head, target=tip)
    return GivenBranch(name=name, task=task, head=head, base=base, commits=commits)


def find_needs(given: Sequence[GivenBranch]) -> Iterator[Need]:
    """Yield the needs of the branches: each needs the branches that it contains."""
    for upper in given:
        for lower in given:
            if lower is not upper and lower.head in upper.commits:
                reason = f"{upper.name} contains {lower.name}"
                yield Need(task=upper.task, on=lower.task, hard=True, reason=reason)


def without_agent(
    usual: RunSettings,
    *,
    landing: LandingMode = LandingMode.MERGE,
    history: HistoryShape = HistoryShape.MERGE,
) -> RunSettings:
    """Return the settings of a run that lands branches as their authors made them."""
    return replace(
        usual,
        agent="",
        agent_command="",
        phases=(),
        budget_usd=None,
        landing=landing,
        history=history,
    )

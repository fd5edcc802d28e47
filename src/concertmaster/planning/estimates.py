"""What past tasks of a repository took and cost, and what that tells about the next ones."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from concertmaster import model
from concertmaster.model import Phase, RunSettings, Task, TaskState
from concertmaster.text.display import count

DEFAULT_ESTIMATE_SECONDS = 600.0
SECONDS_PER_PATH = 60.0
MOST_PATHS_COUNTED = 10

MOST_SAMPLES = 60  # the newest; what an agent took a year ago tells little
LEAST_SAMPLES = 3  # of fewer one outlier would be the median
LONGEST_SECONDS = 7 * 86400.0
SHORTEST_SECONDS = 0.1
HIGHEST_COST_USD = 1e6

_WORKED = (TaskState.SUCCEEDED, TaskState.LANDED, TaskState.AWAITING_MERGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of a task before it runs: the length of its footprint, who works on it, and
    all phases that it goes through."""

    prompt: str
    paths: int
    agent: str
    phases: tuple[Phase, ...]

    @property
    def guess_seconds(self) -> float:
        """By size alone."""
        paths = min(max(self.paths, 0), MOST_PATHS_COUNTED)
        return DEFAULT_ESTIMATE_SECONDS + SECONDS_PER_PATH * paths

    def is_like(self, other: Profile) -> bool:
        """The same agent goes through the same phases."""
        return (self.agent, self.phases) == (other.agent, other.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A past task that worked: seconds of agents and checks, and USD, of all its attempts.

    `at` is epoch seconds; `cost_usd` is None where no agent told any.
    """

    run: str
    at: float
    profile: Profile
    seconds: float
    cost_usd: float | None = None

    @property
    def is_believable(self) -> bool:
        """Whoever wrote it down, no run makes other numbers."""
        cost = self.cost_usd
        return (
            0 < self.seconds < LONGEST_SECONDS
            and (cost is None or 0 <= cost < HIGHEST_COST_USD)
            and math.isfinite(self.at)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`cost_usd` is None where nothing tells; `reason` says where the seconds are from, as in
    "by <reason>"."""

    seconds: float
    cost_usd: float | None
    reason: str


def profile_of(task: Task, settings: RunSettings) -> Profile:
    """Of a task in a run with these settings."""
    return Profile(
        prompt=task.prompt,
        paths=len(task.footprint),
        agent=task.agent or settings.agent,
        phases=model.select(task.phases or settings.phases),
    )


def has_worked(state: TaskState, *, head: str) -> bool:
    """A task teaches what work takes when it ended well and changed something; `head` is its one
    commit, "" where there was nothing to change."""
    return state in _WORKED and bool(head)


def learn_samples(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """The newest of those that can be believed; in whatever order they come, the same."""
    believed = [one for one in samples if one.is_believable]
    return tuple(sorted(believed, key=_rank, reverse=True)[:MOST_SAMPLES])


def _rank(one: Sample) -> tuple[float, str, str, float, float]:
    cost = -1.0 if one.cost_usd is None else one.cost_usd
    return (one.at, one.run, one.profile.prompt, one.seconds, cost)


def estimate_task(
    profile: Profile, past: Sequence[Sample], *, given: float | None = None
) -> Estimate:
    """What such a task will take; `past` comes from `learn`, `given` are its author's seconds.

    The same prompt's own times tell most, then what tasks of the same agent and phases took
    compared with the guess by size, then what any task did. What one agent costs tells nothing
    about another.
    """
    alike = [one for one in past if one.profile.is_like(profile)]
    own = [one for one in alike if one.profile.prompt == profile.prompt]
    if given is None:
        seconds, reason = _estimate_seconds(profile, own=own, alike=alike, past=past)
    else:
        seconds, reason = given, "front matter"
    cost = _estimate_cost(profile, own=own, alike=alike)
    return Estimate(seconds=seconds, cost_usd=cost, reason=reason)


def _estimate_seconds(
    profile: Profile, *, own: Sequence[Sample], alike: Sequence[Sample], past: Sequence[Sample]
) -> tuple[float, str]:
    """Also the reason."""
    if len(own) >= LEAST_SAMPLES:
        seconds = median(one.seconds for one in own)
        return max(seconds, SHORTEST_SECONDS), f"the median of its own {len(own)} past times"
    for pool, whose in ((alike, ""), (past, " of any agent and phases")):
        if len(pool) >= LEAST_SAMPLES:
            scale = median(one.seconds / one.profile.guess_seconds for one in pool)
            seconds = min(max(scale * profile.guess_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
            times = f"{scale:.0f}" if scale >= 10 else f"{scale:.2g}"
            return seconds, f"the median of {_name(pool)}{whose} ({times} x the guess by size)"
    known = f"only {_name(past)} to learn from" if past else "nothing is measured yet"
    return profile.guess_seconds, f"the size of the footprint ({known})"


def _name(pool: Sequence[Sample]) -> str:
    runs = count(len({one.run for one in pool}), "past run")
    return f"{count(len(pool), 'task')} of {runs}"


def _estimate_cost(
    profile: Profile, *, own: Sequence[Sample], alike: Sequence[Sample]
) -> float | None:
    costs = [one.cost_usd for one in own if one.cost_usd is not None]
    if len(costs) >= LEAST_SAMPLES:
        return median(costs)
    rates = [one.cost_usd / one.profile.guess_seconds for one in alike if one.cost_usd is not None]
    if len(rates) >= LEAST_SAMPLES:
        return min(median(rates) * profile.guess_seconds, HIGHEST_COST_USD)
    return None


def say_cost(costs: Collection[float | None]) -> str:
    """$3.40 for all together, "at least $3.40" where some are unknown, "" where all are."""
    known = [cost for cost in costs if cost is not None]
    bound = "at least " if len(known) < len(costs) else ""
    return f"{bound}${math.fsum(known):.2f}" if known else ""


def predict_cost(tasks: Iterable[Task]) -> float | None:
    """USD of those tasks of which it is known; None where it is of none."""
    known = [one.estimate_cost_usd for one in tasks if one.estimate_cost_usd is not None]
    return math.fsum(known) if known else None

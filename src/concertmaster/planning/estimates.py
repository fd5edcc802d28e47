"""Estimates time and cost of tasks from past tasks of the same repository."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from concertmaster import model
from concertmaster.model import RunSettings, Task, TaskState
from concertmaster.settings.choices import Phase
from concertmaster.text.display import count

DEFAULT_ESTIMATE_SECONDS = 600.0
SECONDS_PER_PATH = 60.0
MOST_PATHS_COUNTED = 10

MOST_SAMPLES = 60  # the newest; agents change, so old times say little
LEAST_SAMPLES = 3  # with fewer, one outlier could be the median
LONGEST_SECONDS = 7 * 86400.0
SHORTEST_SECONDS = 0.1
HIGHEST_COST_USD = 1e6

_WORKED = (TaskState.SUCCEEDED, TaskState.LANDED, TaskState.AWAITING_MERGE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The facts about a task that are known before it runs and that its estimate uses.

    `paths` is the expected number of paths that it touches; `phases` are all that it goes through.
    """

    prompt: str
    paths: int
    agent: str
    phases: tuple[Phase, ...]

    @property
    def guess_seconds(self) -> float:
        """The estimate from the number of paths alone."""
        paths = min(max(self.paths, 0), MOST_PATHS_COUNTED)
        return DEFAULT_ESTIMATE_SECONDS + SECONDS_PER_PATH * paths

    def is_like(self, other: Profile) -> bool:
        """Return whether the same agent goes through the same phases."""
        return (self.agent, self.phases) == (other.agent, other.phases)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A past task that ended well and changed something.

    `seconds` and `cost_usd` are sums over all its attempts, of agents and checks. `at` is epoch
    seconds; `cost_usd` is None if no agent reported a cost.
    """

    run: str
    at: float
    profile: Profile
    seconds: float
    cost_usd: float | None = None
    slots: int = 0  # of its run; 0 is not known

    @property
    def is_believable(self) -> bool:
        """True if a run can produce these numbers; they are read from files."""
        cost = self.cost_usd
        return (
            0 < self.seconds < LONGEST_SECONDS
            and (cost is None or 0 <= cost < HIGHEST_COST_USD)
            and math.isfinite(self.at)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Predicted time and cost of a task.

    `cost_usd` is None if nothing is known about it. `reason` is the source of the seconds, worded
    to follow "by".
    """

    seconds: float
    cost_usd: float | None
    reason: str


def profile_of(task: Task, settings: RunSettings) -> Profile:
    """Return the profile of a task in a run with these settings."""
    return Profile(
        prompt=task.prompt,
        paths=round(sum(entry.probability for entry in task.footprint)),
        agent=task.agent or settings.agent,
        phases=model.select(task.phases or settings.phases),
    )


def has_worked(state: TaskState, *, head: str) -> bool:
    """Return whether a task ended well and changed something, so that its times can be used.

    `head` is the commit of the task, "" if there was nothing to change.
    """
    return state in _WORKED and bool(head)


def learn_samples(samples: Iterable[Sample]) -> tuple[Sample, ...]:
    """Return the newest believable samples, newest first, at most MOST_SAMPLES.

    The result does not depend on the order of `samples`.
    """
    believed = [one for one in samples if one.is_believable]
    return tuple(sorted(believed, key=_rank, reverse=True)[:MOST_SAMPLES])


def _rank(one: Sample) -> tuple[float, str, str, float, float]:
    """Return a sort key that is total, so that the order of reading does not matter."""
    cost = -1.0 if one.cost_usd is None else one.cost_usd
    return (one.at, one.run, one.profile.prompt, one.seconds, cost)


def estimate_task(
    profile: Profile, past: Sequence[Sample], *, given: float | None = None
) -> Estimate:
    """Return the predicted time and cost of a task.

    `past` comes from `learn_samples`; `given` is the estimate of the prompt's author in seconds.
    The seconds are those of past runs of the same prompt. If there are too few, they are scaled
    from the tasks of the same agent and phases, then from all tasks. The cost of one agent says
    nothing about another.
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
    """Return the seconds and the reason for them."""
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


def learn_alone(profile: Profile, past: Sequence[Sample]) -> float | None:
    """Return the seconds that the task takes with one slot, None if too few past tasks tell.

    Only tasks of runs with one slot count, because tasks are slower where they share a machine.
    """
    alike = [one for one in past if one.slots == 1 and one.profile.is_like(profile)]
    own = [one.seconds for one in alike if one.profile.prompt == profile.prompt]
    if len(own) >= LEAST_SAMPLES:
        return median(own)
    if len(alike) >= LEAST_SAMPLES:
        return profile.guess_seconds * median(
            one.seconds / one.profile.guess_seconds for one in alike
        )
    return None


def _name(pool: Sequence[Sample]) -> str:
    """Return how many tasks of how many runs the pool holds, in words."""
    runs = count(len({one.run for one in pool}), "past run")
    return f"{count(len(pool), 'task')} of {runs}"


def _estimate_cost(
    profile: Profile, *, own: Sequence[Sample], alike: Sequence[Sample]
) -> float | None:
    """Return the cost in USD, None if too few samples have one."""
    costs = [one.cost_usd for one in own if one.cost_usd is not None]
    if len(costs) >= LEAST_SAMPLES:
        return median(costs)
    rates = [one.cost_usd / one.profile.guess_seconds for one in alike if one.cost_usd is not None]
    if len(rates) >= LEAST_SAMPLES:
        return min(median(rates) * profile.guess_seconds, HIGHEST_COST_USD)
    return None


def say_cost(costs: Collection[float | None]) -> str:
    """Return the sum of the costs in words.

    The text is "$3.40", or "at least $3.40" if some costs are unknown, or "" if all are.
    """
    known = [cost for cost in costs if cost is not None]
    bound = "at least " if len(known) < len(costs) else ""
    return f"{bound}${math.fsum(known):.2f}" if known else ""


def predict_cost(tasks: Iterable[Task]) -> float | None:
    """Return the sum of the known costs in USD, None if none is known."""
    known = [one.estimate_cost_usd for one in tasks if one.estimate_cost_usd is not None]
    return math.fsum(known) if known else None

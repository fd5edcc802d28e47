"""Holds what is known of a run on GitHub over all its rounds, as the state branch keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from concertmaster.landing.fault import LandingFault
from concertmaster.model import Need, Plan, Skipped, TaskState
from concertmaster.planning.estimates import Profile, Sample, has_worked, profile_of
from concertmaster.prompts.follow_ups import carry_follow_ups
from concertmaster.rounds.result import WorkResult

HISTORY_VERSION = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenPull:
    """A pull request that the run lands and did not make.

    `branch` is the name of its branch. `is_trusted` says that only people with write permission
    can have made it; any other one is held to the path policy.
    """

    number: int
    branch: str
    is_trusted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHistory(WorkResult):
    """A task over all rounds. Numbers of issues and pull requests are 0 if there is none.

    `attempts`, `follow_ups`, `seconds` and `usage` are of all rounds, all else of the last one that
    worked on it. `landed_as` is the commit that brought it to the target; it differs from `head` if
    only the change was re-applied. `branch` holds its work.
    """

    title: str
    prompt: str
    blob: str
    state: TaskState = TaskState.WAITING
    fault: LandingFault | None = None  # the reason why a result may not land
    repairs: int = 0
    landed_as: str = ""
    branch: str = ""
    touches: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()  # the reason for each sensitive path
    issue: int = 0
    pull: int = 0
    profile: Profile | None = None  # for the estimates of later runs
    given: GivenPull | None = None  # what it lands; no agent works on it

    def add(self, result: WorkResult) -> TaskHistory:
        """Return the history of the task after a round in which it came to this result."""
        sums = {
            "attempts": self.attempts + result.attempts,
            "follow_ups": carry_follow_ups((*self.follow_ups, *result.follow_ups)),
            "seconds": self.seconds + result.seconds,
            "usage": self.usage + result.usage,
        }
        return replace(self, fault=None, **{**result.take(WorkResult), **sums})

    @property
    def lands_anyway(self) -> bool:
        """Return whether the path policy only reports what it changes."""
        return self.given is not None and self.given.is_trusted

    @property
    def is_done(self) -> bool:
        """Return whether the task landed or has nothing to land."""
        nothing_to_land = self.state is TaskState.SUCCEEDED and not self.head
        return nothing_to_land or self.state in (TaskState.LANDED, TaskState.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """A round that is to begin without a person's request, not before `at` (epoch seconds)."""

    round: int
    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A run, as its last round left it or as the present round begins.

    `round` counts from 1. `trigger` names the event that asked for this round, so that the event
    does not begin it twice. `own_rounds` counts the rounds that began without a person's request
    since the last such request.
    """

    version: int = HISTORY_VERSION
    run: str
    round: int
    trigger: str
    parent: int
    parent_is_ours: bool = False
    base: str
    target: str
    options: tuple[tuple[str, str], ...] = ()
    requester: str = ""
    tasks: Mapping[str, TaskHistory]  # by their names, in the order of the plan
    needs: tuple[Need, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    own_rounds: int = 0
    waits: int = 0  # rounds since then that began because a usage limit had ended
    due: Due | None = None
    failure_issue: int = 0
    pull: int = 0  # the single pull request of the run
    memory_pull: int = 0
    tips: tuple[tuple[str, str], ...] = ()  # branches of ours and the commits that we last pushed
    started_at: int = 0  # epoch seconds
    check_seconds: float = 0.0

    def task(self, name: str) -> TaskHistory:
        """Return the task of this name. Raises KeyError."""
        return self.tasks[name]

    @property
    def is_train(self) -> bool:
        """Return whether the run lands pull requests of others and has no prompts."""
        return any(one.given for one in self.tasks.values())

    @property
    def prompts(self) -> frozenset[str]:
        """The paths of the run's prompt files."""
        if self.is_train:
            return frozenset()
        known = {one.prompt for one in self.tasks.values()}
        return frozenset(known | {one.prompt for one in self.skipped})

    def put(self, changed: TaskHistory) -> History:
        """Return the history with this task replaced."""
        return replace(self, tasks={**self.tasks, changed.task: changed})

    @property
    def created_at(self) -> str:
        """The time of the run's start, in GitHub's format."""
        return datetime.fromtimestamp(self.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def waits_for_person(self, one: TaskHistory) -> bool:
        """Return whether a person has to merge the task's work, or that of a task it needs."""
        if one.state is TaskState.AWAITING_MERGE or one.fault is LandingFault.UNASKED:
            return True
        needs = [need.on for need in self.needs if need.hard and need.task == one.task]
        is_ready = one.state is TaskState.SUCCEEDED and bool(one.head)
        known = [self.tasks[on] for on in needs if on in self.tasks]
        return is_ready and any(map(self.waits_for_person, known))

    def deciding_pull(self, one: TaskHistory) -> int:
        """Return the number of the pull request that decides about the task; 0 if there is none.

        A closed pull request still decides, because a person may open it again.
        """
        is_open = one.state is TaskState.AWAITING_MERGE or one.fault is LandingFault.CLOSED
        return (one.pull or self.pull) if is_open else 0

    @property
    def failures(self) -> tuple[TaskHistory, ...]:
        """The tasks for the failure issue: lost, or left over with no round to come.

        What becomes of a pull request of others stands there.
        """
        if self.is_train:
            return ()
        return tuple(
            one
            for one in self.tasks.values()
            if one.state.is_lost or not (self.due or one.is_done or self.waits_for_person(one))
        )

    @property
    def is_complete(self) -> bool:
        """Return whether nothing is left that could land."""
        return all(one.is_done for one in self.tasks.values())


def by_name(tasks: Iterable[TaskHistory]) -> dict[str, TaskHistory]:
    """Return the tasks by their names, in this order."""
    return {one.task: one for one in tasks}


def begin_history(
    plan: Plan,
    *,
    trigger: str,
    parent: int,
    parent_is_ours: bool,
    children: Mapping[str, int],
    options: Mapping[str, str],
    requester: str,
) -> History:
    """Return the history of a run as its first round begins.

    `children` holds the issue numbers by task.
    """
    return History(
        run=plan.run,
        round=1,
        trigger=trigger,
        parent=parent,
        parent_is_ours=parent_is_ours,
        base=plan.base,
        target=plan.target,
        options=tuple(sorted(options.items())),
        requester=requester,
        tasks=by_name(
            TaskHistory(
                task=task.id,
                title=task.title,
                prompt=task.prompt,
                blob=task.blob,
                touches=task.touches,
                profile=profile_of(task, plan.settings),
                issue=children.get(task.id, 0),
            )
            for task in plan.tasks
        ),
        needs=plan.needs,
        skipped=plan.skipped,
        started_at=plan.settings.made_at,
    )


def recall_history(history: History) -> Iterator[Sample]:
    """Yield a sample of seconds and cost for each task that changed something and ended well."""
    for one in history.tasks.values():
        if one.profile and has_worked(one.state, head=one.head):
            yield Sample(
                run=history.run,
                at=history.started_at,
                profile=one.profile,
                seconds=one.seconds,
                cost_usd=one.usage.cost_usd,
            )

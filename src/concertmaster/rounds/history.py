"""What is known of a run on GitHub over all its rounds; the state branch holds it as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from concertmaster.model import Built, Need, Outcome, Plan, Skipped, TaskState, Usage
from concertmaster.planning.estimates import Profile, Sample, has_worked, profile_of
from concertmaster.rounds.verdict import LandingFault

HISTORY_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskHistory:
    """One task. Numbers of issues and pull requests are 0 where there is none.

    `head` is the one commit of a succeeded task, `landed_as` the commit that brought it to the
    target (another one where only its change was re-applied), `branch` where its work lies.
    """

    task: str
    title: str
    prompt: str
    blob: str
    state: TaskState = TaskState.WAITING
    reason: str = ""
    outcome: Outcome | None = None
    fault: LandingFault | None = None  # why a succeeded task may not land
    attempts: int = 0
    repairs: int = 0
    resumes_at: float = 0.0  # epoch seconds; a usage limit ends then
    base: str = ""
    built_on: tuple[Built, ...] = ()
    head: str = ""
    work: str = ""  # the newest commit of one that did not succeed
    landed_as: str = ""
    branch: str = ""
    sensitive: tuple[str, ...] = ()
    issue: int = 0
    pull: int = 0
    evidence: str = ""
    notes: tuple[str, ...] = ()
    follow_ups: tuple[str, ...] = ()  # further work that its agents saw
    seconds: float = 0.0
    usage: Usage = Usage()
    profile: Profile | None = None  # for the estimates of later runs

    @property
    def is_done(self) -> bool:
        """It landed, or there was nothing to land."""
        nothing_to_land = self.state is TaskState.SUCCEEDED and not self.head
        return nothing_to_land or self.state in (TaskState.LANDED, TaskState.SKIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """The round that we want to begin by ourselves, not before `at` (epoch seconds)."""

    round: int
    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """A run, as the last round left it or as this round begins. `round` counts from 1.

    `own_rounds` are those that we began by ourselves since a person asked last; `trigger` names
    what this round was asked by, so that it is not begun twice.
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
    tasks: tuple[TaskHistory, ...]
    needs: tuple[Need, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    own_rounds: int = 0
    waits: int = 0  # rounds of ours since then that only a usage limit made us begin
    due: Due | None = None
    failure_issue: int = 0
    pull: int = 0  # the one pull request of the whole run
    memory_pull: int = 0
    tips: tuple[tuple[str, str], ...] = ()  # where we last left each branch of ours
    started_at: int = 0  # epoch seconds
    check_seconds: float = 0.0

    def task(self, name: str) -> TaskHistory:
        """Raises KeyError."""
        found = {one.task: one for one in self.tasks}
        return found[name]

    def put(self, changed: TaskHistory) -> History:
        """With this task in the place of its old self."""
        tasks = tuple(changed if one.task == changed.task else one for one in self.tasks)
        return replace(self, tasks=tasks)

    @property
    def created_at(self) -> str:
        """When it was started, as GitHub writes times."""
        return datetime.fromtimestamp(self.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def waits_for_person(self, one: TaskHistory) -> bool:
        """A person has to merge its pull request or its branch, or that of a task it needs."""
        if one.state is TaskState.AWAITING_MERGE or one.fault is LandingFault.UNASKED:
            return True
        known = {other.task: other for other in self.tasks}
        needs = [need.on for need in self.needs if need.hard and need.task == one.task]
        is_ready = one.state is TaskState.SUCCEEDED and bool(one.head)
        return is_ready and any(on in known and self.waits_for_person(known[on]) for on in needs)

    def deciding_pull(self, one: TaskHistory) -> int:
        """The pull request with which a person decides about the task, also one that was closed
        and may be opened again; 0 where there is none."""
        is_open = one.state is TaskState.AWAITING_MERGE or one.fault is LandingFault.CLOSED
        return (one.pull or self.pull) if is_open else 0

    @property
    def failures(self) -> tuple[TaskHistory, ...]:
        """The tasks for the failure issue: lost, or left over with no round to come."""
        return tuple(
            one
            for one in self.tasks
            if one.state.is_lost or not (self.due or one.is_done or self.waits_for_person(one))
        )

    @property
    def is_complete(self) -> bool:
        """Nothing is left that could land."""
        return all(one.is_done for one in self.tasks)


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
    """A run as its first round begins. `children` are numbers of issues by task."""
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
        tasks=tuple(
            TaskHistory(
                task=task.id,
                title=task.title,
                prompt=task.prompt,
                blob=task.blob,
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
    """What the tasks that worked have taken, over all rounds."""
    for one in history.tasks:
        if one.profile and has_worked(one.state, head=one.head):
            yield Sample(
                run=history.run,
                at=history.started_at,
                profile=one.profile,
                seconds=one.seconds,
                cost_usd=one.usage.cost_usd,
            )

"""Plays a whole run against the state machine and checks the rules of every run."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

from concertmaster.commands import (
    AwaitTime,
    CheckBase,
    CheckBatch,
    Command,
    FinishRun,
    KeepWork,
    LandBatch,
    RemoveWorktree,
    RunPhase,
    StopAttempt,
    StopCheck,
)
from concertmaster.events import (
    BatchChecked,
    CancelRequested,
    Event,
    FootprintObserved,
    PhaseFinished,
    RunResumed,
    RunStarted,
    TaskCancelled,
)
from concertmaster.model import Need, Outcome, Shortage, Sighting, TaskState
from concertmaster.run.notices import NoticeKind
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import fold_events, handle
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import LandingMode, Phase, Radar
from tests.simulator.answers import SimulatedEngine
from tests.simulator.world import Changes


class Simulator(SimulatedEngine):
    """A run of a plan in a world; `order` chooses which pending command is answered next."""

    # --- the engine ----------------------------------------------------------------------------

    def run(self) -> RunState:
        """Play until the run has finished. Raises AssertionError if a rule is broken."""
        self.happen(RunStarted(run=self.plan.run))
        resumes = self.disturbance.resumes
        for step in range(self._most_steps()):
            if self.state.finished:
                if not self.state.stopped or not resumes:
                    self._check_end()
                    return self.state
                resumes -= 1
                self.short = None  # somebody has made room
                self._resume()
            self._disturb(step)
            self.answer_one()
        raise AssertionError("the run does not end")

    def _most_steps(self) -> int:
        attempts = self.plan.settings.attempts + len(self.world.fails)
        attempts += len(self.plan.tasks)  # that yield to another task
        phases = 8 + 8 * sum(self.world.returns.values()) + 4 * sum(self.world.limits.values())
        tasks = len(self.plan.tasks) * (phases * attempts + 40)
        return 100 + tasks + 20 * len(self.disturbance.moves)

    def _disturb(self, step: int) -> None:
        if step in self.disturbance.moves:
            self.moved += 1
            contents = self.commits[self.target].contents | {str(self.moved)}
            self.target = self._commit(contents, of=f"push {self.moved}")
        if step in self.disturbance.shortages:
            self.short = self.disturbance.shortages[step]
            self.happen(self._measure())
        if step == self.disturbance.cancel:
            self.happen(CancelRequested())
        if step in self.disturbance.cancelled:
            self.happen(TaskCancelled(task=self.disturbance.cancelled[step]))
        if step in self.disturbance.crashes:
            self.crash()

    def answer_one(self) -> None:
        assert self.pending, "nothing is asked, and the run has not finished"
        command = self.pending.pop(next(self.order, 0) % len(self.pending))
        event = self.answer(command)
        for seen in self.observe(command) if isinstance(event, PhaseFinished) else ():
            self.happen(seen)
        if event is not None:
            self.happen(event)

    def crash(self) -> None:
        """Kill the process and resume the run; a landing may be done that is not in the journal."""
        for command in self.pending:
            if isinstance(command, LandBatch) and next(self.order, 0) % 2:
                self.answer(command)
        assert fold_events(self.plan, self.journal) == self.state
        self._resume()

    def _resume(self) -> None:
        self.pending.clear()
        self.stopped.clear()
        budget = None if self.state.budget_usd is None else self.state.cost_usd + 5.0
        self.happen(RunResumed(budget_usd=budget))

    def happen(self, event: Event) -> None:
        self.now = max(self.now + 1.0, event.at)
        event = replace(event, at=self.now)
        self.journal.append(event)
        before = self.state
        self.state, commands = handle(self.state, event)
        for command in commands:
            self.commands.append(command)
            self._hold_asking(command)
            if isinstance(command, StopAttempt):
                self.stopped.add((command.task, command.attempt))
            elif isinstance(command, StopCheck):
                self._stop_check()
            else:
                self.pending.append(command)
        self._hold_slots()
        self._hold_starts(before)
        self._hold_accusations(before, event)
        self._hold_yielding(before)

    def _stop_check(self) -> None:
        """Stop the running check, unless its answer was on its way."""
        if next(self.order, 0) % 2 == 0:
            checks = (CheckBase, CheckBatch)
            self.pending = [p for p in self.pending if not isinstance(p, checks)]

    # --- the rules -----------------------------------------------------------------------------

    def _hold_asking(self, command: Command) -> None:
        """Assert that the command is not asked twice, and not before its time."""
        train = (CheckBase, CheckBatch, LandBatch)
        if isinstance(command, train):
            # A check that was stopped may still answer.
            waits = self.state.is_halted or not any(isinstance(p, train) for p in self.pending)
            assert waits, "the train is asked for two things at once"
        if isinstance(command, RunPhase):
            attempt = self.state.tasks[command.task.id].attempts[-1]
            assert command.phase not in attempt.holds, f"{command.phase} holds and is asked again"
            assert not any(p.task == command.task for p in self.pending if isinstance(p, RunPhase))
            assert not self.state.cancelled, "an agent starts after the cancellation"
            is_cancelled = self.state.tasks[command.task.id].cancelled
            assert not is_cancelled, "an agent starts on a cancelled task"
            assert not self.state.stopped, "an agent starts after the stop"
            assert self.state.base_green, "an agent starts on a base that is not green"
            assert not self.state.paused_until, "a phase begins in a pause"
            if command.phase is Phase.PREPARE:
                self._hold_needs(command)
            if command.phase is Phase.DELIVER:
                self._hold_evidence(command)
        if isinstance(command, AwaitTime):
            assert not any(isinstance(p, AwaitTime) for p in self.pending), "two pauses at once"
        if isinstance(command, RemoveWorktree):
            for one in self.state.tasks.values():
                in_use = one.is_busy and one.attempt and one.attempt.folder == command.folder
                assert not in_use, "a folder in use is removed"
        if isinstance(command, FinishRun):
            assert not any(isinstance(p, RunPhase | LandBatch | KeepWork) for p in self.pending)

    def _hold_evidence(self, command: RunPhase) -> None:
        """Assert that the delivered tree has passed the check and, if wanted, the review."""
        assert command.checkpoint in self.judged[Phase.TEST], "what is delivered was not checked"
        if Phase.REVIEW in self.plan.settings.phases:
            assert command.checkpoint in self.judged[Phase.REVIEW], "nobody approved of it"

    def _hold_needs(self, command: RunPhase) -> None:
        """Assert that all needs are over and in the base, also behind a need without a change."""
        states = [self.state.tasks[need.on].state for need in self._needs(command.task.id)]
        assert all(state.is_over for state in states)
        assert not any(self.state.tasks[on].state.is_lost for on in self._hard(command.task.id))
        required = [self.commits[b.head] for b in command.wanted if b.task in command.required]
        if command.repair is not None:
            required.append(self.commits[command.repair.tip])
        assert self._hard(command.task.id) <= frozenset().union(*(c.contents for c in required))

    def _needs(self, task: str) -> list[Need]:
        return [need for need in self.plan.needs if need.task == task]

    def _hard(self, task: str) -> Changes:
        """Return the changes that the task needs."""
        found: set[str] = set()
        for need in self._needs(task):
            if need.hard:
                found |= {need.on} if self.state.tasks[need.on].head else self._hard(need.on)
        return frozenset(found)

    def _hold_slots(self) -> None:
        busy = {key for key, one in self.state.tasks.items() if one.is_busy}
        assert len(busy) <= self.plan.slots
        for task in busy:
            beside = busy & self.state.network.excluded[task]
            assert not beside, f"{task} and {beside} run together"

    def _hold_starts(self, before: RunState) -> None:
        """Assert that nothing starts on a full disk, and with little memory one task alone."""
        tasks = self.state.tasks
        began = [k for k, one in tasks.items() if len(one.attempts) > len(before.tasks[k].attempts)]
        if began:
            busy = [key for key, one in tasks.items() if one.is_busy]
            assert self.state.short is not Shortage.DISK, "an agent starts on a full disk"
            alone = busy == began and len(began) == 1 and not self.state.landing.asked
            assert alone or self.state.short is None, "too many agents for the memory"

    def _hold_accusations(self, before: RunState, event: Event) -> None:
        """Assert that a culprit turns a tree red that is green without it."""
        if not isinstance(event, BatchChecked) or self.state.landing.stuck:
            return
        landing = before.landing
        company = {c.task for c in landing.batch[: landing.passed]}
        contents = self.commits[landing.tip].contents | company
        for key in self.in_state(TaskState.LEFT_OUT):
            is_new = before.tasks[key].state is not TaskState.LEFT_OUT
            if is_new and not self.state.tasks[key].cancelled:
                assert self.is_green(contents), f"{key} is accused on a red tree"
                assert not self.is_green(contents | {key}), f"{key} is accused and harmless"

    def _hold_yielding(self, before: RunState) -> None:
        """Assert that a task yields once to another, which runs or is done and wrote first."""
        yielded = [one for one in self.state.notices if one.kind is NoticeKind.YIELDED]
        assert len({one.tasks for one in yielded}) == len(yielded), "it yields twice to one"
        for notice in self.state.notices[len(before.notices) :]:
            if notice.kind is NoticeKind.YIELDED:
                task, other = notice.tasks
                ahead = self.state.tasks[other]
                assert self.plan.settings.radar is Radar.HOLD
                assert ahead.is_busy or ahead.has_change, f"{task} yields to nobody"
                ours, theirs = (before.tasks[key] for key in (task, other))
                assert any(
                    self._first_change(theirs, path) < self._first_change(ours, path, alone=True)
                    for path in notice.paths
                ), f"{task} wrote before {other}"

    def _first_change(self, record: TaskRecord, path: str, *, alone: bool = False) -> float:
        """Return the place in the journal where the work of the newest attempt has the path.

        Its work may be that of the attempts before; `alone` leaves them out.
        """
        number = len(record.attempts)
        numbers = {number}
        while not alone and record.attempts[number - 1].carried is not None:
            number -= 1
            numbers.add(number)
        changes = (
            number
            for number, event in enumerate(self.journal)
            if isinstance(event, FootprintObserved)
            and event.task == record.task.id
            and event.attempt in numbers
            and event.sighting is not Sighting.PLANNED
            and path in event.paths
        )
        return next(changes, math.inf)

    def _check_end(self) -> None:
        state = self.state
        assert fold_events(self.plan, self.journal) == state
        on_target = self.commits[
            self.own_branch if state.landing.diverted else self.target
        ].contents
        stops = state.cancelled or state.stopped or state.base_green is False
        for key, one in state.tasks.items():
            lost = one.state.is_lost
            assert not one.cancelled or one.state.is_over, f"{key} was cancelled and is open"
            assert one.state.is_over or stops, f"{key} is left {one.state}"
            assert not (lost and key in on_target), f"{key} is {one.state} and on the target"
            if one.state in (TaskState.LANDED, TaskState.AWAITING_MERGE):
                assert {key} | self._hard(key) <= on_target, f"{key} landed without what it needs"
            if self.plan.settings.landing is LandingMode.MERGE and not state.cancelled:
                assert one.state is not TaskState.SUCCEEDED or not one.head, f"{key} is forgotten"
            keeps = self.plan.settings.landing is not LandingMode.NONE
            if keeps and one.work and (lost or state.cancelled) and key not in on_target:
                assert one.kept_on, f"the work of {key} is lost"
            for attempt in one.attempts:
                has_stopped_run = self.plan.settings.longest_pause_seconds is not None
                assert attempt.outcome is not Outcome.LIMITED or has_stopped_run
                over = attempt.outcome or one.state.is_over
                released = attempt.folder_released or attempt.folder_stays
                assert released or not over or not attempt.folder, f"a folder of {key} is left"

    # --- what tests ask ------------------------------------------------------------------------

    def in_state(self, *states: TaskState) -> Changes:
        """Return the tasks that are in one of these states."""
        return frozenset(key for key, one in self.state.tasks.items() if one.state in states)

    @property
    def landed(self) -> Changes:
        """Return the tasks that reached the target."""
        return self.in_state(TaskState.LANDED)

    def asked(self, kind: type[Command]) -> Iterator[Command]:
        """Return all commands of a kind, in order."""
        return (command for command in self.commands if isinstance(command, kind))

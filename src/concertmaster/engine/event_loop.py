"""Runs the event loop of a run: takes events, journals them and performs the commands.

The slots, the merge queue and chores are threads that only post events to the inbox. The loop's
thread alone changes the state.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from concertmaster.commands import (
    AwaitTime,
    CheckBase,
    CheckBatch,
    Command,
    FinishRun,
    KeepWork,
    LandBatch,
    MeasureRoom,
    RemoveWorktree,
    RunPhase,
    StopAttempt,
    StopCheck,
)
from concertmaster.engine.cancel_requests import CancelRequests
from concertmaster.engine.footprint_observer import FootprintObserver
from concertmaster.engine.integrator import Integrator
from concertmaster.engine.journal import Journal
from concertmaster.engine.phase_runner import Answer, PhaseRunner
from concertmaster.engine.resource_monitor import ResourceMonitor
from concertmaster.engine.run_context import RunContext
from concertmaster.errors import Interrupted
from concertmaster.events import (
    Event,
    FootprintObserved,
    PauseEnded,
    RunFinished,
    TaskCancelled,
    WorkKept,
)
from concertmaster.git import branches
from concertmaster.git.our_branches import branch_of
from concertmaster.planning.learnt_footprints import ObservedPaths
from concertmaster.report.progress import ProgressListener
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import fold_events, handle
from concertmaster.worktrees.ignore_rules import IgnoreRules
from concertmaster.worktrees.worktree import Worktree

C = TypeVar("C", bound=Command)
_INTERRUPTED = "interrupted: stopping the agents, which takes some seconds; all work is kept"


class EventLoop:
    """The loop that runs one plan to its end; `post` and `interrupt` are thread-safe."""

    def __init__(
        self, context: RunContext, *, journal: Journal, progress: ProgressListener
    ) -> None:
        self._observer = _make_observer(context, self.post)
        self._context = context = replace(context, observer=self._observer)
        self._tasks = {task.id: task for task in context.plan.tasks}
        self._journal = journal
        self._progress = progress
        self._inbox: queue.SimpleQueue[Event | BaseException] = queue.SimpleQueue()
        self._phase_runner = PhaseRunner(context=context, tell=progress.activity)
        self._integrator = Integrator(context=context, discard=self._discard)
        self._cancellations = CancelRequests(context.folder, self._tasks, self.post)

    def post(self, event: Event) -> None:
        """Put an event into the inbox, stamped with the time."""
        self._inbox.put(replace(event, at=time.time()))

    def interrupt(self) -> None:
        """End the loop with Interrupted; `resume` can go on with the run."""
        run = self._context.plan.run
        what = f"run {run} was interrupted"
        self._inbox.put(Interrupted(what, next_step=f"go on with `concertmaster resume {run}`"))

    def run(self, opening: Event, *, past: Sequence[Event]) -> RunState:
        """Go on from the events `past` until nothing is left to do; return the final state.

        Raises the error of a thread, after all processes of the run were ended.
        """
        state = fold_events(self._context.plan, (*past, *self._record_cancellations()))
        self.post(opening)
        with ExitStack() as stack:
            self._chores = stack.enter_context(ThreadPoolExecutor(1, "chores"))
            self._slots = stack.enter_context(ThreadPoolExecutor(self._context.plan.slots, "slot"))
            self._integration_thread = stack.enter_context(ThreadPoolExecutor(1, "queue"))
            stack.callback(self._context.guard.stop_all)
            self._monitor = stack.enter_context(self._make_monitor(state))
            self._observer.recall(_find_observed(state))
            stack.enter_context(self._observer)
            stack.enter_context(self._cancellations)
            while True:  # the opening event counts even if the past run had finished
                state = self._turn(state, self._take())
                if state.finished:
                    return state

    def _record_cancellations(self) -> tuple[Event, ...]:
        """Journal what was asked for before this process began, and return it.

        The opening event asks for all phases again, so none begins on a task that was cancelled.
        """
        events = self._cancellations.take_new()
        if events:
            self._journal.append(events)
        for event in events:
            self._cancellations.forget(event)
        return events

    def _make_monitor(self, state: RunState) -> ResourceMonitor:
        context = self._context
        return ResourceMonitor(
            context.measure, self.post, seconds=context.measure_seconds, short=state.short
        )

    def _take(self) -> list[Event]:
        """Wait for events and return all that are in the inbox.

        Raises an error from the inbox, but journals the events beside it first.
        """
        taken = [self._inbox.get()]
        while not self._inbox.empty():
            taken.append(self._inbox.get())
        events = [item for item in taken if not isinstance(item, BaseException)]
        for item in taken:
            if isinstance(item, BaseException):
                if isinstance(item, Interrupted):
                    self._progress.notice(_INTERRUPTED)
                self._journal.append(events)
                raise item
        return events

    def _turn(self, state: RunState, events: list[Event]) -> RunState:
        self._journal.append(events)
        for event in events:
            if isinstance(event, TaskCancelled):
                self._cancellations.forget(event)
            state, commands = handle(state, event)
            self._progress.update(state, event)
            for command in commands:
                self._perform(command)
        return state

    def _perform(self, command: Command) -> None:  # noqa: C901, PLR0912  one case for each command
        match command:
            case RunPhase():
                self._submit(self._slots, self._run_phase, command)
            case CheckBase():
                self._submit(self._integration_thread, self._integrator.check_base, command)
            case CheckBatch():
                self._submit(self._integration_thread, self._integrator.check_batch, command)
            case StopCheck():
                self._context.guard.stop(self._integrator.marks)
            case LandBatch():
                self._submit(self._integration_thread, self._integrator.land_batch, command)
            case KeepWork():
                self._submit(self._chores, self._keep, command)
            case RemoveWorktree():
                self._submit(self._chores, self._remove, command)
            case MeasureRoom():  # after all pending removals
                self._submit(self._chores, self._monitor.answer, command)
            case AwaitTime():
                self._await(command.until)
            case StopAttempt():
                self._context.guard.stop(self._context.mark(command.task, command.attempt))
            case FinishRun():
                self.post(RunFinished())

    def _submit(
        self, threads: ThreadPoolExecutor, perform: Callable[[C], Event | None], command: C
    ) -> None:
        def take(done: Future[Event | None]) -> None:
            error = done.exception()
            if error is not None:
                self._inbox.put(error)
            elif (event := done.result()) is not None:
                self.post(event)

        threads.submit(perform, command).add_done_callback(take)

    def _run_phase(self, command: RunPhase) -> Answer:
        answer = self._phase_runner.perform(command)
        self._observer.note_end(command, answer)
        return answer

    def _keep(self, command: KeepWork) -> WorkKept:
        """Put the commit on the task's branch, unless a branch of the user still holds it."""
        task = self._tasks[command.task]
        if (
            task.branch
            and branches.find_tip(self._context.repository, task.branch) == command.commit
        ):
            return WorkKept(task=command.task, branch=task.branch, commit=command.commit)
        branch = branch_of(self._context.plan.run, command.task)
        self._context.repository.fetch(
            self._context.objects.path, command.commit, ref=f"refs/heads/{branch}"
        )
        return WorkKept(task=command.task, branch=branch, commit=command.commit)

    def _await(self, until: float) -> None:
        timer = threading.Timer(max(0.0, until - time.time()), self.post, [PauseEnded()])
        timer.daemon = True
        timer.start()

    def _discard(self, worktree: Worktree) -> None:
        self._perform(RemoveWorktree(folder=str(worktree.folder)))

    def _remove(self, command: RemoveWorktree) -> None:
        self._context.worktrees.remove(Path(command.folder))


def _make_observer(
    context: RunContext, post: Callable[[FootprintObserved], None]
) -> FootprintObserver:
    base = context.plan.base
    rules = IgnoreRules(
        context.objects,
        context.folder / "ignore-rules",
        commit=base,
        read=context.base_files.read,
    )
    return FootprintObserver(context.objects, rules, post, seconds=context.look_seconds)


def _find_observed(state: RunState) -> dict[tuple[str, int], ObservedPaths]:
    """Return what is known of the attempts, by task and number."""
    return {
        (key, attempt.number): attempt.observed
        for key, record in state.tasks.items()
        for attempt in record.attempts
    }

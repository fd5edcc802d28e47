"""Decides what a run does next: `handle` takes an event and returns the state and commands.

Nothing else changes the state of a run. Commands without an answer are part of the state, so a
resumed run forgets that they were asked, and asks again.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import replace
from functools import reduce

from concertmaster.commands import (
    AwaitTime,
    CheckBase,
    Command,
    FinishRun,
    KeepWork,
    MeasureRoom,
    RemoveWorktree,
    StopCheck,
)
from concertmaster.events import Event
from concertmaster.landing import merge_queue
from concertmaster.landing.fault import Fault, LandingFault
from concertmaster.landing.merge_queue import Landing, PendingStep, QueuedTask, SettledTasks
from concertmaster.model import Plan, Shortage, TaskState
from concertmaster.planning.scheduler import Network
from concertmaster.run.attempts import (
    abandon_attempt,
    count_tries,
    find_wanted_changes,
    next_command,
    start_attempt,
)
from concertmaster.run.cancellations import end_cancelled, name_loss, stop_attempt
from concertmaster.run.reducer import apply_event, leave_out
from concertmaster.run.repairs import awaits_repair, give_up_repair, repair_or_leave_out
from concertmaster.run.state import RunState
from concertmaster.run.stop_rules import FAILURES_THAT_SLOW, stop_if_needed
from concertmaster.run.task_record import TaskRecord
from concertmaster.run.task_table import TaskTable
from concertmaster.settings.choices import LandingMode

Moved = tuple[RunState, tuple[Command, ...]]


# The probability that a task breaks the check of a batch; higher after failed attempts.
PRIOR_RISK = 0.02
RISK_PER_RETRY = 0.10


def begin_run(plan: Plan) -> RunState:
    """Return the state before the first event."""
    records = {task.id: TaskRecord(task=task, repair=task.earlier) for task in plan.tasks}
    network, mode = Network.from_plan(plan), plan.settings.landing
    return RunState(
        plan=plan,
        tasks=TaskTable.build(network, records, mode=mode),
        landing=Landing(known=plan.flakes),
        budget_usd=plan.settings.budget_usd,
    )


def fold_events(plan: Plan, events: Iterable[Event]) -> RunState:
    """Return the state after all of `events`."""
    return reduce(lambda state, event: handle(state, event)[0], events, begin_run(plan))


def handle(state: RunState, event: Event) -> Moved:
    """Return the state with the event recorded, and the commands that can be performed now."""
    state = stop_if_needed(apply_event(state, event))
    commands: list[Command] = []
    steps = (
        _pause,
        _leave_unrepaired,
        _halt_queue,
        end_cancelled,
        _block,
        _drive_queue,
        _leave_unrepaired,
        _block,
        _go_on,
        _start,
        _keep_work,
        _release,
        _measure,
        _finish,
    )
    for step in steps:
        state, more = step(state)
        commands.extend(more)
    return state, tuple(commands)


def _pause(state: RunState) -> Moved:
    """Pause the whole run until the last of the usage limits has ended."""
    is_over = state.stopped or state.cancelled or state.is_awaiting
    if not state.paused_until or is_over:
        return state, ()
    return replace(state, is_awaiting=True), (AwaitTime(until=state.paused_until),)


def _leave_unrepaired(state: RunState) -> Moved:
    """Leave out what waits for a repair when no agent may start any more; the rest can land."""
    if not state.stopped or state.cancelled:
        return state, ()
    for one in [one for one in state.tasks.values() if awaits_repair(one)]:
        ended = abandon_attempt(one, TaskState.LEFT_OUT, reason=one.reason)
        state = state.put(give_up_repair(ended, why=state.stopped))
    return state, ()


def _block(state: RunState) -> Moved:
    """Block the tasks whose hard need will not land."""
    commands: list[Command] = []
    position, found = state.network.order_position, {*state.tasks.doomed}
    queue = sorted((position[key], key) for key in found)
    while queue:  # needs come first, so a task that is blocked here blocks what needs it
        key = heapq.heappop(queue)[1]
        one = state.tasks[key]
        if one.attempt and one.attempt.asked:
            state, more = stop_attempt(state, one)
            commands.extend(more)
            continue
        lost = min(on for on in state.network.hard[key] if state.tasks[on].state.is_lost)
        reason = name_loss(state.tasks[lost])
        state = state.put(abandon_attempt(one, TaskState.BLOCKED, reason=reason))
        for further in state.network.hard_after[key]:
            if further in state.tasks.doomed and further not in found:
                found.add(further)
                heapq.heappush(queue, (position[further], further))
    return state, tuple(commands)


def _go_on(state: RunState) -> Moved:
    """Ask for the next phase of every attempt whose last one is answered; on cancel, stop them."""
    commands: list[Command] = []
    for key in state.tasks.in_order(state.tasks.running):
        one = state.tasks[key]
        if one.attempt is None:
            continue
        if one.attempt.asked is not None:
            if state.cancelled or state.is_halted:
                state, more = stop_attempt(state, one)
                commands.extend(more)
        elif state.cancelled:
            state = state.put(
                abandon_attempt(one, TaskState.FAILED, reason="the run was cancelled")
            )
        elif not (state.stopped or state.paused_until):
            changed, command = next_command(one, state)
            state = state.put(changed)
            commands.append(command)
    return state, tuple(commands)


def _start(state: RunState) -> Moved:
    """Check the base first, then fill the free slots."""
    if state.cancelled or state.stopped or state.base_green is False or not state.tasks:
        return state, ()
    if state.base_green is None:
        return _check_base(state)
    if state.paused_until:
        return state, ()
    tasks, free_slots = state.tasks, _usable_slots(state) - len(state.tasks.running)
    if not tasks.ready or free_slots <= 0:
        return state, ()
    agenda, chosen = tasks.agenda.pick(
        state.network,
        ready=tasks.ready,
        running=tasks.running,
        is_open=tasks.is_open,
        free_slots=free_slots,
    )
    state = replace(state, tasks=replace(tasks, agenda=agenda))
    commands: list[Command] = []
    for key in chosen:
        changed, command = next_command(start_attempt(state.tasks[key]), state)
        state = state.put(changed)
        commands.append(command)
    return state, tuple(commands)


def _usable_slots(state: RunState) -> int:
    """Return the number of slots that may be used now.

    With little memory one attempt may run while nothing else does: other programs may hold the
    memory for ever, and the run must not wait as long.
    """
    if state.short is Shortage.DISK:
        return 0
    if state.short is Shortage.MEMORY:
        return 0 if state.landing.asked else 1
    return 1 if state.failures >= FAILURES_THAT_SLOW else state.plan.slots


def _check_base(state: RunState) -> Moved:
    if state.landing.asked is PendingStep.BASE:
        return state, ()
    landing = replace(state.landing, asked=PendingStep.BASE)
    return replace(state, landing=landing), (CheckBase(),)


def _halt_queue(state: RunState) -> Moved:
    """Stop the running check when the time is over."""
    if not state.is_halted or state.landing.asked not in (PendingStep.BASE, PendingStep.CHECK):
        return state, ()
    landing = replace(state.landing, asked=PendingStep.NOTHING)
    return replace(state, landing=landing), (StopCheck(),)


def _drive_queue(state: RunState) -> Moved:
    """Take the merge queue's next step; a culprit or a red target leaves tasks out."""
    lands = state.plan.settings.landing is LandingMode.MERGE
    if not lands or not state.base_green or state.cancelled or state.landing.asked:
        return state, ()
    if state.is_halted:
        step = merge_queue.end_queue(state.landing)
    else:
        step = merge_queue.advance_queue(state.landing, _contenders(state), settled=_settled(state))
    evidence = state.landing.red_evidence
    state = replace(state, landing=step.landing)
    for task, fault in step.culprits.items():
        one = state.tasks[task]
        state = state.put(repair_or_leave_out(state.plan, one, fault, evidence=evidence))
    if step.landing.stuck:
        stuck = Fault(kind=LandingFault.STUCK, told=step.landing.stuck)
        for contender in _contenders(state):
            state = leave_out(state, contender.task, stuck)
    if step.culprits and step.command is None:
        return _drive_queue(state)
    return state, ((step.command,) if step.command else ())


def _contenders(state: RunState) -> tuple[QueuedTask, ...]:
    tasks = state.tasks
    return tuple(_queue_task(state, tasks[key]) for key in tasks.in_order(tasks.succeeded))


def _queue_task(state: RunState, one: TaskRecord) -> QueuedTask:
    assert one.attempt is not None, "a succeeded task has an attempt"
    return QueuedTask(
        task=one.task.id,
        title=one.task.title,
        base=one.attempt.base,
        head=one.head,
        built_on=one.attempt.built_on,
        needs=find_wanted_changes(state, one.task.id, state.network.hard, awaited=True),
        risk=PRIOR_RISK + RISK_PER_RETRY * (count_tries(one) - 1),
        is_checked=not one.task.branch,
    )


def _settled(state: RunState) -> SettledTasks:
    tasks = state.tasks
    return SettledTasks(intact=tasks.intact, landed=tasks.landed, lost=tasks.absent)


def _keep_work(state: RunState) -> Moved:
    """Put work that will not land on its own branch in the user's repository."""
    tasks = state.tasks
    is_over = (state.cancelled or state.base_green is False) and not state.landing.asked
    keys = tasks.in_order(tasks.unkept if is_over else tasks.due)
    if not keys:
        return state, ()
    commands = tuple(
        KeepWork(task=key, commit=one.work if is_over or one.state.is_lost else one.head)
        for key, one in ((key, tasks[key]) for key in keys)
    )
    return replace(state, tasks=tasks.keep(*keys)), commands


def _release(state: RunState) -> Moved:
    """Remove the worktrees of attempts that are over, unless they hold unsaved work."""
    commands: list[Command] = []
    for key in state.tasks.in_order(state.tasks.removable):
        one = state.tasks[key]
        commands.extend(RemoveWorktree(folder=a.folder) for a in one.attempts if a.is_removable)
        attempts = tuple(
            replace(a, folder_released=True) if a.is_removable else a for a in one.attempts
        )
        state = state.put(replace(one, attempts=attempts))
    return state, tuple(commands)


def _measure(state: RunState) -> Moved:
    """Measure a full disk again when nothing runs that could make room by ending.

    After all pending removals there is room, or the answer stops the run.
    """
    is_over = state.cancelled or state.stopped or not state.base_green or state.paused_until
    if state.short is not Shortage.DISK or is_over or state.is_working or state.is_measuring:
        return state, ()
    if not state.tasks.ready:
        return state, ()
    return replace(state, is_measuring=True), (MeasureRoom(),)


def _finish(state: RunState) -> Moved:
    """End the run when nothing is asked and nothing can be asked any more."""
    busy, counts = bool(state.tasks.asked), state.tasks.counts
    waiting = bool(counts[TaskState.WAITING] or counts[TaskState.RUNNING])
    going_on = waiting and not (state.cancelled or state.stopped or state.base_green is False)
    pausing = state.is_awaiting and not (state.cancelled or state.stopped)
    idle = not (busy or going_on or pausing or state.landing.asked or state.keeping)
    if not idle or state.finishing or state.finished:
        return state, ()
    return replace(state, finishing=True), (FinishRun(),)

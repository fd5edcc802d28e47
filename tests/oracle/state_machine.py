"""Decides what a run does next by walking every task at every step.

The state machine of the package must answer as this one does.
"""

from __future__ import annotations

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
    StopAttempt,
    StopCheck,
)
from concertmaster.events import Event
from concertmaster.landing.fault import Fault, LandingFault
from concertmaster.landing.merge_queue import Landing, PendingStep, QueuedTask
from concertmaster.landing.withdrawal import withdraw
from concertmaster.model import Plan, Shortage, TaskState
from concertmaster.planning.scheduler import Network
from concertmaster.run.attempts import abandon_attempt, count_tries, start_attempt
from concertmaster.run.cancellations import can_be_cancelled, end_task
from concertmaster.run.repairs import awaits_repair, give_up_repair, repair_or_leave_out
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import LandingMode
from tests.oracle import merge_queue, scheduler
from tests.oracle.attempts import (
    find_wanted_changes,
    next_command,
)
from tests.oracle.merge_queue import SettledTasks
from tests.oracle.reducer import apply_event, leave_out
from tests.oracle.state import RunState

Moved = tuple[RunState, tuple[Command, ...]]

# Failures of agents themselves in a row: first attempts run one at a time, then the run stops.
FAILURES_THAT_SLOW = 5
FAILURES_THAT_STOP = 8

ARRIVED = (TaskState.LANDED, TaskState.AWAITING_MERGE)

# The probability that a task breaks the check of a batch; higher after failed attempts.
PRIOR_RISK = 0.02
RISK_PER_RETRY = 0.10


def begin_run(plan: Plan) -> RunState:
    """Return the state before the first event."""
    return RunState(
        plan=plan,
        network=Network.from_plan(plan),
        tasks={task.id: TaskRecord(task=task) for task in plan.tasks},
        landing=Landing(),
        budget_usd=plan.settings.budget_usd,
    )


def fold_events(plan: Plan, events: Iterable[Event]) -> RunState:
    """Return the state after all of `events`."""
    return reduce(lambda state, event: handle(state, event)[0], events, begin_run(plan))


def handle(state: RunState, event: Event) -> Moved:
    """Return the state with the event recorded, and the commands that can be performed now."""
    state = apply_event(state, event)
    commands: list[Command] = []
    steps = (
        _watch_budget,
        _watch_agents,
        _pause,
        _leave_unrepaired,
        _halt_train,
        _end_cancelled,
        _block,
        _drive_train,
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


def _watch_budget(state: RunState) -> Moved:
    budget, cost = state.budget_usd, state.cost_usd
    if budget is None or cost < budget or state.stopped:
        return state, ()
    return replace(state, stopped=f"the budget of ${budget:.2f} is used up (${cost:.2f})"), ()


def _watch_agents(state: RunState) -> Moved:
    """Stop the run when many agents in a row have failed: the cause is not in the tasks."""
    if state.failures < FAILURES_THAT_STOP or state.stopped:
        return state, ()
    example = next((one.reason for one in state.tasks.values() if one.reason), "")
    reason = f"{state.failures} agents in a row have failed, one of them: {example}"
    return replace(state, stopped=reason), ()


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
    for key in state.network.order:
        one = state.tasks[key]
        lost = [on for on in state.network.hard[key] if state.tasks[on].state.is_lost]
        if not lost or one.state.is_lost or _has_arrived(one):
            continue
        if one.attempt and one.attempt.asked:
            state, more = _stop(state, one)
            commands.extend(more)
        else:
            was_cancelled = state.tasks[min(lost)].cancelled
            why = "was cancelled" if was_cancelled else "did not land"
            reason = f"needs {min(lost)}, which {why}"
            state = state.put(abandon_attempt(one, TaskState.BLOCKED, reason=reason))
    return state, tuple(commands)


def _end_cancelled(state: RunState) -> Moved:
    """End the cancelled tasks, unless an answer is due that decides about them."""
    commands: list[Command] = []
    for key, one in state.tasks.items():
        if key not in state.ending:
            continue
        if one.attempt and one.attempt.asked:
            state, more = _stop(state, one)
            commands.extend(more)
            continue
        landing = state.landing
        is_in_batch = key in [member.task for member in landing.batch]
        if can_be_cancelled(one, state.plan):
            if is_in_batch and (landing.asked or landing.is_landing):
                continue
            if is_in_batch:
                state = replace(state, landing=withdraw(landing, key))
            state = state.put(end_task(one))
        state = replace(state, ending=state.ending - {key})
    return state, tuple(commands)


def _stop(state: RunState, one: TaskRecord) -> Moved:
    if one.stopping or one.attempt is None:
        return state, ()
    command = StopAttempt(task=one.task.id, attempt=one.attempt.number)
    return state.put(replace(one, stopping=True)), (command,)


def _go_on(state: RunState) -> Moved:
    """Ask for the next phase of every attempt whose last one is answered; on cancel, stop them."""
    commands: list[Command] = []
    for one in state.tasks.values():
        if not one.is_busy or one.attempt is None:
            continue
        if one.attempt.asked is not None:
            if state.cancelled or state.is_halted:
                state, more = _stop(state, one)
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
    busy = frozenset(key for key, one in state.tasks.items() if one.is_busy)
    ready = frozenset(key for key in state.tasks if _is_ready(state, key))
    slots = _usable_slots(state)
    if not ready or len(busy) >= slots:
        return state, ()
    chosen = scheduler.pick(
        state.network,
        ready=ready,
        running=busy,
        open_tasks=frozenset(k for k, one in state.tasks.items() if not one.state.is_over),
        free_slots=slots - len(busy),
    )
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


def _is_ready(state: RunState, key: str) -> bool:
    if state.tasks[key].state is not TaskState.WAITING:
        return False
    return all(_is_settled(state, on) for on in state.network.before[key])


def _is_settled(state: RunState, key: str) -> bool:
    """Return whether tasks after this one may start; one without a change rests on its needs."""
    one = state.tasks[key]
    rests = one.state.is_over and not one.state.is_lost and not one.head
    return one.state.is_over and (
        not rests or all(_is_settled(state, on) for on in state.network.before[key])
    )


def _halt_train(state: RunState) -> Moved:
    """Stop the running check when the time is over."""
    if not state.is_halted or state.landing.asked not in (PendingStep.BASE, PendingStep.CHECK):
        return state, ()
    landing = replace(state.landing, asked=PendingStep.NOTHING)
    return replace(state, landing=landing), (StopCheck(),)


def _drive_train(state: RunState) -> Moved:
    """Take the train's next step; a culprit or a red target leaves tasks out."""
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
        return _drive_train(state)
    return state, ((step.command,) if step.command else ())


def _contenders(state: RunState) -> tuple[QueuedTask, ...]:
    return tuple(
        QueuedTask(
            task=key,
            title=one.task.title,
            base=one.attempt.base,
            head=one.head,
            built_on=one.attempt.built_on,
            needs=find_wanted_changes(state, key, state.network.hard, awaited=True),
            risk=PRIOR_RISK + RISK_PER_RETRY * (count_tries(one) - 1),
            is_checked=not one.task.branch,
        )
        for key, one in state.tasks.items()
        if one.state is TaskState.SUCCEEDED and one.attempt and one.head
    )


def _settled(state: RunState) -> SettledTasks:
    landed = {key: one for key, one in state.tasks.items() if _has_arrived(one)}
    return SettledTasks(
        intact={key: one.head for key, one in landed.items() if one.landed_as_it_is},
        landed=frozenset(landed),
        lost=frozenset(_absent(state)),
    )


def _absent(state: RunState) -> set[str]:
    """Return the tasks that others land without: lost, held, or waiting for a held one."""
    absent: set[str] = set()
    for key in state.network.order:
        one = state.tasks[key]
        waits = not _has_arrived(one) and bool(absent & state.network.hard[key])
        if one.state.is_lost or one.held or waits:
            absent.add(key)
    return absent


def _has_arrived(one: TaskRecord) -> bool:
    """Return whether the change is on the target, or on the branch of a diverted landing."""
    return one.state in ARRIVED and not one.held


def _keep_work(state: RunState) -> Moved:
    """Put work that will not land on its own branch in the user's repository."""
    commands: list[Command] = []
    for key, one in state.tasks.items():
        commit = _work_to_keep(state, one)
        if commit and not one.kept_on and key not in state.keeping:
            state = replace(state, keeping=state.keeping | {key})
            commands.append(KeepWork(task=key, commit=commit))
    return state, tuple(commands)


def _work_to_keep(state: RunState, one: TaskRecord) -> str:
    mode = state.plan.settings.landing
    if mode is LandingMode.NONE or one.is_busy or one.state in ARRIVED:
        return ""
    is_over = state.cancelled or state.base_green is False
    if one.state.is_lost or (is_over and not state.landing.asked):
        return one.work
    done = one.state is TaskState.SUCCEEDED and mode is LandingMode.BRANCHES
    return one.head if done else ""


def _release(state: RunState) -> Moved:
    """Remove the worktrees of attempts that are over, unless they hold unsaved work."""
    commands: list[Command] = []
    for one in state.tasks.values():
        due = [
            a
            for a in one.attempts
            if a.outcome and a.folder and not (a.folder_released or a.folder_stays)
        ]
        if due:
            commands.extend(RemoveWorktree(folder=attempt.folder) for attempt in due)
            attempts = tuple(
                replace(a, folder_released=True) if a in due else a for a in one.attempts
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
    if not any(_is_ready(state, key) for key in state.tasks):
        return state, ()
    return replace(state, is_measuring=True), (MeasureRoom(),)


def _finish(state: RunState) -> Moved:
    """End the run when nothing is asked and nothing can be asked any more."""
    busy = any(r.attempt and r.attempt.asked for r in state.tasks.values())
    waiting = any(r.state in (TaskState.WAITING, TaskState.RUNNING) for r in state.tasks.values())
    going_on = waiting and not (state.cancelled or state.stopped or state.base_green is False)
    pausing = state.is_awaiting and not (state.cancelled or state.stopped)
    idle = not (busy or going_on or pausing or state.landing.asked or state.keeping)
    if not idle or state.finishing or state.finished:
        return state, ()
    return replace(state, finishing=True), (FinishRun(),)

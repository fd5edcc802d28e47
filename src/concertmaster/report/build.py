"""Builds the report of a run from its events and state.

Every number is measured, or is an estimate of the plan that is marked as such.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

from concertmaster.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    Event,
    PauseEnded,
    PhaseFailed,
    PhaseFinished,
    RunResumed,
    TargetMoved,
)
from concertmaster.model import Outcome, Plan, RunSettings, Usage
from concertmaster.planning.estimates import profile_of
from concertmaster.prompts.follow_ups import PromptDraft, merge_follow_ups, write_drafts
from concertmaster.report.flakes import count_flakes
from concertmaster.report.foresight_rows import compare_task, total_foresight
from concertmaster.report.model import (
    AttemptRow,
    CheckRow,
    CheckTotals,
    EstimateRow,
    LandedRow,
    PauseRow,
    PhaseRow,
    Report,
    SensitivePaths,
    TaskRow,
    total_phases,
)
from concertmaster.report.next_steps import next_steps, sensitive_paths, suggest_drafts
from concertmaster.report.orders import find_orders
from concertmaster.report.run_end import find_ending
from concertmaster.report.speed_up import measure_speed_up
from concertmaster.run.phases import AGENTS_OWN
from concertmaster.run.state import RunState
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.settings.choices import Phase


def build_report(state: RunState, events: Sequence[Event]) -> Report:
    """Return the report of the run. `state` is the fold of `events`."""
    plan = state.plan
    tasks = _task_rows(state, _phases(events))
    landed = tuple(_landed_row(event) for event in events if isinstance(event, BatchLanded))
    ended, reason = find_ending(state)
    tip = _find_tip(events) or plan.base
    wall, work = _wall_seconds(events), sum(task.seconds for task in tasks)
    usage = _sum_usage(task.usage for task in tasks)
    follow_ups = _follow_ups(state)
    return Report(
        run=plan.run,
        base=plan.base,
        target=plan.target,
        tip=tip,
        slots=plan.slots,
        landing=plan.settings.landing,
        ended=ended,
        reason=reason,
        diverted=state.landing.diverted,
        started_at=events[0].at if events else 0.0,
        ended_at=events[-1].at if events else 0.0,
        pauses=_pauses(events),
        limits=tuple(_limits(events)),
        wall_seconds=wall,
        work_seconds=work,
        concurrency=work / wall if work and wall else None,
        speed_up=measure_speed_up(state, wall_seconds=wall),
        estimate=_estimate(plan),
        cost_usd=usage.cost_usd,
        cost_is_estimated=usage.is_estimated,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        phases=total_phases(events),
        checks=_checks(events),
        flaky=state.landing.flaky,
        flakes=count_flakes(events, check=plan.settings.check),
        landed=landed,
        tasks=tasks,
        orders=find_orders(plan, {task.id: task.foresight for task in tasks}),
        foresight=total_foresight(state, [task.foresight for task in tasks]),
        skipped=plan.skipped,
        sensitive=_sensitive(state),
        follow_ups=follow_ups,
        next_steps=(
            *next_steps(state, ended=ended, branch=_find_branch(landed), tip=tip),
            *suggest_drafts(plan.run, [one.file for one in follow_ups if state.finished]),
        ),
        notes=(*plan.notes, *_notes(events)),
    )


def _notes(events: Iterable[Event]) -> Iterator[str]:
    for event in events:
        if isinstance(event, BaseChecked):
            yield from event.notes


def _estimate(plan: Plan) -> EstimateRow:
    return EstimateRow(
        makespan_seconds=plan.makespan_seconds,
        lower_bound_seconds=plan.lower_bound_seconds,
        sequential_seconds=plan.sequential_seconds,
        cost_usd=plan.predicted_cost_usd,
    )


Phases = Mapping[tuple[str, int], tuple[PhaseRow, ...]]


def _phases(events: Iterable[Event]) -> Phases:
    """Return the phase rows by task id and number of the attempt."""
    found: dict[tuple[str, int], tuple[PhaseRow, ...]] = {}
    for event in events:
        if isinstance(event, PhaseFinished | PhaseFailed):
            key = (event.task, event.attempt)
            found[key] = (*found.get(key, ()), _phase_row(event))
    return found


def _task_rows(state: RunState, phases: Phases) -> tuple[TaskRow, ...]:
    settings = state.plan.settings
    return tuple(_task_row(one, phases, settings=settings) for one in state.tasks.values())


def _task_row(record: TaskRecord, phases: Phases, *, settings: RunSettings) -> TaskRow:
    task = record.task
    attempts = tuple(
        _attempt_row(task.id, attempt, phases.get((task.id, attempt.number), ()))
        for attempt in record.attempts
    )
    return TaskRow(
        id=task.id,
        title=task.title,
        prompt=task.prompt,
        state=record.state,
        reason=record.reason,
        profile=profile_of(task, settings),
        estimate_seconds=task.estimate_seconds,
        estimate_cost_usd=task.estimate_cost_usd,
        estimate_reason=task.estimate_reason,
        seconds=sum(attempt.seconds for attempt in attempts),
        usage=_sum_usage(attempt.usage for attempt in attempts),
        head=record.head,
        branch=record.kept_on,
        attempts=attempts,
        footprint=task.footprint,
        unknown=task.unknown,
        cancelled=record.cancelled,
        foresight=compare_task(record),
        notes=task.notes,
    )


def _attempt_row(task: str, attempt: Attempt, phases: tuple[PhaseRow, ...]) -> AttemptRow:
    logs = f"tasks/{task}/{attempt.number}"
    return AttemptRow(
        number=attempt.number,
        outcome=attempt.outcome,
        reason=attempt.reason,
        base=attempt.base,
        built_on=attempt.built_on,
        phases=phases,
        seconds=sum(row.seconds for row in phases),
        usage=_sum_usage(row.usage for row in phases),
        sensitive=attempt.sensitive,
        classes=attempt.classes,
        notes=tuple(dict.fromkeys(attempt.notes)),  # each phase tells what it finds
        no_op=attempt.no_op,
        said=attempt.said,
        review=attempt.review,
        folder=attempt.folder if attempt.folder_stays else "",
        transcript=f"{logs}/transcript.jsonl",
        check_log=f"{logs}/check.log",
    )


def _phase_row(event: PhaseFinished | PhaseFailed) -> PhaseRow:
    return PhaseRow(
        phase=event.phase,
        finished=isinstance(event, PhaseFinished),
        seconds=event.seconds,
        setup_seconds=event.setup_seconds if isinstance(event, PhaseFinished) else 0.0,
        started_at=event.at - event.seconds,
        ended_at=event.at,
        usage=event.usage,
        session=event.session,
        reason=event.reason if isinstance(event, PhaseFailed) else event.findings,
        transcript=_transcript(event),
    )


def _transcript(event: PhaseFinished | PhaseFailed) -> str:
    folder = f"tasks/{event.task}/{event.attempt}"
    if event.phase is Phase.REVIEW:
        return f"{folder}/review.jsonl"
    return f"{folder}/transcript.jsonl" if event.phase in AGENTS_OWN else ""


def _sum_usage(usages: Iterable[Usage]) -> Usage:
    return sum(usages, start=Usage())


def _find_branch(landed: Sequence[LandedRow]) -> str:
    """Return the branch of ours that the last diverted landing moved, "" if there was none."""
    return next((row.branch for row in reversed(landed) if row.branch), "")


def _find_tip(events: Sequence[Event]) -> str:
    """Return the commit of the target after the last event, "" if no event tells it.

    A diverted landing did not move the target.
    """
    for event in reversed(events):
        if isinstance(event, BatchLanded) and not event.branch:
            return event.commit
        if isinstance(event, TargetMoved | BaseChecked):
            return event.tip
    return ""


def _pauses(events: Sequence[Event]) -> tuple[PauseRow, ...]:
    """Return the times in which no process worked on the run."""
    return tuple(
        PauseRow(started_at=before.at, ended_at=after.at)
        for before, after in pairwise(events)
        if isinstance(after, RunResumed)
    )


def _limits(events: Iterable[Event]) -> Iterator[PauseRow]:
    """Yield the times in which the run waited for the end of a usage limit.

    A time begins with the first task that met the limit. It ends with the last end of a pause
    before a further limit, so overlapping limits make one time.
    """
    began, ended = 0.0, 0.0
    for event in events:
        if isinstance(event, PauseEnded) and began:
            ended = event.at
        elif isinstance(event, PhaseFailed) and event.outcome is Outcome.LIMITED:
            if ended:
                yield PauseRow(started_at=began, ended_at=ended)
            began, ended = (event.at, 0.0) if ended or not began else (began, ended)
    if ended:
        yield PauseRow(started_at=began, ended_at=ended)


def _wall_seconds(events: Sequence[Event]) -> float:
    """Return the seconds between the first and the last event, without the pauses."""
    return sum(
        max(0.0, after.at - before.at)
        for before, after in pairwise(events)
        if not isinstance(after, RunResumed)
    )


def _checks(events: Sequence[Event]) -> CheckTotals:
    rows = tuple(_check_row(event) for event in events if isinstance(event, BatchChecked))
    ran = [row for row in rows if not row.cached]
    bases = [event for event in events if isinstance(event, BaseChecked)]
    return CheckTotals(
        ran=len(ran),
        cached=len(rows) - len(ran),
        seconds=sum(row.seconds for row in ran),
        setup_seconds=sum(row.setup_seconds for row in ran),
        base_seconds=sum(event.seconds for event in bases),
        base_setup_seconds=sum(event.setup_seconds for event in bases),
        rows=rows,
    )


def _check_row(event: BatchChecked) -> CheckRow:
    return CheckRow(
        at=event.at,
        tasks=event.tasks,
        tip=event.tip,
        passed=event.passed,
        cached=event.cached,
        reason=event.reason,
        seconds=event.seconds,
        setup_seconds=event.setup_seconds,
    )


def _landed_row(event: BatchLanded) -> LandedRow:
    return LandedRow(
        at=event.at,
        tasks=event.tasks,
        tip=event.tip,
        commit=event.commit,
        branch=event.branch,
    )


def _follow_ups(state: RunState) -> tuple[PromptDraft, ...]:
    """Return the drafts of the follow-ups that any attempt stated.

    A failed attempt may have seen necessary work too, so its follow-ups count.
    """
    stated = {
        key: [text for attempt in record.attempts for text in attempt.follow_ups]
        for key, record in state.tasks.items()
    }
    return write_drafts(merge_follow_ups(stated), run=state.plan.run)


def _sensitive(state: RunState) -> tuple[SensitivePaths, ...]:
    found = ((key, record.attempt, sensitive_paths(record)) for key, record in state.tasks.items())
    return tuple(
        SensitivePaths(task=key, paths=paths, classes=attempt.classes)
        for key, attempt, paths in found
        if attempt and paths
    )

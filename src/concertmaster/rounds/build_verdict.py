"""Builds the verdict of a verify job from its events, and renders its summary."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from concertmaster.events import BaseChecked, BatchChecked, BatchLanded, Event
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds.verdict import LeftOutTask, Verdict, VerdictStep
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.text.display import count, duration, shorten_id
from concertmaster.text.markdown import as_cell, as_code, as_line

MOST_ROWS = 300


def build_verdict(
    start: Verdict, state: RunState, events: Sequence[Event], *, refused: Mapping[str, str]
) -> Verdict:
    """Return the verdict on the results, as far as these events go.

    `start` is the verdict before the first event. `refused` gives the reason for each result that
    the merge queue did not try.
    """
    checks = [event for event in events if isinstance(event, BatchChecked) and not event.cached]
    bases = [event for event in events if isinstance(event, BaseChecked) and event.seconds]
    return replace(
        start,
        base_green=state.base_green,
        base_reason=state.base_reason,
        steps=_find_steps(start.tip, events),
        left_out=tuple(_find_left_out(state, refused=refused)),
        flaky=tuple(dict.fromkeys(state.landing.flaky)),
        checks=len(checks) + len(bases),
        check_seconds=sum(e.seconds for e in checks) + sum(e.seconds for e in bases),
        stopped=state.stopped or ("cancelled" if state.cancelled else ""),
        finished=state.finished and not (state.stopped or state.cancelled),
    )


def _find_steps(tip: str, events: Sequence[Event]) -> tuple[VerdictStep, ...]:
    """Return one step for each commit that landed.

    A task whose change is already on the tip makes no commit. It joins the step before it, or the
    step behind it if there is none before.
    """
    tested = {e.commit: e for e in events if isinstance(e, BatchChecked) and e.passed}
    steps: list[VerdictStep] = []
    waiting: tuple[str, ...] = ()
    for landed in (event for event in events if isinstance(event, BatchLanded)):
        if landed.commit == landed.tip and steps:
            steps[-1] = _with_tasks(steps[-1], (*steps[-1].tasks, *landed.tasks), tested[tip])
        elif landed.commit == landed.tip:
            waiting += landed.tasks
        else:
            check = tested[landed.commit]
            step = VerdictStep(tasks=(), tip=landed.tip, commit=landed.commit, tree=check.tree)
            steps.append(_with_tasks(step, (*waiting, *landed.tasks), check))
            waiting = ()
        tip = landed.commit
    return tuple(steps)


def _with_tasks(step: VerdictStep, tasks: tuple[str, ...], check: BatchChecked) -> VerdictStep:
    reapplied = {*step.reapplied, *check.reapplied}
    return replace(step, tasks=tasks, reapplied=tuple(key for key in tasks if key in reapplied))


def _find_left_out(state: RunState, *, refused: Mapping[str, str]) -> Iterator[LeftOutTask]:
    """Yield the tasks that have a result to land and may not land it.

    A task that failed in its work job is not among them: its result says so.
    """
    for key, one in state.tasks.items():
        if key in refused:
            yield LeftOutTask(task=key, fault=LandingFault.REFUSED, reason=refused[key])
        elif one.head and one.fault:
            yield LeftOutTask(
                task=key,
                fault=one.fault.kind,
                reason=one.reason,
                paths=one.fault.paths if one.fault.kind is LandingFault.HELD else (),
                classes=one.fault.classes,
            )
        elif one.head and one.state is TaskState.BLOCKED:
            yield LeftOutTask(task=key, fault=LandingFault.STUCK, reason=one.reason)
        elif reason := _waits_for_person(state, one):
            yield LeftOutTask(task=key, fault=LandingFault.STUCK, reason=reason)


def _waits_for_person(state: RunState, one: TaskRecord) -> str:
    """Return the reason if a need of the task, direct or indirect, waits for a person; else ""."""
    if not one.head or one.state is not TaskState.SUCCEEDED:
        return ""
    before, seen = [*state.network.hard[one.task.id]], set[str]()
    while before:
        key = before.pop()
        if state.tasks[key].held:
            return f"needs {key}, which a person has to merge first"
        if key not in seen:
            seen.add(key)
            before.extend(state.network.hard[key])
    return ""


# --- the summary page --------------------------------------------------------------------------


def verdict_summary(verdict: Verdict, *, held: Mapping[str, Sequence[str]]) -> str:
    """Return the Markdown of the job's summary page.

    `held` names the tasks that a person has to merge, with the paths that are the reason.
    """
    landing = sum(len(step.tasks) for step in verdict.steps)
    lines = [f"### {count(landing, 'task')} can land on {as_code(verdict.target)}", ""]
    if verdict.base_green is False:
        lines += [f"The base does not pass its own check: {as_line(verdict.base_reason)}", ""]
    if verdict.stopped:
        lines += [f"Ended early: {as_line(verdict.stopped)}", ""]
    rows = [*_rows(verdict, held=held)]
    if rows:
        lines += ["| task | verdict | how |", "|---|---|---|", *rows[:MOST_ROWS], ""]
    if len(rows) > MOST_ROWS:
        lines += [f"and {len(rows) - MOST_ROWS} more", ""]
    checked = f"{count(verdict.checks, 'check')} in {duration(verdict.check_seconds)}"
    return "\n".join([*lines, f"{checked}."])


def _rows(verdict: Verdict, *, held: Mapping[str, Sequence[str]]) -> Iterator[str]:
    for number, step in enumerate(verdict.steps, 1):
        for key in step.tasks:
            how = "its change alone" if key in step.reapplied else "as it is"
            where = f"step {number}, {how}, in {shorten_id(step.commit)}"
            yield f"| {as_cell(key)} | green together | {where} |"
    for key, paths in held.items():
        what = f"changes {', '.join(paths)}"
        yield f"| {as_cell(key)} | a person merges it | {as_cell(what)} |"
    for one in verdict.left_out:
        yield f"| {as_cell(one.task)} | left out: {one.fault} | {as_cell(one.reason)} |"
    for key in dict.fromkeys(verdict.flaky):
        reason = "the check failed with it, then passed on the same tree"
        yield f"| {as_cell(key)} | flaky | {reason} |"

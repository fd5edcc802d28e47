"""Summarises a report in text, for the terminal, the HTML page and the job summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from concertmaster.model import Outcome, TaskState, Usage
from concertmaster.planning.estimates import say_cost
from concertmaster.report.model import Report, TaskRow
from concertmaster.report.notice_lines import foresight_facts
from concertmaster.report.run_end import RunEnd
from concertmaster.settings.choices import LandingMode
from concertmaster.text.display import (
    count,
    display,
    duration,
    leave_out_empty,
    pair_up,
    shorten_id,
    took,
)
from concertmaster.text.failing_tests import name_failing_tests
from concertmaster.text.markdown import as_cell


def headline(report: Report, *, is_dead: bool = False) -> str:
    """Return one line: how the run ended and how many tasks are in each state.

    `is_dead` says that the run has not ended and that no process works on it.
    """
    where = f" on {report.target}" if report.landing is LandingMode.MERGE else ""
    if report.ended is RunEnd.LANDED and not report.tasks:
        return f"run {report.run}{where}: there was nothing to do"
    words = Counter(say_row(task, report.ended, is_dead=is_dead) for task in report.tasks)
    # Tasks of one state stand together, in the order in which states follow each other.
    order = {say_row(task, report.ended, is_dead=is_dead): task.state for task in report.tasks}
    ranked = sorted(words, key=lambda word: [*TaskState].index(order[word]))
    states = ", ".join(f"{words[word]} {word}" for word in ranked)
    ended = "interrupted" if is_dead else str(report.ended)
    reason = f" ({display(report.reason)})" if report.reason else ""
    # A state that all tasks share tells how the run ended; nothing is said twice.
    if report.ended is RunEnd.LANDED or [*words] == [ended]:
        return f"run {report.run}{where}: {states}{reason}"
    return f"run {report.run}{where}: {ended}{reason}; {states}"


def shared_reasons(report: Report) -> dict[str, int]:
    """Return the reasons that several tasks have, with the number of those tasks."""
    found = Counter(task.reason for task in report.tasks if task.reason)
    return {reason: number for reason, number in found.items() if number > 1}


def say_row(task: TaskRow, ended: RunEnd, *, is_dead: bool = False) -> str:
    """Return the state of a task in words that tell more than its state does.

    A task that was cancelled did not fail, and one that found nothing to change made no commit.
    """
    last = task.attempts[-1] if task.attempts else None
    was_stopped = last is not None and last.outcome is Outcome.CANCELLED
    if task.state is TaskState.FAILED and (was_stopped or task.cancelled):
        return "cancelled"
    if task.state is TaskState.LEFT_OUT and task.cancelled:
        return "cancelled"
    if task.state is TaskState.SUCCEEDED and last and last.no_op:
        return "nothing to change"
    if task.state is TaskState.WAITING and ended in (RunEnd.CANCELLED, RunEnd.BASE_IS_RED):
        return "not begun"
    if task.state is TaskState.RUNNING and is_dead:
        return "interrupted"
    return say_state(task.state, ended)


def count_states(
    states: Iterable[TaskState] | Mapping[TaskState, int], ended: RunEnd = RunEnd.UNFINISHED
) -> str:
    """Return the number of tasks in each state, such as "3 landed, 1 left out"."""
    found = Counter(states)
    told = ((found[state], say_state(state, ended)) for state in TaskState if found[state])
    return ", ".join(f"{number} {word}" for number, word in told)


def say_state(state: TaskState, ended: RunEnd = RunEnd.UNFINISHED) -> str:
    """Return the state in words.

    A running task of a run that has stopped is called "begun", since nothing runs any more.
    """
    if state is TaskState.RUNNING and ended is RunEnd.STOPPED:
        return "begun"
    return state.replace("_", " ")


def facts(report: Report) -> Iterator[tuple[str, str]]:
    """Yield the measurements as pairs of label and text. Empty ones are left out."""
    yield "time", _time(report)
    if report.concurrency is not None:
        work = duration(report.work_seconds)
        yield "concurrency", f"{report.concurrency:.1f} ({work} of phases in all)"
    if report.speed_up:
        alone = duration(report.speed_up.sequential_seconds)
        yield "speed-up", f"{report.speed_up.times:.1f} ({alone} by {report.speed_up.basis})"
    yield from _spent(report)
    if checks := _checks(report):
        yield "checks", checks
    if report.landed and report.tip != report.base:
        yield "target", f"{shorten_id(report.base)}..{shorten_id(report.tip)} on {report.target}"
    yield from foresight_facts(report.foresight)
    if flakes := _flakes(report):
        yield "flaky", flakes
    for sensitive in report.sensitive:
        shown = [display(path, limit=80) for path in sensitive.paths]
        paths = ", ".join(pair_up(shown, sensitive.classes))
        yield "look at", f"{display(paths, limit=400)} ({sensitive.task})"
    for skipped in report.skipped:
        yield "skipped", f"{display(skipped.prompt)}: {display(skipped.reason)}"


def _flakes(report: Report) -> str:
    """Return how often the check failed and then passed unchanged, and which tests failed."""
    failures, tests = report.flakes.failures, report.flakes.tests
    if not failures and not report.flaky:
        return ""
    behind = f", behind {', '.join(report.flaky)}" if report.flaky else ""
    often = f" {failures} of {report.flakes.checks} times" if failures > 1 else ""
    named = f": {display(name_failing_tests(tests), limit=400)}" if tests else ""
    return f"the check failed{often}, then passed unchanged{behind}{named}"


def _spent(report: Report) -> Iterator[tuple[str, str]]:
    if report.limits:
        waited = sum(limit.ended_at - limit.started_at for limit in report.limits)
        pauses = count(len(report.limits), "pause")
        yield "usage limits", f"{pauses}, {duration(waited)} in all; no attempt was spent"
    if report.cost_usd is not None:
        yield "cost", _cost(report)
    if report.input_tokens or report.output_tokens:
        yield "tokens", f"{report.input_tokens:,} in, {report.output_tokens:,} out"
    if costs := [f"{one.phase} {cost(one.usage)}" for one in report.phases if cost(one.usage)]:
        yield "by phase", ", ".join(costs)


def _time(report: Report) -> str:
    estimate = report.estimate
    if not estimate.makespan_seconds:  # the plan had no work for an agent
        return duration(report.wall_seconds)
    return (
        f"{duration(report.wall_seconds)} in {count(report.slots, 'slot')} "
        f"(estimated {duration(estimate.makespan_seconds)}, "
        f"at least {duration(estimate.lower_bound_seconds)})"
    )


def _cost(report: Report) -> str:
    told = dollars(report.cost_usd, is_estimated=report.cost_is_estimated)
    predicted = say_cost([task.estimate_cost_usd for task in report.tasks])
    return f"{told} (predicted {predicted})" if predicted else told


def _checks(report: Report) -> str:
    checks = report.checks
    known = f", {checks.cached} known before" if checks.cached else ""
    ran = f"{checks.ran} ran in {took(checks.seconds, checks.setup_seconds)}{known}"
    base = f"the base's took {took(checks.base_seconds, checks.base_setup_seconds)}"
    told = ((ran, checks.ran or checks.cached), (base, checks.base_seconds))
    return "; ".join(text for text, is_there in told if is_there)


def cost(usage: Usage) -> str:
    """Return the cost as text, such as $1.20, or "" if it is unknown; see `dollars`."""
    return dollars(usage.cost_usd, is_estimated=usage.is_estimated)


def dollars(cost_usd: float | None, *, is_estimated: bool = False) -> str:
    """Return the amount as text, such as $1.20, or "" if it is None.

    An estimate, which comes from a table of prices, begins with ~.
    """
    return "" if cost_usd is None else f"{'~' if is_estimated else ''}${cost_usd:.2f}"


PHASE_COLUMNS = ("task", "attempt", "phase", "time", "cost", "tokens in", "out", "session")
TOTAL_COLUMNS = ("phase", "ran", "passed", "time", "cost", "tokens in", "out")
MOST_ROWS = 300  # of the table in a job summary


def phase_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Yield the cells of PHASE_COLUMNS for each phase that ran."""
    for task in report.tasks:
        for attempt in task.attempts:
            for row in attempt.phases:
                yield (
                    task.id,
                    str(attempt.number),
                    row.phase if row.finished else f"{row.phase} (did not pass)",
                    took(row.seconds, row.setup_seconds),
                    *_usage(row.usage),
                    display(row.session, limit=40),
                )


def total_rows(report: Report) -> Iterator[tuple[str, ...]]:
    """Yield the cells of TOTAL_COLUMNS for each phase, summed over the run."""
    for total in report.phases:
        numbers = (str(total.times), str(total.passed))
        time = took(total.seconds, total.setup_seconds)
        yield (total.phase, *numbers, time, *_usage(total.usage))


def _usage(usage: Usage) -> tuple[str, ...]:
    tokens = (usage.input_tokens, usage.output_tokens)
    return (cost(usage), *(f"{number:,}" if number else "" for number in tokens))


def breakdown_markdown(report: Report) -> str:
    """Return both tables of phases as inert Markdown, "" if no phase ran.

    The table of single phases has at most MOST_ROWS rows, for the size limit of a job summary.
    """
    rows = [*phase_rows(report)]
    if not rows:
        return ""
    more = len(rows) - MOST_ROWS
    return "\n".join(
        [
            "### What each phase took",
            "",
            *_table(TOTAL_COLUMNS, [*total_rows(report)]),
            "",
            *_table(PHASE_COLUMNS, rows[:MOST_ROWS]),
            *(["", f"and {count(more, 'row')} more in report.html"] if more > 0 else []),
        ]
    )


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    columns, rows = leave_out_empty(columns, rows)
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    yield from (f"| {' | '.join(map(as_cell, row))} |" for row in rows)

"""Writes the report of a round, for the parent issue and for the summary of the job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from concertmaster.comments.task_words import (
    MOST_LINES,
    describe_result,
    issue_number,
    name_held,
    note_lines,
    read_clock,
    review_lines,
    say_state,
)
from concertmaster.comments.train_comment import tell_next
from concertmaster.model import TaskState, Usage
from concertmaster.prompts.follow_ups import merge_follow_ups
from concertmaster.report.summary import cost
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.verdict import Verdict
from concertmaster.text.display import count, duration
from concertmaster.text.markdown import BODY_LIMIT, as_cell, as_code, as_line, clip
from concertmaster.text.marks import mark

SUMMARY_LIMIT = 500_000  # characters; the summary of a job's step may have 1 MiB
MOST_FOLLOW_UPS = 10

_REASONS = (200, 60, 0)  # characters of each; the first that leaves room for all tasks counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Speed:
    """The measured times and usage of a round.

    `wall_seconds` is clock time; the other times are sums over all agents and all checks.
    """

    agent_seconds: float
    check_seconds: float
    wall_seconds: float
    usage: Usage


def report_kind(round_number: int) -> str:
    """Return the kind of the mark in a round's report."""
    return f"report-{round_number}"


def report_comment(
    history: History,
    verdict: Verdict | None,
    *,
    speed: Speed | None,
    notes: Sequence[str] = (),
) -> str:
    """Return the report of the round for the parent issue.

    `notes` are Markdown of ours, one line each. Waiting pull requests, the round that is due and
    how to retry are told without them.
    """
    head = mark(run=history.run, kind=report_kind(history.round))
    text = summary_markdown(
        history,
        verdict,
        speed=speed,
        notes=notes,
        limit=BODY_LIMIT - len(head) - 1,
    )
    return f"{head}\n{text}"


def summary_markdown(
    history: History,
    verdict: Verdict | None,
    *,
    speed: Speed | None,
    notes: Sequence[str] = (),
    limit: int = SUMMARY_LIMIT,
) -> str:
    """Return the text of `report_comment` without its mark, in at most `limit` characters."""
    above = [f"### {_headline(history)}", "", *_measured(speed), ""]
    below = ["", *_list("Next", [*_next(history)])]
    below += _list("Notes", [*_words_of(verdict), *notes, *_skipped(history)])
    below += _list("Notes on tasks", [*_task_notes(history)])
    below += _list("Reviews", [*_reviews(history)])
    below += _follow_ups(history)
    room = limit - sum(len(line) + 1 for line in (*above, *below))
    table = result_table(history.tasks.values(), limit=room)
    return clip("\n".join([*above, *table, *below]), limit=limit)


def _reviews(history: History) -> Iterator[str]:
    """Yield what reviewers said of the changes that have no pull request of their own."""
    for one in history.tasks.values():
        if not one.pull or one.pull == history.pull:
            yield from (f"{as_code(one.task)}: {line[2:]}" for line in review_lines(one))


def _task_notes(history: History) -> Iterator[str]:
    """Yield the notes on tasks that have no pull request of their own."""
    for one in history.tasks.values():
        if not one.pull or one.pull == history.pull:
            yield from (f"{as_code(one.task)}: {line[2:]}" for line in note_lines(one))


def result_table(tasks: Collection[TaskHistory], *, limit: int) -> list[str]:
    """Return the lines of a table of the tasks and their results.

    The lines have at most `limit` characters: reasons are shortened first, then tasks are left out.
    """
    head = [
        "| task | issue | state | result | time | cost | reason |",
        "|---|---|---|---|---|---|---|",
    ]
    for reason in _REASONS:
        lines = [*head, *(_row(one, reason_limit=reason) for one in tasks)]
        if sum(len(line) + 1 for line in lines) <= limit:
            return lines
    more = "\nThere is no room here for {} more."
    longest = more.format(count(len(lines), "task"))
    kept = fit_body(lines, limit=limit - len(longest) - 1)
    return [*kept, more.format(count(len(lines) - len(kept), "task"))]


def fit_body(lines: Iterable[str], *, limit: int) -> list[str]:
    """Return the first lines that fit into `limit` characters, line breaks counted."""
    kept: list[str] = []
    for line in lines:
        limit -= len(line) + 1
        if limit < 0:
            break
        kept.append(line)
    return kept


def _row(one: TaskHistory, *, reason_limit: int) -> str:
    cells = (
        f"{as_cell(one.title, limit=80)} {_cell_code(one.task)}",
        issue_number(one.issue),
        say_state(one),
        describe_result(one).replace("|", r"\|"),
        duration(one.seconds) if one.seconds else "",
        cost(one.usage),
        as_cell(one.reason, limit=reason_limit) if reason_limit else "",
    )
    return f"| {' | '.join(cells)} |"


def _cell_code(text: str) -> str:
    return as_code(text).replace("|", r"\|")


def _headline(history: History) -> str:
    tasks = history.tasks.values()
    landed = sum(one.state is TaskState.LANDED for one in tasks)
    rest = [one for one in tasks if not one.is_done]
    waiting = sum(history.waits_for_person(one) for one in rest)
    parts = [f"{landed} of {count(len(tasks), 'task')} landed on {as_code(history.target)}"]
    if waiting:
        parts.append(f"{waiting} wait{'' if waiting > 1 else 's'} for a merge")
    if len(rest) > waiting:
        parts.append(f"{len(rest) - waiting} did not land")
    return f"{', '.join(parts)} (run {as_code(history.run)}, round {history.round})"


def _measured(speed: Speed | None) -> Iterator[str]:
    if speed is None:
        return
    count = speed.usage.input_tokens + speed.usage.output_tokens
    tokens = f", {count:,} tokens" if count else ""
    yield (
        f"The round took {duration(speed.wall_seconds)}. In it agents worked "
        f"{duration(speed.agent_seconds)} and checks {duration(speed.check_seconds)}. "
        f"Cost: {cost(speed.usage) or 'unknown'}{tokens}."
    )


def _list(title: str, lines: Sequence[str]) -> Iterator[str]:
    if lines:
        yield f"**{title}**"
        yield ""
        yield from (f"- {line}" for line in lines[:MOST_LINES])
        if len(lines) > MOST_LINES:
            yield f"- and {len(lines) - MOST_LINES} more"
        yield ""


def _follow_ups(history: History) -> Iterator[str]:
    """Yield the further work that agents saw, folded away."""
    found = merge_follow_ups({key: one.follow_ups for key, one in history.tasks.items()})
    if not found:
        return
    yield f"<details><summary>{count(len(found), 'follow-up')}, not started</summary>"
    yield ""
    yield (
        "Agents suggested this work. Nobody has reviewed it. Drafts of prompt files are in the "
        "artifacts of the work jobs, in the folder `follow-ups`."
    )
    yield ""
    for one in found[:MOST_FOLLOW_UPS]:
        tasks = ", ".join(map(as_code, one.tasks[:MOST_FOLLOW_UPS]))
        yield f"- {as_line(one.text, limit=300)} (from {tasks})"
    if len(found) > MOST_FOLLOW_UPS:
        yield f"- and {len(found) - MOST_FOLLOW_UPS} more"
    yield ""
    yield "</details>"


def _next(history: History) -> Iterator[str]:
    tasks = history.tasks.values()
    waiting = [one.pull for one in tasks if one.state is TaskState.AWAITING_MERGE]
    for pull in filter(None, dict.fromkeys(waiting)):
        whole = ". It holds the results of this run" if pull == history.pull else ""
        yield f"{issue_number(pull)} waits for somebody to merge it{whole}."
    for one in tasks:
        if one.sensitive and one.state is TaskState.AWAITING_MERGE:
            yield f"A person has to merge {as_code(one.task)}. It changes {name_held(one)}."
    if history.memory_pull > 0:
        yield f"{issue_number(history.memory_pull)} updates Memory.md."
    if history.failure_issue > 0 and history.failures:
        yield f"{issue_number(history.failure_issue)} lists the failures and their causes."
    due = history.due
    if due:
        reason = f" ({as_line(due.reason)})" if due.reason else ""
        yield (
            f"Round {due.round} is due at {read_clock(due.at):%Y-%m-%d %H:%M} UTC{reason}. "
            "If it has not started by then, comment `/orchestrate retry`."
        )
    elif history.is_train:
        yield from tell_next(history)
    elif any(not (one.is_done or history.waits_for_person(one)) for one in tasks):
        yield "To retry the tasks that did not land, comment `/orchestrate retry`."


def _words_of(verdict: Verdict | None) -> Iterator[str]:
    """Yield what people should know of the verdict (Markdown)."""
    if verdict is None:
        return
    if verdict.base_green is False:
        reason = f": {as_line(verdict.base_reason)}" if verdict.base_reason else ""
        yield f"The check fails on {as_code(verdict.target)} itself{reason}."
    if verdict.stopped:
        yield f"Checking ended early: {as_line(verdict.stopped)}"
    if verdict.flaky:
        tasks = ", ".join(map(as_code, verdict.flaky[:MOST_LINES]))
        yield f"The check is flaky: it failed and then passed without a change ({tasks})."


def _skipped(history: History) -> Iterator[str]:
    for one in history.skipped:
        yield f"Skipped {as_code(one.prompt)}: {as_line(one.reason)}"

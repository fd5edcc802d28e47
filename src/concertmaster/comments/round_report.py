"""Writes the report of a round, for the parent issue and for the summary of the job."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from concertmaster.comments.train_comment import tell_next
from concertmaster.model import Outcome, TaskState, Usage
from concertmaster.prompts.follow_ups import merge_follow_ups
from concertmaster.report.summary import cost
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.verdict import Verdict
from concertmaster.text.display import count, duration, pair_up, shorten_id
from concertmaster.text.markdown import BODY_LIMIT, as_cell, as_code, as_line, clip
from concertmaster.text.marks import mark
from concertmaster.text.object_ids import is_object_id

SUMMARY_LIMIT = 500_000  # characters; the summary of a job's step may have 1 MiB
MOST_LINES = 40  # of each list
NOTE = 600  # characters
_MOST_NOTES = 5  # of each task
MOST_FOLLOW_UPS = 10
MOST_PATHS = 20  # of one task

_REASONS = (200, 60, 0)  # characters of each; the first that leaves room for all tasks counts
_LATEST = 253_402_300_799  # 9999-12-31

_STATES = {
    TaskState.WAITING: "not started",
    TaskState.RUNNING: "interrupted",
    TaskState.SUCCEEDED: "succeeded, not landed yet",
    TaskState.LANDED: "landed",
    TaskState.AWAITING_MERGE: "waits for a merge",
    TaskState.SKIPPED: "skipped",
    TaskState.BLOCKED: "blocked by a task it needs",
    TaskState.LEFT_OUT: "left out, its work is kept",
    TaskState.FAILED: "failed",
}
_OUTCOMES = {
    Outcome.REFUSED: "its change was refused",
    Outcome.TIMED_OUT: "ran out of time",
    Outcome.LIMITED: "stopped at a usage limit",
    Outcome.OVER_BUDGET: "stopped at the budget",
    Outcome.NO_ACCESS: "stopped, as the agent has no access to its model",
    Outcome.CANCELLED: "cancelled",
    Outcome.LOST: "its job ended before it could tell",
}


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


def review_lines(one: TaskHistory) -> list[str]:
    """Return the comments of the task's reviewer as a list (Markdown)."""
    comments = [line.removeprefix("- ") for line in one.review.splitlines() if line.strip()]
    return [f"- {as_line(comment, limit=600)}" for comment in comments[:MOST_LINES]]


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


def note_lines(one: TaskHistory) -> list[str]:
    """Return the first notes on the task and its attempts as a list (Markdown)."""
    lines = [f"- {as_line(note, limit=NOTE) or '(empty)'}" for note in one.notes[:_MOST_NOTES]]
    more = len(one.notes) - len(lines)
    return [*lines, f"- and {count(more, 'more note')}"] if more else lines


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


def issue_number(issue: int) -> str:
    """Return an issue or pull request as GitHub links it, "" for none."""
    return f"#{issue}" if issue > 0 else ""


def commit_link(commit: str) -> str:
    """Return a commit as GitHub links it, "" for none.

    Text that is no commit id is returned as code.
    """
    if not commit:
        return ""
    return shorten_id(commit) if is_object_id(commit) else as_code(commit, limit=40)


def known_cost(tasks: Iterable[TaskHistory]) -> str:
    """Return in words what the agents of these tasks reported as their cost."""
    worked = [one.usage for one in tasks if one.attempts]
    is_whole = all(usage.cost_usd is not None for usage in worked)
    return say_cost(sum(worked, start=Usage()), is_whole=is_whole)


def say_cost(usage: Usage, *, is_whole: bool) -> str:
    """Return the cost in words; `is_whole` says whether all agents reported theirs."""
    told = cost(usage)
    return f"for {'' if is_whole else 'at least '}{told}" if told else "at unknown cost"


def describe_result(one: TaskHistory) -> str:
    """Return where the task's work is: pull request, commit on the target or branch (Markdown)."""
    landed = commit_link(one.landed_as) if one.state is TaskState.LANDED else ""
    found = " ".join(filter(None, (issue_number(one.pull), landed)))
    return found or (as_code(one.branch) if one.branch else "")


def name_held(one: TaskHistory) -> str:
    """Return the paths that only a person may land, each with its class (Markdown)."""
    named = pair_up(
        [as_code(path) for path in one.sensitive[:MOST_PATHS]],
        [as_line(reason, limit=80) for reason in one.classes],
    )
    more = len(one.sensitive) - len(named)
    return ", ".join(named) + (f" and {more} more" if more else "")


def say_state(one: TaskHistory) -> str:
    """Return the state of the task in plain words."""
    if one.state is TaskState.SUCCEEDED and one.is_done:
        return "nothing to change"
    why = _OUTCOMES.get(one.outcome) if one.outcome else None
    return why if why and one.state is TaskState.FAILED else _STATES[one.state]


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


def read_clock(at: float) -> datetime:
    """Return epoch seconds as a UTC time; a value out of range becomes the nearest valid one."""
    return datetime.fromtimestamp(min(max(0.0, at), _LATEST), UTC)


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

"""Says in words what a task came to, for all texts on GitHub."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from concertmaster.model import Outcome, TaskState, Usage
from concertmaster.report.summary import cost
from concertmaster.rounds.history import TaskHistory
from concertmaster.text.display import count, pair_up, shorten_id
from concertmaster.text.markdown import as_code, as_line
from concertmaster.text.object_ids import is_object_id

MOST_LINES = 40  # of each list
NOTE = 600  # characters
_MOST_NOTES = 5  # of each task
MOST_PATHS = 20  # of one task
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


def review_lines(one: TaskHistory) -> list[str]:
    """Return the comments of the task's reviewer as a list (Markdown)."""
    comments = [line.removeprefix("- ") for line in one.review.splitlines() if line.strip()]
    return [f"- {as_line(comment, limit=600)}" for comment in comments[:MOST_LINES]]


def note_lines(one: TaskHistory) -> list[str]:
    """Return the first notes on the task and its attempts as a list (Markdown)."""
    lines = [f"- {as_line(note, limit=NOTE) or '(empty)'}" for note in one.notes[:_MOST_NOTES]]
    more = len(one.notes) - len(lines)
    return [*lines, f"- and {count(more, 'more note')}"] if more else lines


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


def read_clock(at: float) -> datetime:
    """Return epoch seconds as a UTC time; a value out of range becomes the nearest valid one."""
    return datetime.fromtimestamp(min(max(0.0, at), _LATEST), UTC)

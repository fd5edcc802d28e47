"""Writes the failure issue of a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concertmaster.comments.pull_request import part_of_run, task_name
from concertmaster.comments.round_report import fit_body
from concertmaster.comments.task_words import (
    describe_result,
    issue_number,
    known_cost,
    note_lines,
    say_state,
)
from concertmaster.model import TaskState
from concertmaster.rounds.failure_words import advise, describe_machine
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.text.display import count, duration
from concertmaster.text.markdown import BODY_LIMIT, as_code, as_line, code_block
from concertmaster.text.marks import mark

FAILURE_KIND = "failure"
_MOST_EVIDENCE = 6000  # characters of each task
_LEAST_EVIDENCE = 200


def failure_issue(history: History) -> tuple[str, str]:
    """Return title and body of the issue that tells what did not land, why, and how to retry."""
    lost = history.failures
    amount = f"{count(len(lost), 'task')} did not land" if lost else "Every failed task has landed"
    words = f"{amount} on {as_code(history.target)}"
    above = [
        mark(run=history.run, kind=FAILURE_KIND),
        f"{words}; {part_of_run(history)}, as of round {history.round}.",
        "",
        *_how_to_retry(history, lost),
        "",
    ]
    room = BODY_LIMIT - sum(len(line) + 1 for line in above)
    body = "\n".join([*above, *_describe(lost, limit=room)])
    return f"{amount} (run {history.run})", body


def _how_to_retry(history: History, lost: Sequence[TaskHistory]) -> Iterator[str]:
    where = issue_number(history.parent) or "the issue of the run"
    if lost:
        yield (
            f"To retry all of them, comment `/orchestrate retry` on {where}. To retry one, name "
            f"it: `/orchestrate retry {lost[0].task}`. "
            "This issue closes itself when they have landed."
        )


def _describe(lost: Sequence[TaskHistory], *, limit: int) -> list[str]:
    """Return a section for each task, in at most `limit` characters.

    All evidence is shortened alike first; then the last sections are left out.
    """
    evidence = _MOST_EVIDENCE
    while evidence:
        sections = [_section(one, evidence=evidence) for one in lost]
        if sum(len(section) + 1 for section in sections) <= limit:
            return sections
        evidence = evidence // 2 if evidence > _LEAST_EVIDENCE else 0
    more = "There is no room here for {} more; the report of the run names them."
    sections = [_section(one, evidence=0) for one in lost]
    kept = fit_body(sections, limit=limit)
    if len(kept) < len(lost):
        kept = fit_body(sections, limit=limit - len(more) - len(str(len(lost))) - 5)
        kept.append(more.format(count(len(lost) - len(kept), "task")))
    return kept


def _kind(one: TaskHistory) -> str:
    # The reason of a blocked task names what it needs.
    return "blocked" if one.state is TaskState.BLOCKED and one.reason else say_state(one)


def _effort(one: TaskHistory) -> Iterator[str]:
    """Yield what the attempts took and how the machine was; nothing if there were none."""
    if one.attempts:
        yield f"- {count(one.attempts, 'attempt')}, {duration(one.seconds)}, {known_cost([one])}"
        yield f"- machine at that moment: {describe_machine(one.machine)}"


def _section(one: TaskHistory, *, evidence: int) -> str:
    issue = f", {issue_number(one.issue)}" if one.issue > 0 else ""
    where = describe_result(one)
    lines = [
        f"#### {task_name(one)}{issue}",
        "",
        f"- {_kind(one)}{f': {as_line(one.reason)}' if one.reason else ''}",
        *_effort(one),
        *([f"- work: {where}"] if where else []),
        f"- what to do: {advise(one)}, then comment `/orchestrate retry {one.task}`",
        *note_lines(one),
        "",
    ]
    if one.evidence and evidence:
        lines += [code_block(one.evidence, limit=evidence, tail=True), ""]
    return "\n".join(lines)

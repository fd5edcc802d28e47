"""Pull requests and the failure issue of a run. Nothing that others wrote acts in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concertmaster.core.history import History, TaskHistory
from concertmaster.core.message import inert
from concertmaster.core.neutral import (
    BODY_LIMIT,
    as_code,
    as_line,
    clip,
    code_block,
    mark,
)
from concertmaster.core.text import count, duration
from concertmaster.core.tidings import (
    commit_link,
    fit,
    known_cost,
    number,
    result,
    say_state,
    table,
)
from concertmaster.core.verdict import Verdict

PULL_KIND, RUN_PULL_KIND, MEMORY_PULL_KIND = "pull", "run-pull", "memory-pull"
FAILURE_KIND = "failure"
NO_CI = (
    "GitHub starts no workflow for what the default token pushes, so the repository's own CI has "
    "not run on these commits, and waits for an approval on these pull requests. To change that, "
    "give the jobs the token of a GitHub App as `github_token`."
)
LONGEST_TITLE = 200  # characters; GitHub takes 256

_MOST_NAMED = 20
_NOTE = 600  # characters of each note of an agent
_MOST_EVIDENCE = 6000  # characters of each task
_LEAST_EVIDENCE = 200
_DISPATCH = """\
on:
  workflow_dispatch:
    inputs:
      run: {description: the run to go on with, type: string, required: true}
      round: {description: its round, type: string, required: true}
      issue: {description: its parent issue, type: string}"""


def pull_title(one: TaskHistory) -> str:
    """Plain text: it may become the message of a commit."""
    return inert(one.title, limit=LONGEST_TITLE) or one.task


def pull_body(
    history: History,
    one: TaskHistory,
    *,
    closes: bool,
    together: Sequence[str] = (),
) -> str:
    """The pull request of one task.

    `together` are the ids of the tasks with whose changes it passed the check.
    """
    closing = [f"Closes {number(one.issue)}", ""] if closes and one.issue > 0 else []
    effort = f"{duration(one.seconds)} in {count(one.attempts, 'attempt')}, {known_cost([one])}"
    lines = [
        mark(run=history.run, kind=PULL_KIND, task=one.task),
        f"{_task(one)}, from {as_code(one.prompt)}; {_part_of(history)}.",
        "",
        *closing,
        *(f"- {line}" for line in _checked(one, together)),
        f"- agents worked {effort}",
        *_agent_notes(one),
    ]
    return clip("\n".join(lines))


def _task(one: TaskHistory) -> str:
    return f"{as_line(one.title) or 'Task'} ({as_code(one.task)})"


def _part_of(history: History) -> str:
    parent = f" of {number(history.parent)}" if history.parent > 0 else ""
    return f"part of run {as_code(history.run)}{parent}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(as_code, names[:_MOST_NAMED])) + more


def _checked(one: TaskHistory, together: Sequence[str]) -> Iterator[str]:
    yield "it passed the check in its own worktree"
    others = [task for task in together if task != one.task]
    if others:
        yield f"merged with {_names(others)} the whole passed the check"
    elif together:
        yield "merged onto the target it passed the check"
    if one.built_on:
        yield f"it builds on {_names([built.task for built in one.built_on])}"
    if one.sensitive:
        steers = "which defines the check or steers agents"
        yield f"only a person merges this: it changes {_names(one.sensitive)}, {steers}"


def _agent_notes(one: TaskHistory) -> Iterator[str]:
    if one.notes:
        yield ""
        yield "Notes of the agent and of its checks:"
        yield ""
        yield from (f"- {as_line(note, limit=_NOTE) or '(empty)'}" for note in one.notes)


def run_pull_title(history: History) -> str:
    """Plain text: it may become the message of a commit."""
    return f"Results of run {inert(history.run, limit=LONGEST_TITLE // 2)}"


def run_pull_body(
    history: History, verdict: Verdict, *, landed: Sequence[TaskHistory], reason: str
) -> str:
    """The one pull request of a run; `reason` says why there is no push, in plain text."""
    commit = commit_link(verdict.commit) if verdict.steps else ""
    above = [
        mark(run=history.run, kind=RUN_PULL_KIND),
        f"Results of {count(len(landed), 'task')}, {_part_of(history)}.",
        "",
        f"This is a pull request and no push because {as_line(reason) or 'so the run was asked'}.",
        *([f"The check passed on {commit}, which is these changes together."] if commit else []),
        "",
    ]
    closing = [f"Closes {number(one.issue)}" for one in landed if one.issue > 0]
    room = BODY_LIMIT - sum(len(line) + 1 for line in (*above, *closing)) - 1
    return clip("\n".join([*above, *closing, "", *table(landed, limit=room)]))


def memory_pull_title(history: History) -> str:
    """Plain text: it may become the message of a commit."""
    return f"Note run {inert(history.run, limit=LONGEST_TITLE // 2)} in Memory.md"


def memory_pull_body(history: History) -> str:
    """The pull request that brings `.github/Memory.md` up to date."""
    return (
        f"{mark(run=history.run, kind=MEMORY_PULL_KIND)}\n"
        f"What the run did, for the next one to know; {_part_of(history)}. "
        "It changes `.github/Memory.md` and nothing else."
    )


def failure_issue(history: History) -> tuple[str, str]:
    """Title and body of the one issue that tells what did not land, why, and what to do."""
    lost = history.failures
    amount = f"{count(len(lost), 'task')} did not land" if lost else "All that had failed landed"
    words = f"{amount} on {as_code(history.target)}"
    above = [
        mark(run=history.run, kind=FAILURE_KIND),
        f"{words}; {_part_of(history)}, as of round {history.round}.",
        "",
        *_how_to_retry(history, lost),
        "",
    ]
    room = BODY_LIMIT - sum(len(line) + 1 for line in above)
    body = "\n".join([*above, *_describe(lost, limit=room)])
    return f"{amount} (run {history.run})", body


def _how_to_retry(history: History, lost: Sequence[TaskHistory]) -> Iterator[str]:
    where = number(history.parent) or "the issue of the run"
    if lost:
        yield (
            f"To try all of them again, write `/orchestrate retry` as a comment on {where}; for "
            f"one of them `/orchestrate retry {lost[0].task}`, with its id. "
            "This issue closes itself when a later round lands them."
        )


def _describe(lost: Sequence[TaskHistory], *, limit: int) -> list[str]:
    """A section for each task. All evidence is shortened alike, then sections are left away."""
    evidence = _MOST_EVIDENCE
    while evidence:
        sections = [_section(one, evidence=evidence) for one in lost]
        if sum(len(section) + 1 for section in sections) <= limit:
            return sections
        evidence = evidence // 2 if evidence > _LEAST_EVIDENCE else 0
    more = "There is no room here for {} more; the report of the run names them."
    sections = [_section(one, evidence=0) for one in lost]
    kept = fit(sections, limit=limit)
    if len(kept) < len(lost):
        kept = fit(sections, limit=limit - len(more) - len(str(len(lost))) - 5)
        kept.append(more.format(count(len(lost) - len(kept), "task")))
    return kept


def _section(one: TaskHistory, *, evidence: int) -> str:
    issue = f", {number(one.issue)}" if one.issue > 0 else ""
    where = result(one)
    lines = [
        f"#### {_task(one)}{issue}",
        "",
        f"- {say_state(one)}{f': {as_line(one.reason)}' if one.reason else ''}",
        f"- {count(one.attempts, 'attempt')}, {duration(one.seconds)}, {known_cost([one])}",
        *([f"- its work: {where}"] if where else []),
        f"- again: `/orchestrate retry {one.task}`",
        "",
    ]
    if one.evidence and evidence:
        lines += [code_block(one.evidence, limit=evidence, tail=True), ""]
    return "\n".join(lines)


def dispatch_help(workflow: str) -> str:
    """What to add to the caller's `workflow`, where a round cannot be begun without it."""
    return (
        f"The next round could not begin by itself: {as_code(workflow)} cannot be dispatched with "
        f"`run`, `round` and `issue`. Add these lines to it, on the default branch:\n\n"
        f"```yaml\n{_DISPATCH}\n```"
    )

"""Writes the titles and bodies of a run's pull requests. Text of others is inert in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from concertmaster.comments.round_report import result_table
from concertmaster.comments.task_words import (
    commit_link,
    issue_number,
    known_cost,
    name_held,
    review_lines,
)
from concertmaster.git.commit_body import LONGEST_BODY
from concertmaster.git.commit_message import inert
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.verdict import Verdict
from concertmaster.text.display import count, duration
from concertmaster.text.markdown import BODY_LIMIT, as_code, as_line, clip, neutralise
from concertmaster.text.marks import mark

PULL_KIND, RUN_PULL_KIND, MEMORY_PULL_KIND = "pull", "run-pull", "memory-pull"
REVIEW_KIND, SQUASH_KIND = "review", "squash"
NO_CI = (
    "GitHub starts no workflow for what the default token pushes. So the repository's own CI has "
    "not run on these commits, and it waits for an approval on these pull requests. To change "
    "that, give the jobs the token of a GitHub App as `github_token`."
)
LONGEST_TITLE = 200  # characters; GitHub takes 256

_MOST_NAMED = 20
_NOTE = 600  # characters of each note of an agent
_DISPATCH = """\
on:
  workflow_dispatch:
    inputs:
      run: {description: the run to continue, type: string, required: true}
      round: {description: the round, type: string, required: true}
      issue: {description: its parent issue, type: string}"""


def pull_title(one: TaskHistory) -> str:
    """Return the title of a task's pull request.

    It is plain text, because it may become the message of a commit.
    """
    return inert(one.title, limit=LONGEST_TITLE) or one.task


def pull_body(
    history: History,
    one: TaskHistory,
    *,
    closes: bool,
    together: Sequence[str] = (),
    changed: Sequence[str] = (),
) -> str:
    """Return the body of a task's pull request.

    `together` are the ids of the tasks whose changes passed the check with this one. `closes` makes
    the merge close the child issue. `changed` are the paths of its change.
    """
    closing = [f"Closes {issue_number(one.issue)}", ""] if closes and one.issue > 0 else []
    effort = f"{duration(one.seconds)} in {count(one.attempts, 'attempt')}, {known_cost([one])}"
    lines = [
        mark(run=history.run, kind=PULL_KIND, task=one.task),
        f"{task_name(one)}, from {as_code(one.prompt)}; {part_of_run(history)}.",
        "",
        *closing,
        *_quote(one.said),
        *(f"- {line}" for line in _checked(one, together)),
        *([f"- It changes {_names(changed)}."] if changed else []),
        f"- Agents worked {effort}.",
        *_agent_notes(one),
    ]
    return clip("\n".join(lines))


def _quote(said: str) -> Iterator[str]:
    """Yield the words of the agent as a quote (Markdown)."""
    words = neutralise(said, limit=2 * LONGEST_BODY)
    if words:
        yield from (f"> {line}".rstrip() for line in words.splitlines())
        yield ""


def task_name(one: TaskHistory) -> str:
    """Return the title and the id of the task (Markdown)."""
    return f"{as_line(one.title) or 'Task'} ({as_code(one.task)})"


def part_of_run(history: History) -> str:
    """Return the words that name the run and its parent issue (Markdown)."""
    parent = f" of {issue_number(history.parent)}" if history.parent > 0 else ""
    return f"part of run {as_code(history.run)}{parent}"


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(map(as_code, names[:_MOST_NAMED])) + more


def _checked(one: TaskHistory, together: Sequence[str]) -> Iterator[str]:
    yield "The check passed in the task's own worktree."
    others = [task for task in together if task != one.task]
    if others:
        yield f"The check passed on the merge with {_names(others)}."
    elif together:
        yield "The check passed on the merge with the target."
    if one.built_on:
        yield f"It builds on {_names([built.task for built in one.built_on])}."
    if one.sensitive:
        yield f"A person has to merge this. It changes {name_held(one)}."


def _agent_notes(one: TaskHistory) -> Iterator[str]:
    if one.notes:
        yield ""
        yield "Notes of the agent and of its checks:"
        yield ""
        yield from (f"- {as_line(note, limit=_NOTE) or '(empty)'}" for note in one.notes)


def review_body(history: History, one: TaskHistory) -> str:
    """Return the body of the review with the comments of the task's reviewer; "" without any."""
    lines = review_lines(one)
    if not lines:
        return ""
    head = mark(run=history.run, kind=REVIEW_KIND, task=one.task)
    return clip("\n".join([head, "An agent has reviewed this change and approves it:", "", *lines]))


def squash_comment(history: History, task: str, *, commit: str) -> str:
    """Return the comment on the pull request of a task that landed as part of this commit."""
    return (
        f"{mark(run=history.run, kind=SQUASH_KIND, task=task)}\n"
        f"This has landed in {commit_link(commit)}, in one commit with the tasks that were checked "
        "with it. So this pull request is closed."
    )


def run_pull_title(history: History) -> str:
    """Return the title of the run's one pull request.

    It is plain text, because it may become the message of a commit.
    """
    return f"Results of run {inert(history.run, limit=LONGEST_TITLE // 2)}"


def run_pull_body(
    history: History, verdict: Verdict, *, landed: Sequence[TaskHistory], reason: str
) -> str:
    """Return the body of the run's one pull request.

    `landed` are the tasks in it. `reason` says in plain text why nothing is pushed.
    """
    commit = commit_link(verdict.commit) if verdict.steps else ""
    cause = as_line(reason) or "the run was asked to open one"
    above = [
        mark(run=history.run, kind=RUN_PULL_KIND),
        f"Results of {count(len(landed), 'task')}, {part_of_run(history)}.",
        "",
        f"These results come as a pull request because {cause}.",
        *([f"The check passed on {commit}, which is these changes together."] if commit else []),
        "",
    ]
    closing = [f"Closes {issue_number(one.issue)}" for one in landed if one.issue > 0]
    room = BODY_LIMIT - sum(len(line) + 1 for line in (*above, *closing)) - 1
    return clip("\n".join([*above, *closing, "", *result_table(landed, limit=room)]))


def memory_pull_title(history: History) -> str:
    """Return the title of the pull request for Memory.md.

    It is plain text, because it may become the message of a commit.
    """
    return f"Note run {inert(history.run, limit=LONGEST_TITLE // 2)} in Memory.md"


def memory_pull_body(history: History) -> str:
    """Return the body of the pull request that updates `.github/Memory.md`."""
    return (
        f"{mark(run=history.run, kind=MEMORY_PULL_KIND)}\n"
        f"This records what the run did; {part_of_run(history)}. "
        "It changes `.github/Memory.md` and nothing else."
    )


def dispatch_help(workflow: str) -> str:
    """Return the lines that the caller's `workflow` needs to start rounds (Markdown)."""
    return (
        f"The next round could not begin by itself: {as_code(workflow)} cannot be dispatched with "
        f"`run`, `round` and `issue`. Add these lines to it, on the default branch:\n\n"
        f"```yaml\n{_DISPATCH}\n```"
    )

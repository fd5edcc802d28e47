"""Decides which next steps and commands to offer to the user of a run."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from concertmaster.model import Outcome, Shortage, TaskState
from concertmaster.report.run_end import RunEnd, find_unlanded
from concertmaster.run.state import RunState
from concertmaster.run.task_record import TaskRecord
from concertmaster.text.display import display

MOST_PATHS_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """A piece of advice and the command that follows it, "" if there is none.

    The command is quoted for a shell.
    """

    text: str
    command: str = ""


def next_steps(state: RunState, *, ended: RunEnd, branch: str, tip: str) -> tuple[NextStep, ...]:
    """Return the steps that the user can take now.

    `branch` is where diverted results are, "" if they are on the target. `tip` is the commit of the
    target.
    """
    return (
        *_go_on(state, ended),
        *_try_again(state, ended),
        *_take_diverted(state, branch),
        *_find_work(state),
        *_look_at_sensitive(state, branch or tip[:12]),
    )


def _go_on(state: RunState, ended: RunEnd) -> Iterator[NextStep]:
    resume = f"concertmaster resume {shlex.quote(state.plan.run)}"
    spent = state.budget_usd is not None and state.cost_usd >= state.budget_usd
    if ended is RunEnd.BASE_IS_RED:
        settings = state.plan.settings
        what = "setup and check" if settings.setup else "the check"
        commands = " && ".join(filter(None, (settings.setup, settings.check)))
        yield NextStep(
            text=f"make {what} pass on {state.plan.target}",
            command=display(commands, limit=1000),
        )
    elif ended is RunEnd.STOPPED and spent:
        raised = f"{resume} --budget {max(1, math.ceil(2 * state.cost_usd))}"
        yield NextStep(text="go on with a higher budget", command=raised)
    elif ended is RunEnd.STOPPED and state.short is Shortage.DISK:
        yield NextStep(text="make room on the disk, then go on", command=resume)
    elif ended is RunEnd.STOPPED and _lacks_access(state):
        text = "mend the key, the login, the balance or the model of the agent, then go on"
        yield NextStep(text=text, command=resume)
    elif ended in (RunEnd.STOPPED, RunEnd.UNFINISHED):
        yield NextStep(text="go on where the run stopped", command=resume)


def _lacks_access(state: RunState) -> bool:
    newest = (record.attempt for record in state.tasks.values() if not record.state.is_over)
    return any(attempt and attempt.outcome is Outcome.NO_ACCESS for attempt in newest)


def _try_again(state: RunState, ended: RunEnd) -> Iterator[NextStep]:
    """Yield the command that tries again what an ended run left out, where agents worked on it."""
    is_over = ended in (RunEnd.INCOMPLETE, RunEnd.CANCELLED, RunEnd.BASE_IS_RED)
    lost = [state.tasks[key] for key in find_unlanded(state)] if is_over else []
    if any(not record.task.branch for record in lost):
        amount = "the task that did" if len(lost) == 1 else f"the {len(lost)} tasks that did"
        text = f"try again {amount} not land, from what was made and learnt"
        if ended is RunEnd.BASE_IS_RED:
            text = "then start again; --check names another check, if this one is wrong"
        yield NextStep(
            text=text, command=f"concertmaster retry --run {shlex.quote(state.plan.run)}"
        )


def _take_diverted(state: RunState, branch: str) -> Iterator[NextStep]:
    if branch:
        reason = display(state.landing.diverted, limit=200)
        text = f"the results are on branch {branch} ({reason}); take them into {state.plan.target}"
        yield NextStep(text=text, command=f"git merge --ff-only {shlex.quote(branch)}")


def _find_work(state: RunState) -> Iterator[NextStep]:
    """Yield the place of all work that did not land."""
    for key, record in state.tasks.items():
        for attempt in record.attempts:
            if attempt.folder_stays:
                text = f"{key}: work that could not be saved is still in the attempt's folder"
                yield NextStep(text=text, command=f"cd {shlex.quote(attempt.folder)}")
        if record.kept_on and record.state not in (TaskState.LANDED, TaskState.AWAITING_MERGE):
            text = f"{key}: its work is on branch {record.kept_on}"
            yield NextStep(text=text, command=_show_change(record))
        elif record.state is TaskState.SUCCEEDED and record.head:
            text = f"{key}: its work is commit {record.head} in the run's repository"
            yield NextStep(text=text, command=_fetch(state.plan.run, record.head))


def _show_change(record: TaskRecord) -> str:
    base = next((a.base for a in reversed(record.attempts) if a.work and a.base), "")
    branch = shlex.quote(record.kept_on)
    return f"git diff {base[:12]} {branch}" if base else f"git log -p {branch}"


def _fetch(run: str, commit: str) -> str:
    return f'git fetch "{_folder(run)}/repository.git" {commit}'


def suggest_drafts(run: str, files: Sequence[str]) -> Iterator[NextStep]:
    """Yield the step that starts a follow-up of the agents, if there are drafts.

    `files` are the names of the drafts. No follow-up starts without the user.
    """
    if files:
        amount = "a follow-up" if len(files) == 1 else f"{len(files)} follow-ups"
        yield NextStep(
            text=f"agents stated {amount}, and none was started: read the drafts in the folder "
            "follow-ups of the run, then run those that you want",
            command=f'concertmaster run "{_folder(run)}/follow-ups/{files[0]}"',
        )


def _folder(run: str) -> str:
    """Return the run's folder as a shell expression for use in the repository."""
    return f"$(git rev-parse --git-common-dir)/concertmaster/runs/{run}"


def _look_at_sensitive(state: RunState, result: str) -> Iterator[NextStep]:
    changed = (path for record in state.tasks.values() for path in sensitive_paths(record))
    paths = list(dict.fromkeys(changed))  # several tasks may change one
    if not paths:
        return
    named = ", ".join(display(path, limit=80) for path in paths[:MOST_PATHS_NAMED])
    more = f" and {len(paths) - MOST_PATHS_NAMED} more" if len(paths) > MOST_PATHS_NAMED else ""
    yield NextStep(
        text=f"look at what landed in {named}{more}: it defines the check or steers agents",
        command=f"git diff {state.plan.base[:12]} {shlex.quote(result)}",
    )


def sensitive_paths(record: TaskRecord) -> tuple[str, ...]:
    """Return the sensitive paths of the task if its change has landed or awaits a merge.

    Otherwise return ().
    """
    arrived = record.state in (TaskState.LANDED, TaskState.AWAITING_MERGE)
    return record.attempt.sensitive if arrived and record.attempt else ()

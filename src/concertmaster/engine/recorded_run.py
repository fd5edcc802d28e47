"""Reads a run from its folder, and writes its report there."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

from concertmaster.engine.journal import Journal
from concertmaster.errors import EnvironmentFault
from concertmaster.events import Event
from concertmaster.files import atomic, run_folder
from concertmaster.git import branches
from concertmaster.git.repository import Repository
from concertmaster.report.build import build_report
from concertmaster.report.merged import update_merged
from concertmaster.report.model import Report
from concertmaster.report.workflow_state import write_workflow_state
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import fold_events

JOURNAL = "journal.jsonl"
DRAFTS = "follow-ups"
STATES = "workflow-states"


@dataclass(frozen=True, kw_only=True)
class RecordedRun:
    """A run as its journal tells it. `state` is the fold of `events`.

    A large run takes seconds to fold, so one that has just ended brings its state along.
    """

    folder: Path
    state: RunState
    events: tuple[Event, ...]

    @cached_property
    def report(self) -> Report:
        return build_report(self.state, self.events)


def read_run(folder: Path) -> RecordedRun:
    """Return the run of a folder, also one that still goes on or that another process owns."""
    plan = run_folder.read_plan(folder)
    events = Journal(folder / JOURNAL).read()
    try:
        state = fold_events(plan, events)
    except (LookupError, ValueError, TypeError) as error:  # of another run, or edited
        raise EnvironmentFault(
            f"the journal of run {folder.name} does not fit its plan",
            why=f"{type(error).__name__}: {error}",
            next_step=f"mend it: concertmaster repair {folder.name}",
        ) from error
    return RecordedRun(folder=folder, state=state, events=events)


def current_report(run: RecordedRun, repository: Repository) -> Report:
    """Return the report in which results that the user has merged by hand have landed."""
    tip = branches.find_tip(repository, run.report.target)
    is_on_target = partial(branches.is_on_branch, repository, tip=tip)
    return update_merged(run.report, is_on_target=is_on_target) if tip else run.report


def write_report(folder: Path, html: str, found: Report) -> None:
    """Write report.json and report.html to the run's folder, and drafts of follow-up prompts.

    An existing draft is kept, because people may have edited it.
    """
    atomic.write_atomically(folder / "report.json", json.dumps(asdict(found), indent=1) + "\n")
    atomic.write_atomically(folder / "report.html", html)
    drafts = folder / DRAFTS
    for draft in found.follow_ups:
        drafts.mkdir(exist_ok=True)
        if not (drafts / draft.file).exists():
            atomic.write_atomically(drafts / draft.file, draft.text)


def write_states(folder: Path, found: Report) -> tuple[Path, ...]:
    """Write the state file of each task to the run's folder; return their paths."""
    written = []
    for task in found.tasks:
        path = folder / STATES / task.id / "state.md"
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic.write_atomically(path, write_workflow_state(found, task))
        written.append(path)
    return tuple(written)

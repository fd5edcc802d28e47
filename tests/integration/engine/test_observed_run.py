"""Tests a real run whose agent changes another file than its prompt promises."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from concertmaster.engine import local_run as runs
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.engine.run_home import RunHome
from concertmaster.events import FootprintObserved
from concertmaster.model import Sighting
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.run.notices import NoticeKind
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.process import read_environment
from concertmaster.terminal.console import Console
from tests.commandline import OBEDIENT_COMMAND, write_prompt
from tests.conftest import Project

# The agent goes on when the journal tells what it has changed so far, and fails after a minute.
WAIT = """
tries=0
until grep -q '"sighting":"changing"' {journals} || test $tries = 3000; do
  sleep 0.02; tries=$((tries + 1))
done
test $tries -lt 3000
"""
# A prompt that named the file would foresee it.
HIDDEN = "name=b; echo new >> $name.txt"


def run_all(project: Project, cache: Path, names: list[str], *, slots: int) -> RecordedRun:
    project.git("add", "--all")
    project.git("commit", "--quiet", "--message", "Prompts")
    options = {"agent_command": OBEDIENT_COMMAND, "check": "true", "parallel": slots}
    paths = tuple(project.root / name for name in names)
    planned = make_plan(PlanRequest(repository=project.root, prompts=paths, options=options))
    home = RunHome(cache=cache, environment=read_environment(), look_seconds=0.02)
    console = Console(io.StringIO(), io.StringIO(), terminal=False, json=False)
    with Guard() as guard, console.progress() as progress:
        return runs.start_run(planned, home, progress=progress, guard=guard)


@pytest.mark.parametrize("slots", [1, 2])
def test_what_an_agent_changes_is_known_while_it_works(
    project: Project, tmp_path: Path, slots: int
) -> None:
    wait = WAIT.format(journals=project.root / ".git/concertmaster/runs/*/journal.jsonl")
    first = write_prompt(project, "first", f"{HIDDEN}{wait}", head="touches: [a.txt]\npriority: 9")
    second = write_prompt(project, "second", f"{wait}echo more >> b.txt", head="touches: [b.txt]")

    ended = run_all(project, tmp_path / "cache", [first, second], slots=slots)

    one, other = ended.state.tasks
    seen = [event for event in ended.events if isinstance(event, FootprintObserved)]
    assert [(e.sighting, e.paths) for e in seen if e.task == one] == [
        (Sighting.CHANGING, ("b.txt",)),
        (Sighting.CHANGED, ("b.txt",)),
    ]
    kinds = [(notice.kind, notice.tasks) for notice in ended.state.notices]
    attempts = ended.state.tasks[other].attempts
    if slots == 1:
        assert kinds == [(NoticeKind.KEPT_APART, (other, one))]
        assert [built.task for built in attempts[0].built_on] == [one]
    else:
        assert (NoticeKind.ENTERED, (one, other)) in kinds

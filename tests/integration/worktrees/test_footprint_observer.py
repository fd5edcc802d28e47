"""Tests what is posted of the files that an attempt changes while it works."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from concertmaster.commands import RunPhase
from concertmaster.engine import footprint_observer
from concertmaster.engine.footprint_observer import FootprintObserver
from concertmaster.events import FootprintObserved, PhaseFailed, PhaseFinished
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Outcome, Sighting, Task
from concertmaster.planning.learnt_footprints import ObservedPaths
from concertmaster.settings.choices import Phase
from concertmaster.worktrees.ignore_rules import IgnoreRules
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import snap

PLANNED, CHANGING, CHANGED = Sighting


class Desk:
    """An observer of one worktree, and all that it has posted."""

    def __init__(self, run: RunRepository, worktree: Worktree, base: str, project: Project) -> None:
        self.run, self.worktree, self.base = run, worktree, base
        self.posted: list[FootprintObserved] = []
        repository = project.open()
        rules = IgnoreRules(
            run,
            run.path.with_name("ignore-rules"),
            commit=base,
            read=lambda path: repository.read_file(base, path),
        )
        self.rules = rules
        self.observer = FootprintObserver(run, rules, self.posted.append, seconds=3600.0)

    def command(self, phase: Phase = Phase.IMPLEMENT) -> RunPhase:
        task = Task(id="task", prompt="p.md", blob="b", title="t", estimate_seconds=1.0)
        return RunPhase(
            task=task, attempt=1, phase=phase, base=self.base, checkpoint=self.base, folder="f"
        )

    def write(self, path: str, text: str = "new") -> None:
        place = self.worktree.files / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)

    def told(self) -> list[tuple[Sighting, tuple[str, ...]]]:
        return [(event.sighting, event.paths) for event in self.posted]


@pytest.fixture
def desk(run: RunRepository, worktree: Worktree, base: str, project: Project) -> Desk:
    return Desk(run, worktree, base, project)


def test_a_change_is_posted_once_and_an_undone_one_is_taken_back(desk: Desk) -> None:
    with desk.observer.watching(desk.command(), desk.worktree.files):
        desk.observer.look()
        desk.write("a.txt", "another text")
        desk.observer.look()
        desk.observer.look()
        desk.write("new/n.txt")
        desk.observer.look()
        (desk.worktree.files / "new/n.txt").unlink()
        desk.observer.look()
    desk.write("b.txt")
    desk.observer.look()

    assert desk.told() == [
        (CHANGING, ("a.txt",)),
        (CHANGING, ("a.txt", "new/n.txt")),
        (CHANGING, ("a.txt",)),
    ]


def test_ignored_files_are_left_out_by_the_rules_of_the_base_alone(desk: Desk) -> None:
    with desk.observer.watching(desk.command(), desk.worktree.files):
        for path in ("x.ignored", ".venv/lib/y", "sub/__pycache__/z.pyc", "kept"):
            desk.write(path)
        desk.write(".gitignore", "kept\n")
        desk.observer.look()

    assert desk.told() == [(CHANGING, (".gitignore", "kept"))]


def test_a_pipe_in_the_place_of_an_ignore_file_holds_up_nobody(desk: Desk) -> None:
    with desk.observer.watching(desk.command(), desk.worktree.files):
        (desk.worktree.files / ".gitignore").unlink()
        os.mkfifo(desk.worktree.files / ".gitignore")
        os.mkfifo(desk.worktree.files / "pipe")
        desk.observer.look()

    assert desk.told() == [(CHANGING, (".gitignore", "pipe"))]


def test_names_that_an_agent_makes_up_are_counted_and_kept_out(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(footprint_observer, "MOST_PATHS", 3)
    desk.observer.note_plan(
        desk.command(), ["a\nb", "\x1b[31mred", "\udcff", "d" * 500, "1", "2", "3", "4"]
    )

    assert desk.told() == [(PLANNED, ("1", "2", "3"))]
    assert desk.posted[0].left_out == 5


def test_an_attempt_has_no_more_events_than_its_limit(desk: Desk) -> None:
    with desk.observer.watching(desk.command(), desk.worktree.files):
        for number in range(60):
            desk.write(f"n{number}")
            desk.observer.look()
    assert len(desk.posted) == footprint_observer.MOST_LOOKS
    for number in range(20):
        desk.observer.note_plan(desk.command(), [f"p{number}"])

    assert len(desk.posted) == footprint_observer.MOST_EVENTS


def test_the_end_of_a_phase_tells_exactly_what_was_changed(desk: Desk) -> None:
    desk.write("a.txt", "another text")
    desk.write("x.ignored")
    commit = snap(desk.worktree, desk.base).commit
    command = desk.command()
    finished = PhaseFinished(
        task="task", attempt=1, phase=Phase.IMPLEMENT, seconds=1.0, checkpoint=commit
    )
    failed = PhaseFailed(
        task="task",
        attempt=1,
        phase=Phase.IMPLEMENT,
        seconds=1.0,
        outcome=Outcome.LIMITED,
        reason="later",
        saved=commit,
    )
    desk.observer.note_end(command, failed)
    desk.observer.note_end(command, finished)
    desk.observer.note_end(command, finished)

    assert desk.told() == [(CHANGING, ("a.txt",)), (CHANGED, ("a.txt",))]


@pytest.mark.parametrize("phase", [Phase.RESEARCH, Phase.TEST, Phase.REVIEW])
def test_what_other_phases_leave_is_no_change(desk: Desk, phase: Phase) -> None:
    with desk.observer.watching(desk.command(phase), desk.worktree.files):
        desk.write("a.txt", "another text")
        desk.observer.look()

    assert not desk.posted


def test_what_the_journal_tells_is_not_posted_again(desk: Desk) -> None:
    known = ObservedPaths().add(CHANGING, ("a.txt", "b.txt"))
    desk.observer.recall({("task", 1): known})
    with desk.observer.watching(desk.command(), desk.worktree.files):
        desk.write("a.txt", "another text")
        desk.observer.look()

    assert not desk.posted


def test_a_worktree_that_is_gone_tells_nothing(desk: Desk, tmp_path: Path) -> None:
    with desk.observer.watching(desk.command(), desk.worktree.files):
        desk.worktree.files.rename(tmp_path / "elsewhere")
        desk.observer.look()

    assert not desk.posted


def test_a_look_that_ends_after_its_phase_tells_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = desk.observer.watching(desk.command(), desk.worktree.files)

    def end_the_phase(paths: Iterable[str]) -> set[str]:
        watch.__exit__(None, None, None)
        return {*paths}

    monkeypatch.setattr(desk.rules, "drop_ignored", end_the_phase)
    watch.__enter__()
    desk.write("n.txt")
    desk.observer.look()

    assert not desk.posted

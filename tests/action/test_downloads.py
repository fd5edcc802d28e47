"""Tests that attempts share the downloads of the base's setup and cannot change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import psutil
import pytest

from concertmaster.engine.journal import Journal
from concertmaster.events import BaseChecked, BatchChecked, PhaseFinished
from concertmaster.model import TaskState
from concertmaster.report.run_end import RunEnd
from concertmaster.sandbox import download_cache
from concertmaster.settings.choices import Phase
from tests.action import test_shelter
from tests.action.test_shelter import Outcome, Scene, perform
from tests.isolation import attack, make_open_folder, needs_root

tmp_path = pytest.fixture(make_open_folder)
scene = test_shelter.scene

# The setup acts like a package manager. It counts its downloads.
SETUP = """\
set -e
cache="$HOME/.cache/pip"
mkdir -p "$cache"
test -e "$cache/wheel" || { echo download >> COUNT; echo good > "$cache/wheel"; }
cp "$cache/wheel" dependency.txt
"""
CHECK = "grep -q good dependency.txt"
SPOIL = 'echo evil > "$HOME/.cache/pip/wheel"; echo evil > "$HOME/.cache/pip/more"'
isolations = pytest.mark.parametrize("isolation", ["none", pytest.param("user", marks=needs_root)])


@pytest.fixture
def count(scene: Scene) -> Path:
    """A file with one line for each download."""
    (scene.temporary / "concertmaster" / "artifacts").mkdir()
    count = scene.folder / "count"
    count.touch()
    count.chmod(0o666)
    ignored = {".gitignore": "dependency.txt\n", "setup.sh": SETUP.replace("COUNT", str(count))}
    scene.project.commit("A setup", ignored)
    return count


def run(
    scene: Scene, prompts: dict[str, str], *, isolation: str, setup: str = "sh setup.sh"
) -> Outcome:
    """Run the tasks one after the other."""
    return perform(
        scene, prompts, check=CHECK, isolation=isolation, setup=setup, parallel=1, landing="merge"
    )


def downloaded(count: Path) -> int:
    return len(count.read_text().splitlines())


@isolations
def test_only_the_base_downloads(scene: Scene, count: Path, isolation: str) -> None:
    prompts = {name: f"cp dependency.txt {name}.txt" for name in ("one", "two", "three")}
    done = run(scene, prompts, isolation=isolation)
    assert [task.state for task in done.report.tasks] == [TaskState.LANDED] * 3, done.report
    assert downloaded(count) == 1
    assert {scene.project.git("show", f"main:{name}.txt") for name in prompts} == {"good"}


@isolations
def test_what_an_agent_makes_of_its_caches_no_other_one_gets(
    scene: Scene, count: Path, isolation: str
) -> None:
    honest = 'cat dependency.txt > honest.txt; ls "$HOME/.cache/pip" > there.txt'
    done = run(scene, {"a-spoiler": f"{SPOIL}; echo > a.txt", "b": honest}, isolation=isolation)
    assert [task.state for task in done.report.tasks] == [TaskState.LANDED] * 2, done.report
    assert scene.project.git("show", "main:honest.txt") == "good"
    assert scene.project.git("show", "main:there.txt") == "wheel"
    assert downloaded(count) == 1


@needs_root
def test_no_agent_can_see_or_change_what_is_kept(scene: Scene, count: Path) -> None:
    kept = f"{scene.project.root}/.git/concertmaster/runs/RUN/downloads"
    attacks = {
        "nothing-at-all": "true",
        "list": f"ls {kept}",
        "read": f"cat {kept}/.cache/pip/wheel",
        "change": f"echo evil > {kept}/.cache/pip/wheel",
        "add": f"touch {kept}/x",
        "remove": f"rm -r {kept}",
        "replace": f"mv {kept} {kept}.old",
        "link": f"ln {kept}/.cache/pip/wheel mine",
    }
    script = f"( {attack(attacks)} ) > loot.txt"
    done = run(scene, {"hostile": script}, isolation="user")
    assert [task.state for task in done.report.tasks] == [TaskState.LANDED], done.report
    assert scene.project.git("show", "main:loot.txt") == "nothing-at-all"
    wheel = done.run / "downloads/.cache/pip/wheel"
    assert wheel.read_text() == "good\n"
    assert (wheel.stat().st_uid, stat.S_IMODE(wheel.stat().st_mode)) == (os.geteuid(), 0o600)


@isolations
def test_links_and_pipes_that_a_setup_leaves_in_a_cache_are_not_followed(
    scene: Scene, count: Path, isolation: str
) -> None:
    daemon = scene.folder / "daemon"
    daemon.touch()
    daemon.chmod(0o666)
    tricks = {
        "trick.sh": 'ln -sf /etc/shadow "$HOME/.cache/pip/shadow"\n'
        'ln -sfn "$PWD" "$HOME/.cache/pip/tree"\n'
        'ln -sfn / "$HOME/.cache/uv"\n'
        'rm -f "$HOME/.cache/pip/pipe"; mkfifo "$HOME/.cache/pip/pipe"\n'
        f"(setsid sh -c 'echo $$ > {daemon}; exec sleep 600' &)\n"
        f"until test -s {daemon}; do sleep 0.01; done\n"
    }
    scene.project.commit("Tricks", tricks)
    setup = "sh setup.sh && sh trick.sh"
    done = run(scene, {"one": "echo > one.txt"}, isolation=isolation, setup=setup)
    assert [task.state for task in done.report.tasks] == [TaskState.LANDED], done.report
    kept = {path for path in (done.run / "downloads").rglob("*") if not path.is_dir()}
    assert kept == {done.run / "downloads/.cache/pip/wheel"}
    assert downloaded(count) == 1
    assert not psutil.pid_exists(int(daemon.read_text()))


def test_of_too_much_nothing_is_shared_and_the_report_says_so(
    scene: Scene, count: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download_cache, "MOST_BYTES", 1)
    done = run(scene, {"one": "echo > one.txt"}, isolation="none")
    assert [task.state for task in done.report.tasks] == [TaskState.LANDED], done.report
    assert any("download caches are not shared" in note for note in done.report.notes)
    assert not (done.run / "downloads").exists()
    assert downloaded(count) == 3  # for the base, the attempt and the union


def test_an_attempt_whose_caches_cannot_be_filled_goes_on_without(
    scene: Scene, count: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "its download caches are empty: No space left on device"
    monkeypatch.setattr(download_cache, "hand_out", lambda *_, **__: note)
    done = run(scene, {"one": "echo > one.txt"}, isolation="none")
    (task,) = done.report.tasks
    assert (task.state, note in task.attempts[0].notes) == (TaskState.LANDED, True)
    assert downloaded(count) == 3


def test_a_red_base_leaves_nothing(scene: Scene, count: Path) -> None:
    done = run(scene, {"one": "true"}, isolation="none", setup="sh setup.sh && exit 3")
    assert done.report.ended is RunEnd.BASE_IS_RED
    assert "setup `sh setup.sh && exit 3` failed (exit 3)" in done.report.reason
    assert not (done.run / "downloads").exists()


def test_each_setup_is_timed(scene: Scene, count: Path) -> None:
    done = run(scene, {"one": "echo > one.txt"}, isolation="none", setup="sh setup.sh")
    events = Journal(done.run / "journal.jsonl").read()
    timed = [
        event
        for event in events
        if isinstance(event, BaseChecked | BatchChecked)
        or (isinstance(event, PhaseFinished) and event.phase is Phase.PREPARE)
    ]
    assert len(timed) == 3
    assert all(0 < event.setup_seconds < event.seconds for event in timed)
    others = [event for event in events if isinstance(event, PhaseFinished)]
    assert sum(event.setup_seconds > 0 for event in others) == 1

"""Runs of an earlier version on one machine, which are read and resumed.

tests/data/before-move/README.md tells how the data was made.
"""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import among_agents, called
from tests.shapes import within, without

DATA = Path(__file__).parents[1] / "data" / "before-move"
RECORDED_AT = "/tmp/before-move"
OBJECT = re.compile(r"/objects/[0-9a-f]{2}/")


@dataclass(frozen=True, kw_only=True)
class Case:
    """The end of a recorded run after it is resumed; tasks are named without their hash."""

    landed: tuple[str, ...]
    files: Mapping[str, str]
    phases: tuple[str, ...] = ()  # of the task `answer`, once for each time that one finishes
    arguments: tuple[str, ...] = ()
    saves: bool = False  # whether it saves what was half done when it was killed


# `speed_up` was renamed: the sum of all phases divided by the time of the run is no speed-up.
# `profile` is worked out anew from the footprint, by how many paths it expects.
GONE = ("speed_up", "profile")
ADVICE = "next_steps"
FIRST = {"first.txt": "first\n"}
ANSWER = {**FIRST, "answer.txt": "right\n"}
TWO = Case(
    landed=("first", "answer"),
    files={**ANSWER, "README.md": "# Answers\ndone\n"},
    phases=tuple("prepare research implement test document test review deliver".split()),
)
SAVED = replace(TWO, saves=True)
LEAN = Case(
    landed=("first", "answer"),
    files={**ANSWER, "README.md": "# Answers\n"},
    phases=("prepare", "implement", "test", "deliver"),
)
THREE = Case(landed=("first", "answer", "more"), files={**ANSWER, "more.txt": "more\n"})
LIMITED = Case(
    landed=("first", "one", "two"),
    files={**FIRST, "one.txt": "half\nwhole\n", "two.txt": "half\nwhole\n"},
)
OPEN = {
    "prepare": TWO,
    "research": SAVED,
    "implement": SAVED,
    "test": TWO,
    "document": SAVED,
    "review": TWO,
    "deliver": TWO,
    "landing": TWO,
    "landed-torn": LEAN,
    "interrupted": TWO,
    "paused": LIMITED,
    "pause-over": LIMITED,
    "over-budget": Case(landed=("first", "answer"), files=ANSWER, arguments=("--budget", "9")),
    "stopped": THREE,
    "throttled": THREE,
    "mending": Case(landed=("both",), files={"right.txt": "right\n"}),
    "second": Case(landed=("again",), files={"again.txt": "again\n"}),
    "land": Case(landed=("one", "two"), files={"one.txt": "one\n", "two.txt": "two\n"}),
}
OVER = ("cancelled", "finished")
SLOW = (
    *("interrupted", "pause-over", "stopped", "throttled", "mending"),
    *("prepare", "research", "document", "test", "review", "deliver", "paused", "second"),
)
RESUMED = [
    pytest.param(name, case, id=name, marks=[pytest.mark.matrix] * (name in SLOW))
    for name, case in OPEN.items()
]


@dataclass(frozen=True)
class Machine:
    """The unpacked folder of a user, and the program that works on it."""

    folder: Path
    run: str

    def document(self, name: str) -> Any:
        """Return a document that the earlier version printed with --json."""
        return json.loads((self.folder / name).read_text())

    def do(self, *arguments: str) -> tuple[int, Any]:
        """Return the exit code and the document that --json prints."""
        done = called(*arguments, "--repo", self.folder / "project", "--json")
        assert done.out, done.err
        return done.code, done.document

    def events(self) -> list[dict[str, Any]]:
        journal = self.run_folder / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().split("\n")[:-1]]

    def git(self, *arguments: str) -> str:
        """Return git's output in the run's repository, which borrows the user's objects."""
        command = ["git", "--git-dir", str(self.run_folder / "repository.git"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def show(self, name: str) -> str:
        """Return the text of a file on the target."""
        command = ["git", "-C", str(self.folder / "project"), "show", f"main:{name}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def run_folder(self) -> Path:
        return self.folder / "project/.git/concertmaster/runs" / self.run


def unpack(name: str, folder: Path) -> str:
    """Unpack a recorded run under a new name and return that name.

    Resuming ends all processes with the name of the run, so parallel tests must not share one.
    """
    with tarfile.open(DATA / "runs" / f"{name}.tar.xz") as archive:
        old: str = json.loads(read(archive, "status.json"))["run"]
        new = f"{old[:-4]}{secrets.token_hex(2)}"
        changes = {old: new, f"{RECORDED_AT}/{name}": str(folder)}
        for member in archive.getmembers():
            path = folder / member.name.replace(old, new)
            if member.isdir():
                path.mkdir(exist_ok=True)
                continue
            data = read(archive, member.name)
            if not OBJECT.search(member.name):
                for before, now in changes.items():
                    data = data.replace(before.encode(), now.encode())
            path.write_bytes(data)
            path.chmod(member.mode)
    return new


def read(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    assert file, name
    return file.read()


@pytest.fixture
def machine(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Machine:
    for name, value in among_agents(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return Machine(tmp_path, unpack(request.param, tmp_path))


def states(report: Any) -> dict[str, str]:
    return {task["id"].rpartition("-")[0]: task["state"] for task in report["tasks"]}


def finished(events: list[dict[str, Any]], task: str) -> tuple[str, ...]:
    done = [event for event in events if event["event"] == "PhaseFinished"]
    return tuple(event["phase"] for event in done if event["task"].startswith(f"{task}-"))


def check_status(machine: Machine) -> None:
    for asked, file in ((["status", machine.run], "status.json"), (["status"], "list.json")):
        code, shown = machine.do(*asked)
        before = without(machine.document(file), *GONE)
        assert code == 0
        assert_advised(shown, before)
        assert within(without(shown, ADVICE), before) == without(before, ADVICE)


def assert_advised(shown: Any, before: Any) -> None:
    """Assert that the advice of before is still given; there may be more of it."""
    advice = before.get(ADVICE, []) if isinstance(before, dict) else []
    assert [step for step in advice if step not in shown[ADVICE]] == []


@pytest.mark.parametrize(("machine", "case"), RESUMED, indirect=["machine"])
def test_a_run_that_was_stopped_stands_as_it_did_and_goes_on_to_land_all(
    machine: Machine, case: Case
) -> None:
    check_status(machine)
    before = machine.events()

    code, report = machine.do("resume", machine.run, *case.arguments)

    assert (code, states(report)) == (0, dict.fromkeys(case.landed, "landed"))
    assert {name: machine.show(name) for name in case.files} == case.files
    events = machine.events()
    assert events[: len(before)] == before
    assert events[len(before)]["event"] == "RunResumed"
    assert events[-1]["event"] == "RunFinished"
    if case.phases:
        assert finished(events, "answer") == case.phases
    if case.saves:
        notes = " ".join(note for event in events for note in event.get("notes", ()))
        (commit,) = re.findall(r"\b[0-9a-f]{40}\b", notes)
        assert "half.txt" in machine.git("ls-tree", "--name-only", commit).split("\n")
    assert not list((machine.folder / "cache/concertmaster/attempts").iterdir())


@pytest.mark.parametrize("machine", OVER, indirect=True)
def test_a_run_that_is_over_is_reported_as_it_was(machine: Machine) -> None:
    check_status(machine)
    written = machine.run_folder / "report.json"
    before = without(json.loads(written.read_text()), *GONE)

    code, report = machine.do("report", machine.run)

    assert code == 1
    assert_advised(report, before)
    assert within(without(report, ADVICE), before) == without(before, ADVICE)
    assert report["folder"] == str(machine.run_folder)
    now = json.loads(written.read_text())
    assert report == {**now, "folder": str(machine.run_folder)}

"""What an earlier version left is read and gone on with: runs on this machine.

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

DATA = Path(__file__).parents[1] / "data" / "before-move"
RECORDED_AT = "/tmp/before-move"
OBJECT = re.compile(r"/objects/[0-9a-f]{2}/")


@dataclass(frozen=True, kw_only=True)
class Case:
    """How a recorded run ends when it is gone on with; tasks are named without their hash."""

    landed: tuple[str, ...]
    files: Mapping[str, str]
    phases: tuple[str, ...] = ()  # of the task `answer`, each as often as it is finished
    arguments: tuple[str, ...] = ()
    saves: bool = False  # what was half done when it was killed


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
SLOW = ("interrupted", "pause-over", "stopped", "throttled", "mending")
RESUMED = [
    pytest.param(name, case, id=name, marks=[pytest.mark.matrix] * (name in SLOW))
    for name, case in OPEN.items()
]


@dataclass(frozen=True)
class Machine:
    """The folder of a user, unpacked, and the program that works on it."""

    folder: Path
    run: str

    def document(self, name: str) -> Any:
        """What the earlier version has said with --json."""
        return json.loads((self.folder / name).read_text())

    def do(self, *arguments: str) -> tuple[int, Any]:
        """The exit code, and the one document that --json prints."""
        done = called(*arguments, "--repo", self.folder / "project", "--json")
        assert done.out, done.err
        return done.code, done.document

    def events(self) -> list[dict[str, Any]]:
        journal = self.run_folder / "journal.jsonl"
        return [json.loads(line) for line in journal.read_text().split("\n")[:-1]]

    def git(self, *arguments: str) -> str:
        """What git says in the repository of the run, which borrows the user's objects."""
        command = ["git", "--git-dir", str(self.run_folder / "repository.git"), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def show(self, name: str) -> str:
        """The file on the target."""
        command = ["git", "-C", str(self.folder / "project"), "show", f"main:{name}"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def run_folder(self) -> Path:
        return self.folder / "project/.git/concertmaster/runs" / self.run


def unpack(name: str, folder: Path) -> str:
    """The name of the run, which is a new one: resuming ends all processes that bear it, also
    those of other tests on this machine."""
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
    assert machine.do("status", machine.run) == (0, machine.document("status.json"))
    assert machine.do("status") == (0, machine.document("list.json"))


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
    before = json.loads(written.read_text())

    code, report = machine.do("report", machine.run)

    assert code == 1
    assert report == {**before, "folder": str(machine.run_folder)}
    assert json.loads(written.read_text()) == before

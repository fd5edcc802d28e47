"""One task of a going run is cancelled from another process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project, wait_until

SCHEMAS = Path(__file__).parents[3] / "schemas"
PROGRAM = (sys.executable, "-m", "concertmaster")


class Going:
    """A run of three tasks: one waits for ever, one needs it, and one is done."""

    def __init__(self, project: Project, notes: Path) -> None:
        self.project, self.notes = project, notes
        waits = f"echo half > half.txt; touch '{notes}/here'; sleep 300"
        done = f"echo 1 > done.txt; until test -e '{notes}/go'; do sleep 0.05; done"
        prompts = [
            write_prompt(project, "waits", waits, head="touches: [half.txt]"),
            write_prompt(project, "after", "echo 1 > after.txt", head="needs: [waits.md]"),
            write_prompt(project, "2done", done, head="touches: [done.txt]"),
        ]
        project.commit("Settings", {"concertmaster.yml": "check: 'true'\nparallel: 2\n"})
        self.process = subprocess.Popen(
            [*PROGRAM, "run", *prompts, "--json", "--agent-command", OBEDIENT_COMMAND],
            cwd=project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        wait_until(lambda: (notes / "here").exists() or self.process.poll() is not None)
        assert self.process.poll() is None, self.process.communicate()

    def call(self, *arguments: str) -> Done:
        return concertmaster(*arguments, cwd=self.project.root)

    @property
    def run(self) -> Path:
        (found,) = (self.project.root / ".git" / "concertmaster" / "runs").iterdir()
        return found

    def let_go_on(self) -> None:
        (self.notes / "go").touch()

    def tasks(self, report: dict[str, Any]) -> dict[str, tuple[str, str]]:
        return {Path(t["prompt"]).stem: (t["state"], t["reason"]) for t in report["tasks"]}


ENDS = {
    "waits": ("failed", "the task was cancelled"),
    "2done": ("landed", ""),
}


@pytest.fixture
def going(project: Project, tmp_path: Path) -> Going:
    return Going(project, tmp_path)


def assert_ends(going: Going, report: dict[str, Any]) -> None:
    found = going.tasks(report)
    needs = found.pop("after")
    assert found == ENDS
    assert (needs[0], needs[1].endswith(", which was cancelled")) == ("blocked", True)


def test_a_task_is_cancelled_and_its_run_goes_on(going: Going) -> None:
    refused = going.call("cancel", "2")
    assert refused.code == 2
    assert f"run {going.run.name} and task 2done-" in refused.err
    assert f"concertmaster cancel --run {going.run.name}; or concertmaster cancel 2done-" in (
        refused.err
    )

    told = going.call("cancel", "wai", "--json").document
    schema = json.loads((SCHEMAS / "cancel.schema.json").read_text())
    Draft202012Validator(schema).validate(told)
    assert told["run"] == going.run.name
    assert told["task"].startswith("waits-")
    assert told["answer"] == "is being cancelled; its work is kept, and the run goes on"
    journal = going.run / "journal.jsonl"
    wait_until(lambda: '"TaskCancelled"' in journal.read_text())
    going.let_go_on()
    out, _ = going.process.communicate()

    assert going.process.returncode == 1
    assert_ends(going, json.loads(out))
    assert [*(going.run / "cancellations").iterdir()] == []
    branch = f"concertmaster/{going.run.name}/{told['task']}"
    assert going.project.git("show", f"{branch}:half.txt") == "half"
    assert "1 landed" in going.call("status", going.run.name).out
    assert "1 cancelled" in going.call("status", going.run.name).out
    assert "had ended already" in going.call("cancel", "waits").out
    assert (
        "there is no run nothing, and no task of this name" in going.call("cancel", "nothing").err
    )


@pytest.mark.matrix
def test_a_request_outlives_the_process_and_is_done_by_its_successor(going: Going) -> None:
    going.process.kill()
    going.process.communicate()
    told = going.call("cancel", "waits.md", "--run", going.run.name)
    assert f"is cancelled when the run goes on: concertmaster resume {going.run.name}" in told.out

    going.let_go_on()
    report = going.call("resume", "--json").document

    assert_ends(going, report)
    (stays,) = [
        attempt["folder"] for t in report["tasks"] for attempt in t["attempts"] if attempt["folder"]
    ]
    assert (Path(stays) / "project" / "half.txt").read_text() == "half\n"


@pytest.mark.matrix
def test_names_of_tasks_and_runs_are_completed(going: Going) -> None:
    going.call("cancel", "--run", going.run.name)
    going.process.communicate()
    environment = {
        **os.environ,
        "_CONCERTMASTER_COMPLETE": "bash_complete",
        "COMP_WORDS": "concertmaster cancel 2",
        "COMP_CWORD": "2",
    }
    told = subprocess.run(
        PROGRAM,
        cwd=going.project.root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    words = [line.partition(",")[2] for line in told.stdout.splitlines()]
    assert [word[:5] for word in words] == ["2done", going.run.name[:5]]

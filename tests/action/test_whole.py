"""Tests plan, work, verify and finalize as one job of one workflow run."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action import single_job
from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault, Error, Interrupted
from concertmaster.model import TaskState
from tests.action.rounds import AGENT, PERMISSIONS, House, Round
from tests.commandline import Done, concertmaster
from tests.github.double import Double
from tests.isolation import make_open_folder

tmp_path = pytest.fixture(make_open_folder)

PROMPTS = {
    "apple": "# Write apple\n\nwrite apple.txt apple\n",
    "pear": "---\nneeds: [apple.md]\n---\n# Write pear\n\nneed apple.txt x\nwrite pear.txt pear\n",
    "plum": "# Write plum\n\nfail\n",
}
# The script fails if it finds a token in a place that its user can read.
SPY = """\
! { env; cat /proc/*/environ /proc/*/cmdline; } 2>/dev/null | grep -aq 'gh[s]_[0-9]'
"""


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return House.build(double, tmp_path, PROMPTS)


def hold(house: House, held: Round, **more: Any) -> int:
    """Run the whole workflow as one job and return its exit code."""
    return single_job.run_single_job(job_of(house, held, **more))


def job_of(house: House, held: Round, **more: Any) -> Job:
    token = house.double.workflow_token(house.repository, PERMISSIONS["finalize"])
    held.workflow.token = token
    made: Job = held.workflow.job(**held.inputs, **more)
    return made


def variables(house: House, held: Round, **inputs: Any) -> dict[str, str]:
    """Return the variables that Actions sets for the program."""
    held.workflow.token = house.double.workflow_token(house.repository, PERMISSIONS["finalize"])
    given = {"github_token": held.workflow.token, **inputs}
    named = {f"INPUT_{name.upper()}": str(value) for name, value in given.items()}
    common = {**held.workflow.variables(), **held.inputs}
    return {name: str(value) for name, value in common.items()} | named


def states(house: House, held: Round) -> dict[str, TaskState]:
    history = house.history(held.outputs["run"])
    return {one.task.rpartition("-")[0]: one.state for one in history.tasks.values()}


def run_program(house: House, held: Round, **inputs: Any) -> Done:
    given = variables(house, held, **inputs)
    return concertmaster("action", "run", cwd=held.workflow.folder, env=given, is_fresh=True)


@pytest.mark.matrix
def test_one_job_does_it_all_and_neither_agent_nor_check_finds_the_token(
    double: Double, tmp_path: Path
) -> None:
    is_root = os.geteuid() == 0
    files = {"agent.sh": AGENT + SPY, "check.sh": SPY} if is_root else None
    house = House.build(double, tmp_path, PROMPTS, files=files)
    held = house.ask(house.open_issue("apple"))
    done = run_program(house, held, isolation="user" if is_root else "none")
    assert done.code == 0, done.out + done.err
    assert house.read("apple.txt") == "apple\n"
    assert len(json.loads(held.outputs["landed"])) == 1
    assert held.outputs["report"].startswith(house.double.url)
    assert held.workflow.token not in done.out + done.err


@pytest.mark.matrix
def test_a_later_round_is_one_job_as_well(house: House) -> None:
    issue = house.open_issue(*PROMPTS)
    first = house.ask(issue)
    assert hold(house, first) == 0
    assert len(json.loads(first.outputs["landed"])) == 2
    assert [one.partition("-")[0] for one in json.loads(first.outputs["failed"])] == ["plum"]
    assert json.loads(first.outputs["shares"]) == [0]
    mended = {"prompts/plum.md": "# Write plum\n\nwrite plum.txt plum\n"}
    house.double.commit(house.repository, "main", mended)
    again = house.ask(issue, "/orchestrate retry")
    assert hold(house, again) == 0
    assert house.read("plum.txt") == "plum\n"
    assert issue.state == "closed"
    assert [one.state for one in house.issues("failure")] == ["closed"]


@pytest.mark.matrix
def test_a_round_in_which_nothing_is_to_be_worked_on_goes_on_to_finalize(
    double: Double, tmp_path: Path
) -> None:
    prompts = {"plum": "# Write plum\n\nwrite Makefile all:\n"}
    house = House.build(double, tmp_path, prompts)
    issue = house.open_issue("plum")
    first = house.ask(issue)
    assert hold(house, first) == 0
    assert states(house, first) == {"plum": TaskState.AWAITING_MERGE}
    pull = next(one for one, _ in house.repository.pulls())
    double.merge_pull(house.repository, pull, user=house.eve)
    house.close_pull(pull)
    second = house.follow(house.dispatched[-1])
    assert hold(house, second) == 0
    assert second.outputs["shares"] == "[]"
    assert states(house, second) == {"plum": TaskState.LANDED}
    assert issue.state == "closed"


def test_what_asks_for_nothing_ends_after_the_plan(house: House) -> None:
    held = house.ask(house.open_issue(*PROMPTS), "Nice weather today")
    assert hold(house, held) == 0
    assert held.outputs["run"] == ""
    assert house.branches() == []


def test_an_error_of_the_plan_is_the_error_of_the_job(house: House) -> None:
    held = house.ask(house.open_issue("missing"))
    with pytest.raises(Error, match="missing"):
        hold(house, held)
    assert house.branches() == []


@pytest.mark.matrix
def test_where_work_fails_the_round_is_concluded_all_the_same(
    double: Double, tmp_path: Path
) -> None:
    house = House.build(double, tmp_path, PROMPTS, files={"check.sh": "false\n"})
    held = house.ask(house.open_issue("apple"))
    assert hold(house, held) == 1
    assert "the base does not pass its own check" in held.said
    assert house.read("apple.txt") is None
    assert held.outputs["report"]
    assert json.loads(held.outputs["landed"]) == []


@pytest.mark.matrix
def test_where_verify_fails_nothing_lands_and_the_report_says_so(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(job: Job) -> int:
        raise EnvironmentFault("the disk is full", next_step="make room")

    monkeypatch.setattr(single_job, "verify", fail)
    issue = house.open_issue("apple")
    held = house.ask(issue)
    assert hold(house, held) == EnvironmentFault.exit_code
    assert "the disk is full" in held.said
    assert house.read("apple.txt") is None
    assert any("no verdict" in one.body for one in issue.comments)


@pytest.mark.matrix
def test_a_defect_in_work_does_not_keep_the_round_from_its_end(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(job: Job) -> int:
        raise ZeroDivisionError

    monkeypatch.setattr(single_job, "work", stumble)
    held = house.ask(house.open_issue("apple"))
    with pytest.raises(ZeroDivisionError):
        hold(house, held)
    assert states(house, held) == {"apple": TaskState.FAILED}


def test_agents_that_cannot_be_told_from_us_are_not_started_unless_one_wants_that(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(single_job, "is_root", lambda: False)
    held = house.ask(house.open_issue("apple"))
    with pytest.raises(EnvironmentFault, match="holds the token"):
        hold(house, held, isolation="auto")
    assert house.issues("task") == []


@pytest.mark.matrix
def test_the_token_is_nothing_that_children_inherit(double: Double, tmp_path: Path) -> None:
    spy = AGENT + "! { env; cat /proc/$PPID/environ; } | grep -aq 'gh[s]_[0-9]'\n"
    house = House.build(double, tmp_path, PROMPTS, files={"agent.sh": spy})
    held = house.ask(house.open_issue("apple"))
    done = run_program(house, held, isolation="none")
    assert done.code == 0, done.out + done.err
    assert house.read("apple.txt") == "apple\n"


def test_a_workflow_that_is_cancelled_keeps_what_there_is_and_lands_nothing(
    double: Double, tmp_path: Path
) -> None:
    wait = AGENT + 'if test -e slow.txt; then touch "$BELL"; exec sleep 300; fi\n'
    bell = tmp_path / "bell"
    prompts = {
        "apple": "# Write apple\n\nwrite apple.txt apple\n",
        "slow": "---\nneeds: [apple.md]\n---\n# Be slow\n\nwrite slow.txt slow\n",
    }
    house = House.build(
        double, tmp_path, prompts, files={"agent.sh": wait.replace("$BELL", str(bell))}
    )
    issue = house.open_issue(*prompts)
    held = house.ask(issue)
    with cancelled_at(bell):
        assert hold(house, held) == Interrupted.exit_code
    assert (house.read("apple.txt"), house.read("slow.txt")) == (None, None)
    apple = next(name for name in house.branches() if name.startswith("apple"))
    run = held.outputs["run"]
    assert house.read("apple.txt", branch=f"concertmaster/{run}/{apple}") == "apple\n"
    assert house.dispatched == []
    assert any("was cancelled" in one.body for one in issue.comments)


@contextmanager
def cancelled_at(bell: Path) -> Iterator[None]:
    """Send SIGTERM to the job as soon as the file exists."""
    over = threading.Event()

    def cancel() -> None:
        while not bell.exists():
            if over.wait(0.05):
                return
        os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=cancel)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()

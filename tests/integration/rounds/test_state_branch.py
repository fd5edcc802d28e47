"""Tests the state branch against real git over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.git.remote import PushResult, PushState, Remote
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.rounds import state_branch
from concertmaster.rounds.documents import HISTORY_FILE, write_history
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.state_branch import StateUpdate
from tests.github.double import Double
from tests.github.state import Repository as Hosted

AT = 1_700_000_000
RUN = "issue-7-run"
BRANCH = f"concertmaster/{RUN}/state"
DONE = PushResult(state=PushState.DONE)


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    with Double(tmp_path / "hosting") as running:
        yield running
    assert running.violations == []


@pytest.fixture
def hosted(double: Double) -> Hosted:
    made = double.add_repository("ada/opera", private=True)
    double.commit(made, "main", {"a.txt": "a\n"})
    return made


class Job:
    """A job with a clone of its own."""

    def __init__(self, double: Double, hosted: Hosted, folder: Path) -> None:
        token = double.workflow_token(hosted, {"contents": "write"})
        self.remote = Remote(url=double.clone_url(hosted), token=token)
        self.repository: Repository = self.remote.clone(folder / "clone")
        self.objects = RunRepository.create(folder / "run.git", user=self.repository)

    def write(self, files: dict[str, bytes], *, old: str, at: int = AT) -> PushResult:
        update = StateUpdate(run=RUN, files=files, old=old, at=at, message="Round 1\n")
        return state_branch.write(self.objects, self.remote, update)

    def read(self, run: str = RUN) -> state_branch.SavedState | None:
        return state_branch.read(self.repository, self.remote, run)


@pytest.fixture
def job(double: Double, hosted: Hosted, tmp_path: Path) -> Job:
    return Job(double, hosted, tmp_path / "job")


@pytest.fixture
def history(job: Job) -> History:
    base = job.repository.branch_tip("main")
    task = TaskHistory(task="fruit-ab12", title="Fruit", prompt="fruit.md", blob="1" * 40)
    return History(
        run=RUN,
        round=1,
        trigger="comment 1",
        parent=7,
        base=base,
        target="main",
        tasks={task.task: task},
    )


def test_a_run_without_a_state_has_none(job: Job) -> None:
    assert job.read() is None
    assert state_branch.find(job.repository, job.remote) == {}


def test_what_one_job_writes_another_one_reads(
    job: Job, history: History, double: Double, hosted: Hosted, tmp_path: Path
) -> None:
    files = {HISTORY_FILE: write_history(history), "tasks/fruit-ab12/check.log": b"\x00red\n"}
    assert job.write(files, old="") == DONE

    other = Job(double, hosted, tmp_path / "other")
    state = other.read()

    assert state
    assert state.history == history
    assert state.commit == double.git(hosted).branch(BRANCH)
    assert state.file("tasks/fruit-ab12/check.log") == b"\x00red\n"
    assert state.file("tasks/none") is None
    assert state_branch.find(other.repository, other.remote) == {RUN: state.commit}


def test_a_later_round_follows_the_earlier_one_and_holds_exactly_its_files(
    job: Job, history: History, double: Double, hosted: Hosted
) -> None:
    data = write_history(history)
    job.write({HISTORY_FILE: data, "old.log": b"x"}, old="")
    first = job.read()
    assert first
    assert job.write({HISTORY_FILE: data, "a/b/new.log": b"y"}, old=first.commit) == DONE

    bare = double.git(hosted)
    assert bare.text("ls-tree", "-r", "--name-only", BRANCH).split() == [
        "a/b/new.log",
        HISTORY_FILE,
    ]
    commit = bare.read_commit(bare.branch(BRANCH) or "")
    assert commit.parents == (first.commit,)
    assert (commit.author.name, commit.message) == ("Concertmaster", "Round 1")


def test_the_same_content_makes_no_new_commit(
    job: Job, history: History, double: Double, hosted: Hosted
) -> None:
    files = {HISTORY_FILE: write_history(history)}
    job.write(files, old="")
    tip = double.git(hosted).branch(BRANCH) or ""
    job.read()

    assert job.write(files, old=tip, at=AT + 60) == DONE
    assert double.git(hosted).branch(BRANCH) == tip


def test_a_write_that_is_repeated_after_a_lost_answer_is_done(job: Job, history: History) -> None:
    files = {HISTORY_FILE: write_history(history)}
    assert job.write(files, old="") == DONE
    assert job.write(files, old="") == DONE


def test_of_two_writers_one_is_told_that_the_branch_moved(
    job: Job, history: History, double: Double, hosted: Hosted, tmp_path: Path
) -> None:
    other = Job(double, hosted, tmp_path / "other")
    data = write_history(history)
    job.write({HISTORY_FILE: data}, old="")
    tip = double.git(hosted).branch(BRANCH)

    assert other.write({HISTORY_FILE: data, "x": b"x"}, old="").state is PushState.MOVED
    assert double.git(hosted).branch(BRANCH) == tip
    state = other.read()
    assert state
    assert other.write({HISTORY_FILE: data, "x": b"x"}, old=state.commit) == DONE


def test_writing_the_same_onto_a_branch_that_moved_is_not_done(
    job: Job, history: History, double: Double, hosted: Hosted
) -> None:
    files = {HISTORY_FILE: write_history(history)}
    job.write(files, old="")
    state = job.read()
    assert state
    double.commit(hosted, BRANCH, {"theirs": "x"})

    assert job.write(files, old=state.commit).state is PushState.MOVED


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"version": 2}', "\x00"])
def test_a_branch_that_cannot_be_understood_is_a_fault(
    job: Job, history: History, double: Double, hosted: Hosted, content: str
) -> None:
    job.write({HISTORY_FILE: write_history(history)}, old="")
    double.commit(hosted, BRANCH, {HISTORY_FILE: content})
    with pytest.raises(EnvironmentFault, match="history of the run") as caught:
        job.read()
    assert caught.value.next_step


def test_a_branch_that_tells_of_another_run_is_a_fault(
    job: Job, history: History, double: Double, hosted: Hosted
) -> None:
    job.write({HISTORY_FILE: write_history(history)}, old="")
    tip = double.git(hosted).branch(BRANCH) or ""
    double.git(hosted).update({"refs/heads/concertmaster/elsewhere/state": (tip, None)})
    with pytest.raises(EnvironmentFault, match="tells of another run"):
        job.read("elsewhere")


@pytest.mark.parametrize("name", ["../x", "/x", "a/../b", "", "a\nb", "a//b", "a/"])
def test_no_file_lies_outside_the_tree(job: Job, name: str) -> None:
    with pytest.raises(AssertionError):
        job.write({name: b""}, old="")


def test_nothing_is_left_of_the_making(job: Job, history: History) -> None:
    before = {path.name for path in job.objects.path.iterdir()}
    job.write({HISTORY_FILE: write_history(history)}, old="")
    assert {path.name for path in job.objects.path.iterdir()} == before
    assert state_branch.name_of(RUN) == BRANCH

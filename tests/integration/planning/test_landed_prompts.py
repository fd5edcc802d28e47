"""Prompts that have landed, or that another run works on, are not done twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.files import run_folder
from concertmaster.git.landed_prompts import find_landed
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project

BLOB, OTHER = "b" * 40, "c" * 40


def work(run: str, task: str, blob: str = BLOB) -> str:
    trailers = f"Concertmaster-Run: {run}\nConcertmaster-Task: {task}\n"
    return f"Work of {task}\n\n{trailers}" + (f"Concertmaster-Prompt: {blob}\n" if blob else "")


def test_what_commits_of_the_target_tell_and_what_reverts_take_back(project: Project) -> None:
    def commit(message: str) -> str:
        project.git("commit", "--quiet", "--allow-empty", "--message", message)
        return project.git("rev-parse", "HEAD")

    def find(**prompts: str) -> dict[str, str]:
        return find_landed(project.open(), project.git("rev-parse", "HEAD"), prompts)

    assert find(one=BLOB) == {}
    one = commit(work("r1", "one"))
    both = commit(f"Squashed\n\n{work('r2', 'two')}\n{work('r2', 'three')}")
    commit(work("r3", "four", blob=""))  # of an older version
    five = commit(work("r4", "five"))
    merge = commit(work("r4", "five", blob="").replace("Work of", "Merge"))
    assert find(one=BLOB, two=BLOB, three=BLOB, four=BLOB) == {
        "one": one,
        "two": both,
        "three": both,
    }
    assert find(one=OTHER, six=BLOB) == {}
    # The reverted commit may be the merge that brought the task's commit.
    assert find(five=BLOB) == {"five": five}
    commit(f'Revert "Merge five"\n\nThis reverts commit {merge}, reversing\nchanges made to {one}.')
    again = commit(f"Undo\n\nThis reverts commit {one}.")
    assert find(one=BLOB, five=BLOB) == {}
    commit(f"Redo\n\nThis reverts commit {again}.")
    assert find(one=BLOB, five=BLOB) == {"one": one}
    later = commit(work("r5", "five"))
    assert find(five=BLOB) == {"five": later}


@pytest.fixture
def shop(project: Project) -> Project:
    project.commit("Ignore prompts", {".gitignore": "prompts/\n"})
    return project


def plan(project: Project, *prompts: str, **options: object) -> tuple[list[str], dict[str, str]]:
    """Return the prompts of the tasks, and the reasons of the skipped prompts."""
    asked = PlanRequest(
        repository=project.root,
        prompts=tuple(project.root / prompt for prompt in prompts),
        options={"check": "true", "agent_command": "true", **options},
    )
    made = make_plan(asked).plan
    return [task.prompt for task in made.tasks], {one.prompt: one.reason for one in made.skipped}


@pytest.mark.matrix
def test_a_prompt_that_landed_is_done_again_only_if_that_is_asked_for(shop: Project) -> None:
    one = write_prompt(shop, "one", "echo >> one.txt")
    two = write_prompt(shop, "two", "echo > two.txt", head="needs: [one.md]")

    def run(*more: str) -> str:
        agent = ("--agent-command", OBEDIENT_COMMAND, "--check", "true")
        done = concertmaster("run", *more, *agent, cwd=shop.root)
        assert done.code == 0, done
        return done.out + done.err

    run(one)
    commit = shop.git("rev-parse", "--short=7", "main")
    told = run(one, two)
    assert f"prompts/one.md: landed before in {commit}" in told
    assert (shop.root / "one.txt").read_text() == "\n"
    assert (shop.root / "two.txt").exists()
    assert "there was nothing to do" in run(one, two)
    run(one, "--again")
    assert (shop.root / "one.txt").read_text() == "\n\n"
    (shop.root / one).write_text((shop.root / one).read_text() + "\nOnce more.\n")
    assert plan(shop, one, two)[0] == [one]
    assert plan(shop, one, two, again=True)[0] == [one, two]


def test_a_prompt_that_another_run_works_on_is_left_out_with_all_that_needs_it(
    shop: Project, tmp_path: Path
) -> None:
    one = write_prompt(shop, "one", "true")
    two = write_prompt(shop, "two", "true", head="needs: [one.md]")
    three = write_prompt(shop, "three", "true")
    asked = PlanRequest(
        repository=shop.root,
        prompts=(shop.root / one,),
        options={"check": "true", "agent_command": "true"},
    )
    other = make_plan(asked).plan
    folder = run_folder.runs_folder(shop.root / ".git") / other.run
    folder.mkdir(parents=True)
    run_folder.write_plan(folder, other)
    assert plan(shop, one, two, three) == ([one, two, three], {})
    with run_folder.lock_run(folder):
        tasks, left = plan(shop, one, two, three)
    assert tasks == [three]
    assert left[one] == f"run {other.run}, which is going on, works on it"
    assert left[two] == f"needs {other.tasks[0].id}, which another run works on"

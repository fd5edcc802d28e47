"""Runs on one machine write Memory.md where the settings ask for it."""

from __future__ import annotations

import pytest

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project

MEMORY = ".github/Memory.md"


def run(project: Project, name: str, *more: str) -> Done:
    prompt = write_prompt(project, name, f"echo 1 > {name}.txt", title=f"Make {name}")
    command = ("run", prompt, "--agent-command", OBEDIENT_COMMAND, *more)
    return concertmaster(*command, cwd=project.root)


def read(project: Project, branch: str) -> str:
    """Return Memory.md of the branch, "" if there is none."""
    names = project.git("for-each-ref", "--format=%(refname:short)", "refs/heads").split()
    is_there = branch in names and project.git("ls-tree", branch, "--", MEMORY)
    return project.git("show", f"{branch}:{MEMORY}") if is_there else ""


@pytest.mark.parametrize(
    ("setting", "branch"),
    [
        pytest.param("", "", marks=pytest.mark.matrix),
        pytest.param("memory: false\n", "", marks=pytest.mark.matrix),
        pytest.param("memory: true\n", "main", marks=pytest.mark.matrix),
        ("memory: notes\n", "notes"),
    ],
)
def test_a_run_is_written_into_the_file_that_is_asked_for(
    project: Project, setting: str, branch: str
) -> None:
    project.commit("Settings", {"concertmaster.yml": f"check: 'true'\n{setting}"})
    runs = [run(project, name, "--json").document["run"] for name in ("one", "two")]

    found = {name: read(project, name) for name in ("main", "notes")}
    assert [name for name, memory in found.items() if memory] == ([branch] if branch else [])
    for memory in filter(None, found.values()):
        assert all(f"### {one[:4]}" in memory and one in memory for one in runs)
        assert "- landed " in memory
        assert "Make one" in memory
    assert project.git("status", "--porcelain", "--untracked-files=no") == ""


def test_a_file_that_cannot_be_written_is_told(project: Project) -> None:
    files = {"concertmaster.yml": "check: 'true'\nmemory: true\n", f"{MEMORY}/file": "a folder\n"}
    project.commit("Settings", files)
    done = run(project, "one")

    assert done.code == 0
    assert f"{MEMORY} could not be written: it is no regular file" in done.err

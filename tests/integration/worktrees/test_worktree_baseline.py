"""Only what has changed since the start of a phase is the change of a task."""

from __future__ import annotations

import subprocess

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import BRANCH, changed, git, snap

# What setup or a check does before the agent, what the agent does, and the change.
CASES: dict[str, tuple[str, str, dict[str, str]]] = {
    "setup makes a file": ("echo 1 > lock", "echo 1 > one", {"one": "100644"}),
    "setup changes a file": ("echo 1 > a.txt", "echo 1 > one", {"one": "100644"}),
    "setup deletes a file": ("rm a.txt", "echo 1 > one", {"one": "100644"}),
    "setup makes a link and a folder": ("ln -s / n; mkdir m; echo 1 > m/x", "", {}),
    "setup makes a file executable": ("chmod +x a.txt", "", {}),
    "setup makes a repository": ("git init -q sub; echo 1 > sub/x", "", {}),
    "the agent changes what setup made": ("echo 1 > lock", "echo 2 > lock", {"lock": "100644"}),
    "the agent deletes what setup made": ("echo 1 > lock", "rm lock", {}),
    "the agent undoes what setup changed": (
        "echo 1 > a.txt",
        "echo a > a.txt; echo 1 > one",
        {"one": "100644"},
    ),
    "a folder takes the place of a file": (
        "echo 1 > lock",
        "rm a.txt; mkdir a.txt; echo 1 > a.txt/x",
        {"a.txt": "000000", "a.txt/x": "100644"},
    ),
    "a file takes the place of a folder": (
        "echo 1 > lock",
        "rm -r folder; echo 1 > folder",
        {"folder": "100644", "folder/c.txt": "000000"},
    ),
}


def do(worktree: Worktree, script: str) -> None:
    subprocess.run(["sh", "-ec", script], cwd=worktree.files, check=True)


@pytest.mark.parametrize("case", CASES)
def test_what_lay_there_before_the_agent_is_not_its_change(
    worktree: Worktree, run: RunRepository, base: str, case: str
) -> None:
    before, after, expected = CASES[case]
    do(worktree, before)
    worktree.begin(base)
    do(worktree, after)
    snapshot = snap(worktree, base)
    assert changed(run, base, snapshot) == expected
    assert len(snapshot.notes) == (case == "the agent changes what setup made")

    do(worktree, "echo result > report.xml")  # as a check does
    worktree.begin(snapshot.commit)
    do(worktree, "echo 2 > two")
    assert changed(run, snapshot.commit, snap(worktree, snapshot.commit)) == {"two": "100644"}


def test_changes_of_setup_and_agent_to_one_file_are_told_apart(
    worktrees: Worktrees, project: Project, run: RunRepository
) -> None:
    lines = "".join(f"line {number}\n" for number in range(20))
    base = project.commit("Long", {"long.txt": lines})
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    do(worktree, "sed -i 's/line 2$/by setup/' long.txt")
    worktree.begin(base)
    assert worktree.changed_by_setup(base) == ("long.txt",)
    do(worktree, "sed -i 's/line 15$/by the agent/' long.txt")
    snapshot = snap(worktree, base)
    written = run.git.run("cat-file", "blob", f"{snapshot.commit}:long.txt")
    assert written == lines.replace("line 15", "by the agent").removesuffix("\n")

    do(worktree, "sed -i 's/by setup$/by both/' long.txt")
    snapshot = snap(worktree, base)
    written = run.git.run("cat-file", "blob", f"{snapshot.commit}:long.txt")
    assert "by both" in written
    (note,) = snapshot.notes
    assert note.startswith("long.txt was changed by setup as well")


@pytest.mark.parametrize("died", ["in the phase", "before the next phase began", "with its index"])
def test_what_setup_left_outlives_the_process(
    worktrees: Worktrees, worktree: Worktree, run: RunRepository, base: str, died: str
) -> None:
    do(worktree, "echo 1 > lock; echo 1 > b.txt")
    worktree.begin(base)
    checkpoint = base
    if died == "before the next phase began":
        do(worktree, "echo 1 > one")
        checkpoint = snap(worktree, base).commit
    do(worktree, "echo half > half; echo half > a.txt")
    again = worktrees.open(worktree.folder)
    assert again is not None
    if died == "with its index":
        again.forget_index()
    saved = snap(again, checkpoint)
    assert changed(run, checkpoint, saved) == {"a.txt": "100644", "half": "100644"}

    again.restore(checkpoint)
    files = {path.name: path.read_text() for path in again.files.glob("*.txt")}
    assert files == {"a.txt": "a\n", "b.txt": "1\n"}
    assert (again.files / "lock").read_text() == "1\n"
    assert (again.files / "one").exists() == (checkpoint != base)
    assert not (again.files / "half").exists()
    assert git(again, "status", "--porcelain").split("\n") == [" M b.txt", "?? lock"]
    assert snap(again, checkpoint).tree == run.tree(checkpoint)


def test_a_file_that_differs_as_soon_as_it_is_checked_out_is_no_change(
    worktrees: Worktrees, project: Project, run: RunRepository
) -> None:
    (project.root / "x.txt").write_bytes(b"a\r\nb\r\n")
    project.commit("CRLF", {})
    base = project.commit("Text", {".gitattributes": "*.txt text\n"})
    worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
    worktree.begin(base)
    do(worktree, "echo 1 > one")
    assert changed(run, base, snap(worktree, base)) == {"one": "100644"}
    worktree.forget_index()  # git then compares contents
    worktree.begin(base)
    do(worktree, "echo 2 > two")
    assert changed(run, base, snap(worktree, base)) == {"two": "100644"}

"""Tasks pass alone and fail together: one of them is left out and leaves no trace."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

# The check fails with both files, unless a third one reconciles them.
CHECK = "test -e peace.txt || ! test -e one.txt || ! test -e two.txt"
SHARED = [f"line {number}\n" for number in range(1, 41)]

MAKE_A = """
mkdir -p more
echo "words of A" | tee one.txt > more/one.txt
sed -i '1s/.*/words of A on line 1/' shared.txt
"""

Row = Mapping[str, Any]


@pytest.fixture
def workshop(project: Project) -> Project:
    project.commit(
        "Shared",
        {
            "shared.txt": "".join(SHARED),
            ".gitignore": "prompts/\n",
            "concertmaster.yml": "repairs: 0\n",
        },
    )
    return project


def run(project: Project, prompts: Sequence[str], *options: str) -> Row:
    """Return the report; its tasks are keyed by the names of their prompts."""
    done = concertmaster(
        *("run", *prompts, "--agent-command", OBEDIENT_COMMAND, "--check", CHECK),
        *("--parallel", "6", "--json", *options),
        cwd=project.root,
    )
    report: dict[str, Any] = done.document
    tasks = {row["prompt"].split("/")[1].removesuffix(".md"): row for row in report["tasks"]}
    is_whole = all(row["state"] == "landed" for row in tasks.values())
    assert done.code == (0 if is_whole else 1), done.err
    return {**report, "tasks": tasks}


def states(report: Row) -> dict[str, str]:
    return {name: row["state"] for name, row in report["tasks"].items()}


def wait_until_landed(project: Project, path: str) -> str:
    """Return shell code that makes an agent wait until the path is on the target."""
    git = f"git --git-dir='{project.root}/.git'"
    return f"until {git} cat-file -e main:{path} 2> /dev/null; do sleep 0.02; done\n"


def find_traces(project: Project, task: Row) -> list[str]:
    """Return what the target's trees and history hold of the task: commit, files, words."""
    head, base = task["head"], task["attempts"][-1]["base"]
    (made,) = project.root.glob(".git/concertmaster/runs/*/repository.git")  # holds every head
    changes = project.git(f"--git-dir={made}", "diff-tree", "-r", "--no-renames", base, head)
    blobs = {line.split()[3] for line in changes.split("\n")}
    objects = {line.split()[0] for line in project.git("rev-list", "--objects", "main").split("\n")}
    tree = project.git(f"--git-dir={made}", "rev-parse", f"{head}^{{tree}}")
    found = [name for name in ({head, tree} | blobs) if name in objects]
    history = project.git("log", "--patch", "-m", "--format=%B", "main")
    words = (f"Concertmaster-Task: {task['id']}", f"words of {task['title'][-1].upper()}")
    return found + [word for word in words if word in history]


def test_what_was_built_on_a_culprit_lands_without_it(workshop: Project) -> None:
    base = workshop.git("rev-parse", "main")
    touches = "touches: [shared.txt]\n"
    prompts = [
        write_prompt(workshop, "b", "echo 'words of B' > two.txt", head="touches: [two.txt]"),
        write_prompt(
            workshop,
            "a",
            wait_until_landed(workshop, "two.txt") + MAKE_A,
            head=f"{touches}estimate: 9h",
        ),
        write_prompt(
            workshop,
            "c",
            "grep -q 'words of A' shared.txt; echo 'words of C' > c.txt\n"
            "sed -i '40s/.*/words of C on line 40/' shared.txt",
            head=f"{touches}estimate: 1m",
        ),
        write_prompt(workshop, "d", "cp one.txt d.txt", head="needs: a.md\ntouches: [d.txt]"),
        write_prompt(workshop, "e", "cp d.txt e.txt", head="needs: [d.md, b.md]\ntouches: [e.txt]"),
        write_prompt(
            workshop, "f", "echo 'words of F' > f.txt", head="needs: c.md\ntouches: [f.txt]"
        ),
    ]
    report = run(workshop, prompts)
    gone = {"a": "left_out", "d": "blocked", "e": "blocked"}
    assert states(report) == dict.fromkeys("bcf", "landed") | gone
    tasks = report["tasks"]
    assert "failed (exit 1)" in tasks["a"]["reason"]
    assert tasks["d"]["reason"] == f"needs {tasks['a']['id']}, which did not land"
    assert [built["task"] for built in tasks["c"]["attempts"][-1]["built_on"]] == [tasks["a"]["id"]]
    assert find_traces(workshop, tasks["a"]) == []
    assert find_traces(workshop, tasks["b"]) != []
    added = workshop.git("diff", "--name-status", base, "main").split("\n")
    assert added == ["A\tc.txt", "A\tf.txt", "M\tshared.txt", "A\ttwo.txt"]
    wanted = "".join([*SHARED[:-1], "words of C on line 40\n"])
    assert (workshop.root / "shared.txt").read_text() == wanted

    check_that_the_branch_of_a_brings_all_of_it(workshop, tasks["a"]["branch"])
    check_that_a_mended_prompt_lands_all_of_it(workshop)


def check_that_the_branch_of_a_brings_all_of_it(project: Project, branch: str) -> None:
    """Merge the branch as a user would; git must not take it for merged already."""
    project.git("checkout", "--quiet", "-b", "by-hand")
    project.git("merge", "--quiet", "--no-edit", branch)
    assert_all_of_a_is_there(project)
    project.git("checkout", "--quiet", "main")


def check_that_a_mended_prompt_lands_all_of_it(project: Project) -> None:
    peace = "echo 'A and B' > peace.txt\n"
    report = run(project, [write_prompt(project, "a", MAKE_A + peace)])
    assert states(report) == {"a": "landed"}
    assert_all_of_a_is_there(project)
    assert (project.root / "peace.txt").exists()


def assert_all_of_a_is_there(project: Project) -> None:
    assert (project.root / "one.txt").read_text() == "words of A\n"
    assert (project.root / "more" / "one.txt").read_text() == "words of A\n"
    wanted = ["words of A on line 1\n", *SHARED[1:-1], "words of C on line 40\n"]
    assert (project.root / "shared.txt").read_text() == "".join(wanted)


@pytest.mark.parametrize("shape", ["merge", *in_matrix(["linear", "squash"])])
def test_exactly_one_of_two_that_do_not_go_together_is_left_out(
    workshop: Project, shape: str
) -> None:
    # Each prompt declares another file, so the planner keeps none of them apart.
    scripts = {
        "a": "echo 'words of A' > one.txt",
        "b": "echo 'words of B' > two.txt",
        "x": "name=same; echo 'words of X' > $name.txt",
        "y": "name=same; echo 'words of Y' > $name.txt",
        **{name: f"echo 'words of {name.upper()}' > {name}.txt" for name in "fgh"},
    }
    report = run(
        workshop,
        [
            write_prompt(workshop, name, do, head=f"touches: [{name}.md]")
            for name, do in scripts.items()
        ],
        *("--history", shape),
    )
    tasks = report["tasks"]
    left_out = {name for name, state in states(report).items() if state == "left_out"}
    assert len(left_out & {"a", "b"}) == len(left_out & {"x", "y"}) == 1
    assert set(states(report).values()) == {"landed", "left_out"}
    assert len(left_out) == 2
    for name, row in tasks.items():
        assert bool(find_traces(workshop, row)) == (name not in left_out), name
        assert bool(row["branch"]) == (name in left_out)
    conflict = next(iter(left_out & {"x", "y"}))
    assert tasks[conflict]["reason"] == "does not merge onto the target: conflict in same.txt"
    assert workshop.git("show", f"{tasks[conflict]['branch']}:same.txt") == (
        f"words of {conflict.upper()}"
    )

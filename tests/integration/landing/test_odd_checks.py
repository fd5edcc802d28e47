"""A check that leaves files, changes what it checks or never ends decides only what lands."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project, wait_until

# It changes a file of the tree, leaves others that are hard to remove, and a process.
MESSY = """
echo changed >> a.txt; echo left > left.txt; git add left.txt
mkdir -p deep/er; echo > deep/er/file; chmod 500 deep/er deep
setsid sleep 612.5 > /dev/null 2>&1 &
test -e a.txt
"""
SETTINGS = "repairs: 0\ncheck_timeout: 5s\n"
# Each result passes alone; with both it waits for ever.
ENDLESS = "if test -e one.txt && test -e two.txt; then sleep 613.5; fi"


def run(project: Project, check: str) -> Done:
    prompts = [
        write_prompt(project, name, f"echo > {name}.txt", head=f"touches: [{name}.txt]")
        for name in ("one", "two")
    ]
    project.commit("Settings", {".gitignore": "prompts/\n", "concertmaster.yml": SETTINGS})
    return concertmaster(
        *("run", *prompts, "--agent-command", OBEDIENT_COMMAND, "--check", check, "--json"),
        cwd=project.root,
    )


def find_sleepers(seconds: str) -> list[psutil.Process]:
    running = psutil.process_iter(["cmdline"])
    return [one for one in running if one.info["cmdline"] == ["sleep", seconds]]


def attempts_of(project: Project) -> list[Path]:
    place = project.root.with_name(f"{project.root.name}.attempts")
    return [one for one in place.glob("*") if one.name != "CACHEDIR.TAG"]


def test_what_a_check_leaves_neither_lands_nor_stays(project: Project) -> None:
    done = run(project, MESSY)

    assert done.code == 0, done.err
    files = project.git("ls-tree", "-r", "--name-only", "main").split("\n")
    assert {"one.txt", "two.txt"} <= {*files}
    assert {"left.txt", "deep/er/file"}.isdisjoint(files)
    assert project.git("show", "main:a.txt") == "a"
    assert project.git("status", "--porcelain") == ""
    assert attempts_of(project) == []
    wait_until(lambda: not find_sleepers("612.5"))


@pytest.mark.matrix
def test_a_check_that_never_ends_names_its_culprit_and_the_other_lands(project: Project) -> None:
    done = run(project, ENDLESS)

    assert done.code == 1, done.err
    landed, lost = sorted(done.document["tasks"], key=lambda row: str(row["state"]))
    assert (landed["state"], lost["state"]) == ("landed", "left_out")
    assert "timed out after" in lost["reason"]
    assert lost["branch"]
    assert attempts_of(project) == []
    assert not find_sleepers("613.5")

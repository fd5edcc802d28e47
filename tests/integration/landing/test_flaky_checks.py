"""A check that failed and then passed unchanged is remembered for later runs."""

from __future__ import annotations

from pathlib import Path

from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project

TEST = "t.py::test_network"


def test_a_flake_is_told_and_known_to_the_next_run(project: Project, tmp_path: Path) -> None:
    project.commit("Ignore prompts", {".gitignore": "prompts/\n"})
    counter = tmp_path / "counter"
    # The third check is that of the merged result, after those of the base and of the attempt.
    check = f"echo >> '{counter}'; test $(wc -l < '{counter}') != 3 || (echo FAILED {TEST}; false)"
    settings = ("--agent-command", OBEDIENT_COMMAND, "--check", check)
    one, two = (write_prompt(project, name, f"echo > {name}.txt") for name in ("one", "two"))
    before = concertmaster("plan", one, *settings, "--json", cwd=project.root).document
    assert before["flakes"] == {"checks": 0, "failures": 0, "tests": []}

    done = concertmaster("run", one, *settings, "--json", cwd=project.root)

    assert done.code == 0, done
    found = done.document["flakes"]
    assert found == {"check": check, "checks": 3, "failures": 1, "tests": [TEST]}
    told = concertmaster("report", cwd=project.root).out
    assert f"passed unchanged, behind {done.document['tasks'][0]['id']}: {TEST}" in told

    planned = concertmaster("plan", two, *settings, "--json", cwd=project.root).document
    assert planned["flakes"] == {"checks": 3, "failures": 1, "tests": [TEST]}
    assert any(f"1 of 3 past checks: {TEST}" in note for note in planned["notes"])
    other = concertmaster("plan", two, *settings, "--check", "true", "--json", cwd=project.root)
    assert other.document["flakes"]["failures"] == 0

"""Tests that a run tells of work outside an agent's files, and that `clean` leaves it there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

SCRIPTS = {
    "landed": "echo hidden > x.txt; git stash --quiet -u; echo 1 > new.txt",
    "without a change": "echo hidden > x.txt; git stash --quiet -u",
    "failed": "echo hidden > x.txt; git stash --quiet -u; exit 1",
    "ignored": "echo hidden > x.tmp; echo 1 > new.txt",
}


@pytest.mark.parametrize("case", ["landed", *in_matrix([*SCRIPTS][1:])])
def test_hidden_work_is_named_in_the_report_and_clean_leaves_it(
    project: Project, case: str
) -> None:
    project.commit("Ignore", {".gitignore": "*.tmp\n"})
    prompt = write_prompt(project, "good", SCRIPTS[case])
    options = ("--agent-command", OBEDIENT_COMMAND, "--check", "true")
    report = concertmaster("run", prompt, *options, "--json", cwd=project.root).document
    attempt = report["tasks"][0]["attempts"][-1]
    [place] = [found[1] for one in attempt["notes"] if (found := KEPT.search(one))]
    assert concertmaster("clean", cwd=project.root).code == 0
    if case == "ignored":
        assert [file.read_text() for file in Path(place).rglob("x.tmp")] == ["hidden\n"]
    else:
        project.git("fetch", "--quiet", place, "refs/left/*:refs/left/*")
        files = project.git("log", "--format=", "--name-only", "--all", "--full-history", "-m")
        assert "x.txt" in files.split("\n")


KEPT = re.compile(r"kept (?:as|in) (/.*)$")

"""The page of a real run shows prompt, changed files, diff and log of each task."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.page_material import collect_material
from concertmaster.engine.recorded_run import read_run
from concertmaster.git.repository import Repository
from tests.commandline import OBEDIENT_COMMAND, among_agents, called, write_prompt
from tests.conftest import Project


def test_the_page_shows_what_a_task_was_asked_and_did(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in among_agents(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    write_prompt(project, "one", "printf '1\\n2\\n' > one.txt")
    write_prompt(project, "none", "exit 1")
    asked = ("--check", "echo all is well", "--agent-command", OBEDIENT_COMMAND)
    monkeypatch.chdir(project.root)
    called("run", "prompts/one.md", "prompts/none.md", *asked)
    (folder,) = runs_folder(Repository.open(project.root)).iterdir()

    run = read_run(folder)
    found = {key.partition("-")[0]: one for key, one in collect_material(run).items()}

    assert [(one.path, one.added, one.removed) for one in found["one"].changed] == [
        ("one.txt", 2, 0)
    ]
    assert "+2" in found["one"].diff
    assert "printf" in found["one"].prompt
    assert found["one"].check_log == "all is well"
    assert (found["none"].changed, found["none"].diff) == ((), "")
    assert "+2" in (folder / "report.html").read_text()

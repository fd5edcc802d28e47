"""Tests that what ended runs left goes first where the disk is short."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pytest

from concertmaster.cli.clean import make_room
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.run_home import RunHome
from concertmaster.sandbox.resource_limits import FreeResources
from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project, in_matrix


@pytest.mark.parametrize("mebibytes", in_matrix([100, 100_000]))
def test_an_ended_run_is_removed_only_where_the_disk_is_short(
    project: Project, tmp_path: Path, mebibytes: int
) -> None:
    landing, failing = (
        write_prompt(project, name, script)
        for name, script in (("good", "echo 1 > good.txt"), ("bad", "exit 1"))
    )
    for prompt in (landing, failing):
        options = ("--agent-command", OBEDIENT_COMMAND, "--check", "true")
        concertmaster("run", prompt, *options, cwd=project.root)
    measured: list[Collection[Path]] = []

    def measure(folders: Collection[Path]) -> FreeResources:
        measured.append(folders)
        return FreeResources(memory_bytes=1 << 40, disk_bytes=mebibytes << 20, folder="/x")

    home = RunHome(cache=tmp_path / "cache", environment={}, measure=measure)
    before = sorted(runs_folder(project.open()).glob("*/plan.json"))
    told = [*make_room(project.open(), home)]
    after = sorted(runs_folder(project.open()).glob("*/plan.json"))
    assert len(before) == 2
    assert measured == [[project.root / ".git", tmp_path / "cache"]]
    if mebibytes > 1000:
        assert (told, after) == ([], before)
    else:
        assert told[0].startswith("the disk is short, so what ended runs left is removed first")
        assert f"removed run {before[0].parent.name}" in told
        assert before[0] not in after

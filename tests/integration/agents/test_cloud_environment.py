"""An agent gets the keys of a cloud where its user chose that cloud."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import among_agents, concertmaster, write_prompt
from tests.conftest import Project

SCRIPT = 'echo "${AWS_SECRET_ACCESS_KEY-none} ${AZURE_CLIENT_SECRET-none}" > "$HOME/keys"; echo > a'


@pytest.mark.parametrize(("switch", "keys"), [("1", "aws none"), ("", "none none")])
def test_the_keys_of_a_cloud_come_with_its_switch(
    project: Project, tmp_path: Path, switch: str, keys: str
) -> None:
    write_prompt(project, "one", SCRIPT)
    project.commit("Settings", {"concertmaster.yml": "check: 'true'\nphases: lean\n"})

    done = concertmaster(
        *("run", "prompts/one.md", "--agent", "claude"),
        cwd=project.root,
        env={
            **among_agents(tmp_path),
            "CLAUDE_CODE_USE_BEDROCK": switch,
            "AWS_SECRET_ACCESS_KEY": "aws",
            "AZURE_CLIENT_SECRET": "azure",
        },
    )

    assert done.code == 0, done.out + done.err
    assert (tmp_path / "keys").read_text() == f"{keys}\n"

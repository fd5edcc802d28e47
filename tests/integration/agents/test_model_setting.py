"""The `--agent-model` option reaches only the agent of the run, and sets the price."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.commandline import concertmaster, write_prompt
from tests.conftest import Project

AGENTS = Path(__file__).parents[2] / "agents"
MODEL = "gpt-5.3-codex"
NOTE = 'echo "$OPTIONS" >> "$HOME/{name}"; echo {name} > {name}.txt'


def test_the_model_is_told_to_the_runs_agent_and_to_no_other(
    project: Project, tmp_path: Path
) -> None:
    for name, head in (("one", ""), ("two", "agent: gemini")):
        write_prompt(project, name, NOTE.format(name=name), head=head)
    project.commit("Settings", {"concertmaster.yml": "check: 'true'\nphases: lean\n"})

    done = concertmaster(
        *("run", "prompts/one.md", "prompts/two.md", "--agent", "codex", "--agent-model", MODEL),
        "--json",
        cwd=project.root,
        env={
            "PATH": f"{AGENTS}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )

    assert done.code == 0, done.out + done.err
    assert f"--model {MODEL}" in (tmp_path / "one").read_text()
    assert MODEL not in (tmp_path / "two").read_text()
    costs = {task["prompt"]: task["attempts"][0]["usage"] for task in done.document["tasks"]}
    assert costs["prompts/one.md"]["cost_usd"] > 0
    assert costs["prompts/one.md"]["is_estimated"]

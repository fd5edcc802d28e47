"""Codex gets its key by the name that it reads, and no sandbox where the machine refuses one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import Done, among_agents, concertmaster, write_prompt
from tests.conftest import Project

SCRIPT = 'echo "$OPTIONS" > "$HOME/options"; echo "${CODEX_API_KEY-none}" > "$HOME/key"; echo > a'


def run(project: Project, home: Path, **more: str) -> Done:
    write_prompt(project, "one", SCRIPT)
    project.commit("Settings", {"concertmaster.yml": "check: 'true'\nphases: lean\n"})
    home.mkdir(exist_ok=True)
    return concertmaster(
        *("run", "prompts/one.md", "--agent", "codex"),
        cwd=project.root,
        env={**among_agents(home), **more},
    )


def test_the_key_of_openai_reaches_codex_unless_it_is_logged_in(
    project: Project, tmp_path: Path
) -> None:
    url = "http://127.0.0.1:9/v1"
    done = run(project, tmp_path, OPENAI_API_KEY="sk-test", OPENAI_BASE_URL=url)

    assert done.code == 0, done.out + done.err
    assert (tmp_path / "key").read_text() == "sk-test\n"
    assert f'-c openai_base_url="{url}"' in (tmp_path / "options").read_text()


@pytest.mark.parametrize("is_refused", [False, True])
def test_the_plan_says_when_the_machine_refuses_the_sandbox(
    project: Project, tmp_path: Path, is_refused: bool
) -> None:
    search = among_agents(tmp_path)["PATH"]
    done = run(project, tmp_path, PATH=f"{search}:/no-namespaces" if is_refused else search)

    assert done.code == 0, done.out + done.err
    assert ("codex runs without its own sandbox" in done.out) == is_refused
    assert ("bwrap: Creating new namespace failed" in done.out) == is_refused
    mode = "danger-full-access" if is_refused else "workspace-write"
    assert f"--sandbox {mode}" in (tmp_path / "options").read_text()

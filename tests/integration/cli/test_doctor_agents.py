"""doctor tells of each agent its version, whether that was tried, and how it is logged in."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from concertmaster.cli.doctor_agents import look_at_agents

PROGRAM = """#!/bin/sh
case "$1 ${2-}" in
  "--version "*) echo "VERSION (an agent)" ;;
  "auth status"|"login status") echo "STATUS" >&2; test "STATUS" = in ;;
esac
"""
OUT = "Not logged in"


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("claude", ("2.1.332", "in", ""), "version 2.1.332, which was tried"),
        ("claude", ("2.1.332", "in", ""), "; logged in"),
        ("claude", ("2.1.332", OUT, ""), "; not logged in"),
        ("claude", ("2.1.332", "no such command", ""), "whether it is logged in is not known"),
        ("claude", ("2.1.332", OUT, "CLAUDE_CODE_USE_BEDROCK"), "uses CLAUDE_CODE_USE_BEDROCK"),
        ("claude", ("2.1.332", "in", ""), "; the model that it is set to"),
        ("claude", ("2.1.332", "in", "ANTHROPIC_MODEL"), "; model 1 by ANTHROPIC_MODEL"),
        ("codex", ("9.9.9", OUT, "OPENAI_API_KEY"), "tried were 0.169.0, 0.171.0"),
        ("codex", ("0.171.0", OUT, ""), "; not logged in; model gpt-5 by `agent_model`"),
        ("gemini", ("none", "in", ""), "its version is not known; no key variable"),
    ],
)
def test_an_agent_is_told_with_its_version_its_login_and_its_model(
    tmp_path: Path, name: str, given: tuple[str, str, str], words: str
) -> None:
    version, status, key = given
    program = tmp_path / name
    program.write_text(PROGRAM.replace("VERSION", version).replace("STATUS", status))
    program.chmod(0o755)
    path = f"{tmp_path}:{Path(sys.executable).parent}"
    environment = {"PATH": path, "HOME": str(tmp_path), **({key: "1"} if key else {})}

    found = look_at_agents(environment, place=tmp_path, models={"codex": "gpt-5"})

    one = next(finding for finding in found if finding.name == f"agent {name}")
    assert words in one.words
    assert one.is_fine == ("not logged in" not in one.words)
    assert bool(one.next_step) != one.is_fine

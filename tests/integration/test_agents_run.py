"""Codex, gemini and aider through the command line, by scripted programs in their formats."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import concertmaster, write_prompt
from tests.conftest import Project

AGENTS = Path(__file__).parents[1] / "agents"
ALL = ("codex", "gemini", "aider")
CHECK = "! test -f answer.txt || grep -q right answer.txt"

# The first change fails the check, the second passes; a review approves the tree that it names.
STORY = """
if head -n 1 "$PROMPT_FILE" | grep -q "^Review a change"; then
  echo '```json'
  echo "$(grep -m1 '^{"task"' "$PROMPT_FILE" | sed "s/ or request_changes//") \\"comments\\": []}"
  echo '```'
elif test -f answer.txt; then
  echo right > answer.txt; echo "Mended in turn $TURN."
else
  echo noise >> "$ORDERS"; echo wrong > answer.txt; echo Written.
fi
"""


def run(project: Project, agent: str, home: Path, *more: str) -> Any:
    home.mkdir(exist_ok=True)
    done = concertmaster(
        *("run", "prompts/answer.md", "--agent", agent, "--check", CHECK, "--json", *more),
        cwd=project.root,
        env={
            "PATH": f"{AGENTS}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "HOME": str(home),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )
    assert done.out, done.err
    return done.document


@pytest.mark.parametrize("agent", ALL)
def test_work_that_fails_its_check_is_mended_reviewed_and_lands(
    project: Project, tmp_path: Path, agent: str
) -> None:
    write_prompt(project, "answer", STORY)
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Prompt")

    report = run(project, agent, tmp_path / "home", "--phases", "implement,review")

    (task,) = report["tasks"]
    assert task["state"] == "landed", task
    assert project.git("show", "main:answer.txt") == "right"
    assert report["input_tokens"] == 3000
    assert project.git("diff", "--name-only", "main~1", "main") == "answer.txt"
    phases = {phase["phase"]: phase for phase in task["attempts"][-1]["phases"]}
    assert bool(phases["implement"]["session"]) == (agent != "aider")

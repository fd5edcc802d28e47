"""Runs land work of scripted agents that print the documented formats of the real ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commandline import among_agents, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

ALL = ("claude", *in_matrix(["codex", "gemini", "aider"]))
CHECK = "! test -f answer.txt || grep -q right answer.txt"

# The first change fails the check, the second passes; the first review requests a change, the
# second approves. The output contains unknown events and lines that are no events.
STORY = """
echo noise >> "$ORDERS"
begins() { head -n 1 "$PROMPT_FILE" | grep -q "$1"; }
says() { grep -q "$1" "$PROMPT_FILE"; }
answer() { echo '```json'; echo "$1"; echo '```'; }
form='^\\({"task".*"verdict": "\\)approve or request_changes",'
verdict() { sed -n "s/$form/\\1$1\\", \\"comments\\": [${2-}]}/p" "$PROMPT_FILE"; }

if begins "Find out how the task"; then
  answer '{"steps": ["write it"], "paths": ["answer.txt"]}'
elif begins "^Review a change" && says "^+right, and polite"; then
  answer "$(verdict approve)"
elif begins "^Review a change"; then
  remark='{"file": "answer.txt", "line": 1, "comment": "greet", "severity": "major"}'
  answer "$(verdict request_changes "$remark")"
elif says "^passes. Now bring the documentation"; then
  answer '{"no_docs": "there are none"}'
elif says "^A reviewer of your change"; then
  echo "right, and polite" > answer.txt; echo Mended.
elif says "^The check .* failed"; then
  echo right > answer.txt; echo Mended.
else
  echo wrong > answer.txt; echo Written.
fi
"""
PHASES = [
    *(("prepare", True), ("research", True), ("implement", True), ("test", False)),
    *(("implement", True), ("test", True), ("document", True), ("review", False)),
    *(("implement", True), ("test", True), ("review", True), ("deliver", True)),
]


def run(project: Project, agent: str, home: Path, script: str, *, phases: str) -> Any:
    write_prompt(project, "answer", script)
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Prompt")
    home.mkdir()
    done = concertmaster(
        *("run", "prompts/answer.md", "--agent", agent, "--check", CHECK),
        *("--phases", phases, "--json"),
        cwd=project.root,
        env=among_agents(home),
    )
    assert done.out, done.err
    (task,) = done.document["tasks"]
    return task


def phases_of(attempt: Any) -> list[tuple[str, bool]]:
    return [(one["phase"], one["finished"]) for one in attempt["phases"]]


@pytest.mark.parametrize("agent", ALL)
def test_work_is_mended_documented_reviewed_mended_again_and_lands(
    project: Project, tmp_path: Path, agent: str
) -> None:
    task = run(project, agent, tmp_path / "home", STORY, phases="full")

    assert task["state"] == "landed", (task["reason"], phases_of(task["attempts"][-1]))
    assert project.git("show", "main:answer.txt") == "right, and polite"
    assert project.git("diff", "--name-only", "main~1", "main") == "answer.txt"
    (attempt,) = task["attempts"]
    assert phases_of(attempt) == PHASES
    spoke = [one for one in attempt["phases"] if one["transcript"]]
    assert all(one["usage"]["input_tokens"] for one in spoke)
    own = {
        one["session"].partition(":")[0]  # codex appends the token counts of the thread
        for one in spoke
        if one["phase"] in ("implement", "document")
    }
    assert len(own) == 1
    assert own != {""} or agent == "aider"
    for one in spoke:
        folder = next((project.root / ".git/concertmaster/runs").iterdir())
        assert (folder / one["transcript"]).stat().st_size > 0


LIMITED = 'test "$TURN" -gt 1 || echo "limit {words}" >> "$ORDERS"; echo right > answer.txt\n'
WORDS = {
    "claude": "$(expr $(date +%s) + 2)",
    "codex": "You've hit your usage limit. Try again in 2 seconds.",
    "gemini": "You have exhausted your daily quota on this model. It will reset after 2s.",
    "aider": "RateLimitError: Rate limit reached. Please try again in 2s.",
}


@pytest.mark.matrix
@pytest.mark.parametrize("agent", ALL)
def test_a_usage_limit_is_waited_for_and_spends_no_attempt(
    project: Project, tmp_path: Path, agent: str
) -> None:
    script = LIMITED.format(words=WORDS[agent])
    if agent == "aider":  # aider has no sessions, so $TURN is always 1
        script = script.replace('"$TURN" -gt 1', "-e answer.txt")

    task = run(project, agent, tmp_path / "home", script, phases="lean")

    assert task["state"] == "landed", (task["reason"], phases_of(task["attempts"][-1]))
    (attempt,) = task["attempts"]
    assert phases_of(attempt) == [
        *(("prepare", True), ("implement", False), ("implement", True), ("test", True)),
        ("deliver", True),
    ]


@pytest.mark.parametrize("agent", ["claude", "codex", *in_matrix(["gemini"])])
def test_an_agent_that_falls_silent_before_its_last_event_has_failed(
    project: Project, tmp_path: Path, agent: str
) -> None:
    script = 'echo silent >> "$ORDERS"; echo right > answer.txt\n'

    task = run(project, agent, tmp_path / "home", script, phases="lean")

    assert task["state"] == "failed"
    assert "the agent failed" in task["reason"]
    assert [one["outcome"] for one in task["attempts"]] == ["failed", "failed"]
    assert project.git("show", f"{task['branch']}:answer.txt") == "right"


def test_work_is_mended_in_a_new_session_where_the_old_one_is_gone(
    project: Project, tmp_path: Path
) -> None:
    forgets = 'rm -r "$HOME/.scripted-claude"'
    works = "if test -e begun; then echo right > answer.txt; else touch begun; fi"
    script = f"{forgets}; test -e begun || echo wrong > answer.txt; {works}"

    task = run(project, "claude", tmp_path / "home", script, phases="lean")

    assert (task["state"], len(task["attempts"])) == ("landed", 1)

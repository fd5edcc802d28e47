"""Tests reviewers that give no usable verdict: none of them counts as an approval."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commandline import among_agents, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

# $verdict is the correct verdict, taken from the prompt.
STORY = """
form='^\\({"task".*\\) or request_changes",'
if head -n 1 "$PROMPT_FILE" | grep -q "^Review a change"; then
  echo review >> "$HOME/reviews"
  count=$(wc -l < "$HOME/reviews")
  sed -n "s/$form/\\1\\", \\"comments\\": []}/p" "$PROMPT_FILE" > "$HOME/v"
  verdict=$(cat "$HOME/v")
  %s
elif grep -q "^Your answer cannot be read" "$PROMPT_FILE"; then
  echo again >> "$HOME/reviews"
  verdict=$(cat "$HOME/v")
  %s
else
  echo right > answer.txt
fi
"""
APPROVE = "printf '%s\\n' '```json' \"$verdict\" '```'"
NO_JSON = "it holds no JSON object with a verdict"


def run(project: Project, home: Path, agent: str, review: str, *, again: str = "") -> Any:
    home.mkdir()
    script = STORY % (review, again or review)
    write_prompt(project, "answer", script)
    project.git("add", "--all")
    project.git("commit", "--quiet", "-m", "Prompt")
    done = concertmaster(
        *("run", "prompts/answer.md", "--agent", agent, "--check", "true"),
        *("--phases", "implement,review", "--json"),
        cwd=project.root,
        env=among_agents(home),
    )
    assert done.out, done.err
    (task,) = done.document["tasks"]
    assert done.code == (0 if task["state"] == "landed" else 1)
    return task


def is_on_main(project: Project) -> bool:
    return "answer.txt" in project.git("ls-tree", "--name-only", "main").split("\n")


REVIEWS = {
    "prose": ("echo 'It looks right to me, and I approve.'", NO_JSON),
    "LGTM": ("echo LGTM", NO_JSON),
    "broken": ("""echo '{"task": "answer", "verdict": "approve'""", NO_JSON),
    "empty list": ("echo '[]'", NO_JSON),
    "other task": ('echo "$verdict" | sed "s/answer-/other-/"', "it is a verdict on other-"),
    "other tree": (
        'echo "$verdict" | sed "s/[0-9a-f]\\{40\\}/$(git rev-parse HEAD)/"',
        "another tree",
    ),
    "echo": ('cat "$PROMPT_FILE"', "the review gave no verdict that can be read"),
    "writes": (f"echo mine > answer.txt; {APPROVE}", "the reviewer changed files"),
    "deletes": (f"rm a.txt; {APPROVE}", "the reviewer changed files"),
    "commits": (
        f"git commit -q --allow-empty -m x; echo mine > new.txt; {APPROVE}",
        "changed files",
    ),
}
# The unit tests of verdicts cover each unreadable answer; `make matrix` runs the others.
KINDS = ["prose"]


@pytest.mark.parametrize("name", [*KINDS, *in_matrix(sorted({*REVIEWS} - {*KINDS}))])
def test_what_is_no_verdict_or_comes_from_a_writer_fails_the_review_and_says_so(
    project: Project, tmp_path: Path, name: str
) -> None:
    review, reason = REVIEWS[name]
    task = run(project, tmp_path / "home", "claude", review)

    assert task["state"] == "failed"
    assert reason in task["reason"]
    for attempt in task["attempts"]:
        phases = [(one["phase"], one["finished"]) for one in attempt["phases"]]
        assert phases[-1] == ("review", False)
    assert not is_on_main(project)
    assert task["branch"], "its work is kept"


@pytest.mark.parametrize("agent", ["codex", *in_matrix(["claude", "gemini", "aider"])])
def test_a_reviewer_is_asked_once_more_for_what_can_be_read(
    project: Project, tmp_path: Path, agent: str
) -> None:
    # An agent without sessions gets the whole prompt again.
    review = f'if test "$count" = 1; then echo LGTM; else {APPROVE}; fi'

    task = run(project, tmp_path / "home", agent, review, again=APPROVE)

    assert task["state"] == "landed", task
    assert len(task["attempts"]) == 1
    assert len((tmp_path / "home/reviews").read_text().split()) == 2
    assert is_on_main(project)

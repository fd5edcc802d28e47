"""Tests every phase of WorkflowMaster with the real agent against a scripted endpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import Endpoint, Reply, Say, Use, prompt_of, tool_results_of
from tests.agents.judgement import judge, make_plan
from tests.commandline import concertmaster
from tests.conftest import Project

pytest_plugins = ["tests.agents.fixtures"]
pytestmark = pytest.mark.claude

CHECK = "grep -q right answer.txt"


class Story:
    """A script in which the first change fails the check and the first review requests a change."""

    def __init__(self) -> None:
        self.phases: list[str] = []
        self.reviews = 0

    def __call__(self, body: dict[str, Any]) -> Reply:
        prompt = prompt_of(body)
        if "Review a change" in prompt:
            return Say("Done.") if tool_results_of(body) else self._review(prompt)
        if "Find out how the task" in prompt:
            return self._first(body, "research", make_plan("answer.txt"))
        if "bring the documentation" in prompt:
            return self._write(body, "document", "README.md", "# Answers are right\n")
        if "A reviewer of your change" in prompt:
            return self._write(body, "mend review", "answer.txt", "right, and polite\n")
        if "The check" in prompt and "failed" in prompt:
            return self._write(body, "mend check", "answer.txt", "right\n")
        return self._write(body, "implement", "answer.txt", "wrong\n")

    def _first(self, body: dict[str, Any], phase: str, text: str) -> Reply:
        self.phases.append(phase)
        return Say(text)

    def _review(self, prompt: str) -> Reply:
        self.reviews += 1
        self.phases.append(f"review {self.reviews}")
        if self.reviews == 1:
            return Use("StructuredOutput", judge(prompt, "request_changes", "be polite"))
        return Use("StructuredOutput", judge(prompt, "approve"))

    def _write(self, body: dict[str, Any], phase: str, path: str, content: str) -> Reply:
        if phase not in self.phases:
            self.phases.append(phase)
            return Use("Write", {"file_path": path, "content": content})
        return Say("Done.")


@pytest.mark.matrix
def test_a_red_check_and_a_review_send_the_work_back_until_it_is_right(
    project: Project, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    project.commit("Prompt", {"prompts/answer.md": "# Write the answer\n\nInto answer.txt.\n"})
    story = Story()
    endpoint.script = story
    environment = endpoint.environment(tmp_path / "home")
    environment["PATH"] = f"{claude_program.parent}:{environment['PATH']}"

    done = concertmaster(
        *("run", "prompts/answer.md", "--check", f"! test -e answer.txt || {CHECK}"),
        *("--phases", "full", "--json"),
        cwd=project.root,
        env=environment,
    )

    assert done.code == 0, done.out + done.err
    assert story.phases == [
        *("research", "implement", "mend check", "document", "review 1"),
        *("mend review", "review 2"),
    ]
    (task,) = done.document["tasks"]
    (attempt,) = task["attempts"]
    ran = [(one["phase"], one["finished"]) for one in attempt["phases"]]
    assert ran == [
        ("prepare", True),
        ("research", True),
        ("implement", True),
        ("test", False),
        ("implement", True),
        ("test", True),
        ("document", True),
        ("test", True),
        ("review", False),
        ("implement", True),
        ("test", True),
        ("review", True),
        ("deliver", True),
    ]
    assert project.git("show", "main:answer.txt") == "right, and polite"
    own = {one["session"] for one in attempt["phases"] if one["phase"] in ("implement", "document")}
    assert len(own) == 1
    reviews = [one["session"] for one in attempt["phases"] if one["phase"] == "review"]
    assert len({*reviews, *own}) == 3

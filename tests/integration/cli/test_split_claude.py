"""`concertmaster split` works with the real agent CLI, which can read and not write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import Endpoint, Fault, Reply, Say, Use, prompt_of, tool_results_of
from tests.commandline import Done, concertmaster
from tests.integration.cli.split_desk import LEXER, LIST, PARSER, WRITTEN, Desk

pytest_plugins = ["tests.agents.fixtures"]

SCHEMED: dict[str, Any] = {  # the schema requires every field
    "pieces": [{**LEXER, "touches": []}, {**PARSER, "touches": ["parser.py"]}],
    "whole": "",
}


def real(desk: Desk, endpoint: Endpoint, program: Path, home: Path, *arguments: str) -> Done:
    environment = endpoint.environment(home)
    environment["PATH"] = f"{program.parent}:{environment['PATH']}"
    return concertmaster(
        "split", "prompts/list.md", *arguments, cwd=desk.project.root, env=environment
    )


@pytest.mark.matrix
@pytest.mark.claude
def test_the_real_agent_splits_after_a_look_round_and_cannot_write(
    desk: Desk, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    def script(body: dict[str, Any]) -> Reply:
        steps: list[Reply] = [
            Use("Read", {"file_path": "a.txt"}),
            Use("Write", {"file_path": "junk.txt", "content": "junk"}),
            Use("StructuredOutput", SCHEMED),
        ]
        return [*steps, Say("Done.")][min(len(tool_results_of(body)), 3)]

    endpoint.script = script

    done = real(desk, endpoint, claude_program, tmp_path / "home", "--yes", "--json")

    assert done.code == 0, done.out + done.err
    assert desk.new_files == WRITTEN
    assert done.document["drafts"][1]["touches"] == ["parser.py"]
    assert done.document["usage"]["cost_usd"] > 0
    assert LIST in prompt_of(endpoint.turns[0])
    told = real(desk, endpoint, claude_program, tmp_path / "home", "--into", "again")
    assert "cost: $" in told.out
    assert "tokens: " in told.out


@pytest.mark.matrix
@pytest.mark.claude
def test_the_real_agent_is_asked_once_more_in_the_same_conversation(
    desk: Desk, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    told: list[str] = []

    def script(body: dict[str, Any]) -> Reply:
        # A resumed conversation sends the new prompt in one message with the last result of a tool.
        told.append(str(body["messages"][-1]["content"]))
        if "cannot be read" in told[-1]:
            return Use("StructuredOutput", SCHEMED)
        if len(told) > 1:
            return Say("Done.")
        climbing = [{**piece, "name": f"../{piece['name']}"} for piece in SCHEMED["pieces"]]
        return Use("StructuredOutput", {**SCHEMED, "pieces": climbing})

    endpoint.script = script

    done = real(desk, endpoint, claude_program, tmp_path / "home", "--yes")

    assert done.code == 0, done.out + done.err
    assert desk.new_files == WRITTEN
    (again,) = {words for words in told if "cannot be read" in words}
    assert "../lexer" in again
    assert "Write the parser on top of it" not in again


@pytest.mark.claude
def test_a_usage_limit_is_told_as_one(
    desk: Desk, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    endpoint.script = lambda _: Fault(429, "This request would exceed your rate limit")

    done = real(desk, endpoint, claude_program, tmp_path / "home", "--yes")

    assert done.code == 4, done.out + done.err
    assert "error: the agent has met a usage limit" in done.err
    assert (desk.new_files, desk.traces) == ([], [])

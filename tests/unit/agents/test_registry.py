"""Agents are found by name and get safe arguments and a limited environment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from concertmaster.agents.aider import Aider
from concertmaster.agents.catalog import KNOWN, find_agent
from concertmaster.agents.claude import Claude
from concertmaster.agents.codex import Codex
from concertmaster.agents.command import Command
from concertmaster.agents.copilot import Copilot
from concertmaster.agents.gemini import Gemini
from concertmaster.agents.opencode import Opencode
from concertmaster.agents.pi import Pi
from concertmaster.agents.protocol import Agent, AgentRequest, find_program
from concertmaster.errors import EnvironmentFault, UsageError

SESSION = "632624b1-6c13-49b1-aa46-2a260a6cc4bd"

AGENTS: tuple[Agent, ...] = (
    Claude("claude"),
    Codex("codex"),
    Gemini("gemini"),
    Aider("aider"),
    Opencode("opencode"),
    Copilot("copilot"),
    Pi("pi"),
    Command("cat"),
)


class TestCommandLines:
    def test_the_prompt_is_never_an_argument(self) -> None:
        request = AgentRequest(text="SECRET PROMPT")

        for agent in AGENTS:
            assert "SECRET" not in " ".join(agent.argv(request))

    def test_a_session_is_resumed_by_one_argument(self) -> None:
        assert (
            Claude("claude").argv(AgentRequest(text="", session=SESSION))[-1]
            == f"--resume={SESSION}"
        )
        assert not any("--resume" in word for word in Claude("claude").argv(AgentRequest(text="")))

    def test_a_command_is_run_by_the_shell(self) -> None:
        argv = Command("my-agent --fast | tee log").argv(AgentRequest(text=""))

        assert argv == ("/bin/sh", "-c", "my-agent --fast | tee log")

    def test_no_foreign_secret_is_let_through(self) -> None:
        for agent in AGENTS:
            assert not {"CLAUDECODE", "GITHUB_TOKEN", "GH_TOKEN", "PATH"} & agent.environment
        assert {"ANTHROPIC_API_KEY", "CLAUDE_CODE_OAUTH_TOKEN"} <= Claude("claude").environment
        assert not {"OPENAI_API_KEY", "GEMINI_API_KEY"} & Claude("claude").environment
        assert {"OPENAI_API_KEY", "CODEX_HOME"} <= Codex("codex").environment
        assert {"GEMINI_API_KEY", "GOOGLE_API_KEY"} <= Gemini("gemini").environment
        assert {"OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AIDER_MODEL"} <= Aider("aider").environment

    def test_claude_can_be_held_to_reading(self) -> None:
        argv = Claude("claude").argv(AgentRequest(text="", reads_only=True))

        assert argv[argv.index("--tools") + 1] == "Read,Grep,Glob,LS"
        assert argv[argv.index("--allowedTools") + 1] == "Read,Grep,Glob,LS"
        forbidden = argv[argv.index("--disallowedTools") + 1].split(",")
        assert {"Bash", "Edit", "Write", "NotebookEdit", "WebFetch", "SendMessage"} <= set(
            forbidden
        )
        assert "acceptEdits" not in argv

    def test_claude_gets_a_schema_and_a_model_only_where_there_is_one(self) -> None:
        argv = Claude("claude", "opus").argv(AgentRequest(text="", schema={"type": "object"}))

        assert json.loads(argv[argv.index("--json-schema") + 1]) == {"type": "object"}
        assert argv[argv.index("--model") + 1] == "opus"
        assert not {"--json-schema", "--model"} & set(Claude("claude").argv(AgentRequest(text="")))


def program_in(folder: Path, name: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / name
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return program


class TestFindAgent:
    @pytest.mark.parametrize("name", [*KNOWN][:-2])
    def test_it_is_started_by_its_absolute_path(self, tmp_path: Path, name: str) -> None:
        program = program_in(tmp_path, name)

        agent = find_agent(name, command="", path=f"/nowhere{os.pathsep}{tmp_path}")

        assert agent.argv(AgentRequest(text=""))[0] == str(program)

    @pytest.mark.parametrize("name", [*KNOWN][:-2])
    def test_a_missing_program_is_named_with_the_way_to_get_it(
        self, tmp_path: Path, name: str
    ) -> None:
        with pytest.raises(EnvironmentFault) as caught:
            find_agent(name, command="", path=str(tmp_path))

        assert f"the program `{name}` is not on PATH" in caught.value.why
        assert "install" in caught.value.why
        assert "--agent-command" in caught.value.next_step

    def test_a_program_of_the_repository_is_never_found(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        program_in(tmp_path, "claude")
        program_in(tmp_path / "bin", "claude")
        monkeypatch.chdir(tmp_path)

        for path in ("", ".", "bin", os.pathsep, f"bin{os.pathsep}."):
            assert find_program("claude", path) == ""

    def test_any_command_can_be_an_agent(self) -> None:
        assert find_agent("command", command="cat", path="") == Command("cat")

    @pytest.mark.parametrize(
        ("name", "command", "word"),
        [
            ("command", " ", "--agent-command"),
            ("cluade", "", "did you mean claude?"),
            ("codx", "", "did you mean codex?"),
            ("gemeni", "", "did you mean gemini?"),
            ("", "", "claude, codex, gemini, aider, opencode, copilot, pi, acp, command"),
        ],
    )
    def test_what_cannot_be_meant_is_a_usage_error(
        self, name: str, command: str, word: str
    ) -> None:
        with pytest.raises(UsageError) as caught:
            find_agent(name, command=command, path="/usr/bin")

        assert word in f"{caught.value.what} {caught.value.why} {caught.value.next_step}"

"""The agent `acp` is started by its bridge, with what the agent of its program gets."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given

from concertmaster.agents import acp_bridge
from concertmaster.agents.acp import Acp, AcpReader
from concertmaster.agents.acp_bridge import choose_mode, choose_option
from concertmaster.agents.catalog import find_agent
from concertmaster.agents.gemini import Gemini
from concertmaster.agents.opencode import Opencode
from concertmaster.agents.protocol import AgentRequest
from concertmaster.errors import EnvironmentFault, UsageError
from tests.unit.agents.agent_lines import check_reading, lines_of_messages
from tests.unit.agents.test_registry import program_in

READING = AgentRequest(text="SECRET", session="s1", reads_only=True)
OPTIONS = [{"optionId": "ever", "kind": "allow_always"}, {"optionId": "no", "kind": "reject_once"}]


def test_its_command_comes_after_what_the_bridge_is_told() -> None:
    argv = Acp(("/bin/gemini", "--acp"), model="m").argv(READING)

    assert argv == (
        *(sys.executable, "-I", "-S", acp_bridge.__file__),
        *("--reads-only", "--model=m", "--session=s1", "--", "/bin/gemini", "--acp"),
    )


def test_a_program_that_is_known_gets_what_its_own_agent_gets(tmp_path: Path) -> None:
    program_in(tmp_path, "opencode")

    found = find_agent("acp", command="opencode acp", path=str(tmp_path), model="p/m")

    assert isinstance(found, Acp)
    assert found.command == (str(tmp_path / "opencode"), "acp")
    assert found.environment == Opencode("").environment
    assert "OPENCODE_PERMISSION" in found.variables(READING)
    assert not found.tells_cost()


def test_an_unknown_program_gets_no_key(tmp_path: Path) -> None:
    program = program_in(tmp_path, "robin")

    found = find_agent("acp", command=f"{program} --acp 'a b'", path="/usr/bin")

    assert found.argv(AgentRequest(text=""))[-3:] == (str(program), "--acp", "a b")
    assert (found.environment, found.variables(READING)) == (frozenset(), {})
    assert Acp(("g",), known=Gemini("g")).environment


@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        ("", UsageError, "has no command"),
        ("gemini '", UsageError, "cannot be read"),
        ("gemini --acp", EnvironmentFault, "`gemini` of its command is not on PATH"),
        ("bin/gemini --acp", EnvironmentFault, "not on PATH"),
    ],
)
def test_a_command_that_cannot_run_is_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    error: type[Exception],
    words: str,
) -> None:
    program_in(tmp_path / "bin", "gemini")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error) as caught:
        find_agent("acp", command=command, path=str(tmp_path))

    told = caught.value
    assert isinstance(told, UsageError | EnvironmentFault)
    assert words in f"{told.what} {told.why}"
    assert "--agent-command" in told.next_step


@pytest.mark.parametrize(
    ("options", "may", "chosen"),
    [
        (OPTIONS, True, "ever"),
        ([*OPTIONS, {"optionId": "yes", "kind": "allow_once"}], True, "yes"),
        (OPTIONS, False, "no"),
        (OPTIONS[:1], False, ""),
        ("nonsense", True, ""),
    ],
)
def test_permission_is_given_for_once_if_that_is_offered(
    options: object, may: bool, chosen: str
) -> None:
    assert choose_option(options, may=may).get("optionId", "") == chosen


NEW = {"options": [{"value": "build"}, {"value": "plan"}], "id": "m", "category": "mode"}
OLD = {"availableModes": [{"id": "default"}, {"id": "plan"}, {"id": "read-only"}]}


@pytest.mark.parametrize(
    ("opened", "reads_only", "mode"),
    [
        ({"configOptions": [{**NEW, "currentValue": "build"}]}, True, "plan"),
        ({"configOptions": [{**NEW, "currentValue": "build"}]}, False, ""),
        ({"configOptions": [{**NEW, "currentValue": "plan"}]}, False, "build"),
        ({"modes": {**OLD, "currentModeId": "default"}}, True, "read-only"),
        ({"modes": {**OLD, "currentModeId": "read-only"}}, False, "default"),
        ({"modes": {**OLD, "currentModeId": "default"}}, False, ""),
        ({"modes": ["nonsense"], "configOptions": 7}, True, ""),
    ],
)
def test_a_phase_chooses_a_mode_and_leaves_that_of_an_earlier_phase(
    opened: dict[str, object], reads_only: bool, mode: str
) -> None:
    assert choose_mode(opened, reads_only=reads_only) == mode


@given(lines=lines_of_messages(["agent_message_chunk", "tool_call", "tool_call_update"]))
def test_no_output_whatever_breaks_the_reader(lines: list[bytes]) -> None:
    check_reading(AcpReader(session="s1", model="m"), lines)

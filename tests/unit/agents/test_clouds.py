"""Agents get the variables of a cloud only where that cloud is chosen."""

from __future__ import annotations

import pytest

from concertmaster.agents.aider import Aider
from concertmaster.agents.claude import Claude
from concertmaster.agents.clouds import (
    BEDROCK,
    CLOUDS,
    CREDENTIAL_FILES,
    FOUNDRY,
    VERTEX,
    Cloud,
    cloud_variables,
)
from concertmaster.agents.codex import Codex
from concertmaster.agents.gemini import Gemini
from concertmaster.agents.protocol import Agent
from concertmaster.sandbox.environment import ALLOWED_NAMES

CLAUDE, GEMINI = Claude("claude"), Gemini("gemini")


@pytest.mark.parametrize(
    ("agent", "switch", "cloud"),
    [
        (CLAUDE, "CLAUDE_CODE_USE_BEDROCK", BEDROCK),
        (CLAUDE, "CLAUDE_CODE_USE_VERTEX", VERTEX),
        (CLAUDE, "CLAUDE_CODE_USE_FOUNDRY", FOUNDRY),
        (GEMINI, "GOOGLE_GENAI_USE_VERTEXAI", VERTEX),
    ],
)
def test_a_switch_opens_its_cloud_and_no_other(agent: Agent, switch: str, cloud: Cloud) -> None:
    assert cloud_variables(agent.environment, {switch: "1"}) == cloud.variables
    assert cloud_variables(agent.environment, {switch: "0"}) == frozenset()
    assert cloud_variables(agent.environment, {}) == frozenset()


def test_a_switch_of_another_agent_opens_nothing() -> None:
    given = {"CLAUDE_CODE_USE_BEDROCK": "1"}

    assert cloud_variables(Aider("aider").environment, given) == frozenset()
    assert cloud_variables(GEMINI.environment, given) == frozenset()
    # The user names a switch in `agent_environment`.
    names = {*Aider("aider").environment, "CLAUDE_CODE_USE_BEDROCK"}
    assert cloud_variables(names, given) == BEDROCK.variables


def test_no_cloud_names_a_token_of_github() -> None:
    for cloud in CLOUDS:
        assert not any(name.startswith(("GITHUB_", "ACTIONS_", "GH_")) for name in cloud.variables)


def test_each_variable_that_names_a_file_reaches_an_agent() -> None:
    of_clouds = frozenset().union(*(cloud.variables for cloud in CLOUDS))

    known = ALLOWED_NAMES | of_clouds | CLAUDE.environment | Codex("codex").environment
    assert known >= CREDENTIAL_FILES

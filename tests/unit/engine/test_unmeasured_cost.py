"""A budget is refused where an agent does not tell its cost, unless that is allowed."""

from __future__ import annotations

import pytest

from concertmaster.agents.claude import Claude
from concertmaster.agents.codex import Codex
from concertmaster.agents.command import Command
from concertmaster.agents.copilot import Copilot
from concertmaster.agents.protocol import Agent
from concertmaster.engine.unmeasured_cost import check_budget
from concertmaster.errors import UsageError
from concertmaster.model import RunSettings
from concertmaster.settings.choices import UnmeasuredBudget

CODEX = Codex("codex")


@pytest.mark.parametrize("agent", [CODEX, Codex("codex", "no-such-model"), Copilot("copilot", "m")])
def test_a_budget_that_cannot_be_held_is_refused_and_may_be_allowed(agent: Agent) -> None:
    with pytest.raises(UsageError, match="does not tell its cost"):
        check_budget(RunSettings(agent="x", budget_usd=5.0), {"x": agent})
    allowed = RunSettings(agent="x", budget_usd=5.0, budget_unmeasured=UnmeasuredBudget.ALLOW)
    assert len(check_budget(allowed, {"x": agent})) == 1


@pytest.mark.parametrize("agent", [Claude("claude"), Codex("codex", "gpt-5-mini")])
def test_a_budget_that_can_be_held_is_not_spoken_of(agent: Agent) -> None:
    assert check_budget(RunSettings(agent="x", budget_usd=5.0), {"x": agent}) == ()


def test_without_a_budget_nothing_is_refused() -> None:
    assert check_budget(RunSettings(agent="x"), {"codex": CODEX}) == ()


def test_a_program_of_the_user_is_noted() -> None:
    (note,) = check_budget(RunSettings(agent="x", budget_usd=5.0), {"command": Command("true")})

    assert "does not count the cost of command" in note

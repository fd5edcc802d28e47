"""Fixtures for the tests with real agents, and the table of their outcomes."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.real_agents.programs import REAL_AGENTS, RealAgent

CELL = "cell of the table"
FOLDER = Path(__file__).parent
# Agents that wait in these take no processor, so they are begun first.
WAITING = ("no network", "limit")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests first in which agents mostly wait."""
    items.sort(
        key=lambda item: (
            item.path.parent != FOLDER or not any(word in item.name for word in WAITING)
        )
    )


@pytest.fixture(params=REAL_AGENTS, ids=lambda agent: agent.name)
def agent(request: pytest.FixtureRequest) -> RealAgent:
    found: RealAgent = request.param
    if found.name == "aider" and sys.version_info >= (3, 13) and not found.program.exists():
        pytest.skip("aider needs a Python before 3.13")
    if not found.program.exists():
        pytest.fail(f"There is no {found.program}. Run `make agents`.", pytrace=False)
    return found


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what each agent came to in each case."""
    table: dict[str, dict[str, str]] = defaultdict(dict)
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, cell in getattr(report, "user_properties", ()):
                if name == CELL and getattr(report, "when", "") == "call":
                    case, agent, words = cell
                    sign = "" if report.passed else " (WRONG)"
                    table[case][agent] = words + sign
    for case, row in sorted(table.items()):
        terminalreporter.write_line(f"{case}:")
        for agent, words in sorted(row.items()):
            terminalreporter.write_line(f"  {agent:<10}{words}")

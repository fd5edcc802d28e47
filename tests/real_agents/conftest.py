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
# Agents that wait in these take no processor, so each of them runs beside two that work.
WAITING = ("no network", "limit")
# These start an agent most often, so they are begun first.
LONG = ("acp: a", "all_phases", "reviewer", "prose")
BESIDE = 2


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put tests in which agents mostly wait among the others, long ones first."""
    own = [item for item in items if item.path.parent == FOLDER]
    waiting = [item for item in own if any(word in item.name for word in WAITING)]
    working = [item for item in own if item not in waiting]
    working.sort(key=lambda item: not any(word in item.name for word in LONG))
    mixed: list[pytest.Item] = []
    for number, item in enumerate(waiting):
        mixed += [item, *working[number * BESIDE : (number + 1) * BESIDE]]
    mixed += working[len(waiting) * BESIDE :]
    items[:] = [*mixed, *(item for item in items if item not in own)]


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

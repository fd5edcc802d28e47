"""README, the documents and `doctor` name the agent versions that the lock files pin."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path

import pytest

from concertmaster.agents.catalog import KNOWN
from concertmaster.agents.known_facts import FACTS

ROOT = Path(__file__).parents[3]
# The claude of the tests is also that of the image.
FOLDERS = {name: ROOT / "image" / name for name in FACTS} | {"claude": ROOT / "tests" / "claude"}


@cache
def locked_version(agent: str) -> str:
    """Return the version of the agent's program in its lock file."""
    if agent == "aider":
        found = re.search(
            r"^aider-chat==(\S+)", (FOLDERS[agent] / "aider.lock").read_text(), re.MULTILINE
        )
        assert found
        return found[1]
    wanted = json.loads((FOLDERS[agent] / "package.json").read_text())
    ((package, version),) = {
        **wanted.get("dependencies", {}),
        **wanted.get("optionalDependencies", {}),
    }.items()
    lock = json.loads((FOLDERS[agent] / "package-lock.json").read_text())
    assert lock["packages"][f"node_modules/{package}"]["version"] == version
    return str(version)


def test_each_agent_has_its_facts() -> None:
    assert {*FACTS} == {*KNOWN} - {"acp", "command"}


@pytest.mark.parametrize("agent", FACTS)
def test_the_documents_name_the_locked_version(agent: str) -> None:
    version = locked_version(agent)
    table = (ROOT / "docs" / "agents.md").read_text()

    row = next(line for line in table.splitlines() if line.startswith(f"| `{agent}` |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[2] == version
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", cells[3])
    others = cells[4].split(", ") if cells[4] else []
    assert sorted([version, *others]) == sorted(FACTS[agent].tried)
    readme = " ".join((ROOT / "README.md").read_text().split())
    assert f"{agent} {version}" in readme
    assert cells[3] in readme

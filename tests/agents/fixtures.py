"""Fixtures for tests with the real claude; test modules load them through `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agents.endpoint import CLAUDE_FOLDER, Endpoint, Say, one_by_one


@pytest.fixture(scope="session")
def claude_program() -> Path:
    program = CLAUDE_FOLDER / "claude"
    if not program.exists():
        pytest.fail(f"There is no {program}. Run `make claude`.", pytrace=False)
    return program


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """An endpoint that answers "Done." until the test sets another script."""
    with Endpoint(one_by_one(Say("Done."))) as endpoint:
        yield endpoint

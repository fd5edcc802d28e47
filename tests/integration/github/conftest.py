"""Fixtures of the tests that call the double of GitHub through a client."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.github import client
from concertmaster.github.connection import Connection
from concertmaster.github.issues import IssueClient
from tests.action.workflow import BentClock
from tests.github.double import Double
from tests.github.faults import Effect
from tests.github.state import Repository

BRANCH = "concertmaster/run/fruit"
FINALIZE = dict.fromkeys(("contents", "issues", "pull_requests", "actions"), "write")
WORKFLOW = """\
on:
  workflow_dispatch:
    inputs:
      run:
      round:
"""
LOST = (Effect.BAD_GATEWAY_BEFORE, Effect.BAD_GATEWAY_AFTER, Effect.TIMEOUT_AFTER)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 1)


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    """Run the double; a test fails if it leaves violations of GitHub's description."""
    with Double(tmp_path) as running:
        yield running
    assert running.violations == []


@pytest.fixture
def repository(double: Double) -> Repository:
    made = double.add_repository("ada/opera")
    double.commit(made, "main", {"a.txt": "a\n", ".github/workflows/orchestrate.yml": WORKFLOW})
    return made


@pytest.fixture
def head(double: Double, repository: Repository) -> str:
    """Push one commit to our branch and return its id."""
    return push(double, repository, BRANCH, {"fruit.txt": "apple\n"})


@pytest.fixture
def clock(double: Double) -> BentClock:
    return BentClock(double.clock)


@pytest.fixture
def issue_client(double: Double, repository: Repository, clock: BentClock) -> IssueClient:
    return make_forge(double, repository, clock)


def make_forge(double: Double, repository: Repository, clock: BentClock) -> IssueClient:
    return IssueClient(
        Connection(
            url=double.url,
            repository=repository.full_name,
            token=double.workflow_token(repository, FINALIZE),
        ),
        clock=clock,
    )


def push(double: Double, repository: Repository, branch: str, files: dict[str, str | None]) -> str:
    git = double.git(repository)
    if git.branch(branch) is None:
        git.update({f"refs/heads/{branch}": (git.branch("main") or "", None)})
    return double.commit(repository, branch, files)

"""Provides a repository on the GitHub double with prompts and a user who may write."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.action.repository import Scene
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.people import Role, User
from tests.github.state import Repository

PLAN_PERMISSIONS = {"contents": "read", "issues": "write"}
SETTINGS = "check: sh check.sh\nagent_command: sh agent.sh\n"


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    """A GitHub double. Each request has to fit GitHub's API description."""
    with Double(tmp_path / "hosting") as running:
        yield running
    assert running.violations == []


@pytest.fixture
def repository(double: Double) -> Repository:
    return make_repository(double)


def make_repository(double: Double) -> Repository:
    made = double.add_repository("ada/opera")
    files = {f"prompts/{name}.md": f"# Write {name}.txt\n" for name in ("apple", "pear", "plum")}
    files["prompts/plum.md"] = "---\nneeds: [pear.md]\n---\n# Write plum.txt\n"
    double.commit(made, "main", {"concertmaster.yml": SETTINGS, "check.sh": "true\n", **files})
    return made


@pytest.fixture
def eve(double: Double, repository: Repository) -> User:
    """A user who may write to the repository."""
    return make_writer(double, repository)


def make_writer(double: Double, repository: Repository) -> User:
    user = double.add_user("Eve")
    double.give_role(repository, user, Role.WRITE)
    return user


@pytest.fixture
def token(double: Double, repository: Repository) -> str:
    return double.workflow_token(repository, PLAN_PERMISSIONS)


@pytest.fixture
def comment(
    double: Double, repository: Repository, eve: User, token: str, tmp_path: Path
) -> Callable[..., Workflow]:
    """A function that comments on a new issue and returns the workflow that this starts."""

    def start(
        body: str, *, issue_body: str = "", user: User | None = None, **more: Any
    ) -> Workflow:
        issue = double.open_issue(repository, user=eve, title="Fruit", body=issue_body)
        written = double.comment(repository, issue, user=user or eve, body=body)
        payload = double.comment_event(repository, issue, written)
        return Workflow(
            double=double,
            repository=repository,
            folder=tmp_path / f"workflow-{written.id}",
            token=token,
            event="issue_comment",
            payload=payload,
            **more,
        )

    return start


@pytest.fixture
def scene(double: Double, repository: Repository, eve: User, token: str, tmp_path: Path) -> Scene:
    return Scene(double=double, repository=repository, eve=eve, token=token, folder=tmp_path)

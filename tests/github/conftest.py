"""Provides a double for each test, with one repository and two client libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import github
import github3  # type: ignore[import-untyped]
import pytest
from github.Repository import Repository as Client

from tests.github.double import Double
from tests.github.people import Role, User
from tests.github.state import Issue, Pull, Repository

WORKFLOW = """\
on:
  workflow_dispatch:
    inputs:
      run:
        required: true
      round:
        required: true
"""
ALL = dict.fromkeys("contents issues pull_requests actions checks statuses".split(), "write")


@pytest.fixture
def double(tmp_path: Path) -> Iterator[Double]:
    """Run the double; a test fails if it leaves violations of GitHub's description."""
    with Double(tmp_path / "hosting") as running:
        yield running
    assert running.violations == []


@pytest.fixture
def repository(double: Double) -> Repository:
    made = double.add_repository("ada/opera")
    double.commit(made, "main", {"a.txt": "a\n", ".github/workflows/orchestrate.yml": WORKFLOW})
    return made


@pytest.fixture
def ada(repository: Repository) -> User:
    return repository.owner


@pytest.fixture
def eve(double: Double, repository: Repository) -> User:
    """Return a user who may write."""
    user = double.add_user("Eve")
    double.give_role(repository, user, Role.WRITE)
    return user


@pytest.fixture
def token(double: Double, repository: Repository) -> str:
    """Return a workflow's token with all permissions."""
    return double.workflow_token(repository, ALL)


@pytest.fixture
def connect(double: Double, repository: Repository) -> Callable[[str], Client]:
    """Return a function that opens the repository with PyGithub and a token."""

    def open_client(token: str) -> Client:
        api = github.Github(
            auth=github.Auth.Token(token),
            base_url=double.url,
            retry=None,
            seconds_between_requests=0,
            seconds_between_writes=0,
            per_page=100,
            lazy=True,
        )
        return api.get_repo(repository.full_name)

    return open_client


@pytest.fixture
def client(connect: Callable[[str], Client], token: str) -> Client:
    return connect(token)


@pytest.fixture
def reader(double: Double, token: str) -> Any:
    """Return a client of github3.py, which has no types."""
    session = github3.session.GitHubSession()
    session.base_url = double.url
    session.token_auth(token)
    return github3.GitHub(session=session)


@pytest.fixture
def make_pull(
    double: Double, repository: Repository, client: Client
) -> Callable[..., tuple[Issue, Pull]]:
    """Return a function that makes a branch from main with the files, and its pull request."""

    def make(branch: str, files: dict[str, str | None]) -> tuple[Issue, Pull]:
        tip = double.git(repository).branch("main")
        double.git(repository).update({f"refs/heads/{branch}": (tip or "", None)})
        double.commit(repository, branch, files)
        number = client.create_pull(base="main", head=branch, title=f"Add {branch}").number
        issue = repository.issues[number]
        assert issue.pull
        return issue, issue.pull

    return make

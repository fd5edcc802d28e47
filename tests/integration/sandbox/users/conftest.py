"""Fixtures and helpers of the tests that run commands as users of their own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.sandbox.environment import shell_argv
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.supervisor import Guard, end_users
from concertmaster.sandbox.users import Accounts
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Snapshot, Worktree
from tests.conftest import Project
from tests.isolation import make_open_folder

tmp_path = pytest.fixture(make_open_folder)

AT = 1_700_000_000
PATH = {"PATH": os.defpath}


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard() as guard:
        yield guard


@pytest.fixture(scope="module")
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def run(project: Project, tmp_path: Path) -> RunRepository:
    project.commit("Ignore", {".gitignore": "*.ignored\n"})
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


@pytest.fixture
def worktrees(
    run: RunRepository, project: Project, tmp_path: Path, accounts: Accounts
) -> Worktrees:
    cache = tmp_path / "cache"
    return Worktrees(run, user=project.open(), cache=cache, run="r1", accounts=accounts)


@pytest.fixture
def base(run: RunRepository, project: Project) -> str:
    return project.git("rev-parse", "HEAD")


Make = Callable[[], Worktree]


@pytest.fixture
def make(worktrees: Worktrees, base: str) -> Iterator[Make]:
    made: list[Worktree] = []

    def make() -> Worktree:
        number = len(made) + 1
        made.append(worktrees.create(base, task="task", attempt=number, branch="concertmaster/r/t"))
        return made[-1]

    yield make
    end_users([one.owner.uid for one in made])


Do = Callable[..., Exit]


@pytest.fixture
def do(guard: Guard, tmp_path: Path) -> Do:
    """Return a function that runs a script in a worktree as its user and appends to the log."""

    def do(worktree: Worktree, script: str, *, timeout_seconds: float | None = None) -> Exit:
        return guard.run(
            shell_argv(script),
            mark=f"isolation/{worktree.owner.uid}",
            cwd=worktree.files,
            env={**PATH, "HOME": str(worktree.home), "TMPDIR": str(worktree.temporary)},
            log=tmp_path / "logs" / "log",
            timeout_seconds=timeout_seconds,
            account=worktree.account,
        )

    return do


def log(folder: Path) -> str:
    return (folder / "logs" / "log").read_text()


def snap(worktree: Worktree, base: str) -> Snapshot:
    return worktree.snapshot(parent=base, message="Snapshot", at=AT)


def changed(run: RunRepository, base: str, snapshot: Snapshot) -> set[str]:
    return {change.path for change in run.changes(base, snapshot.commit)}

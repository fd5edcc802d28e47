"""Fixtures of a run's repository and the worktree of one attempt."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import BRANCH


@pytest.fixture
def run(project: Project, tmp_path: Path) -> RunRepository:
    project.commit("Ignore", {".gitignore": "*.ignored\n.venv/\n"})
    project.git("tag", "light")
    project.git("tag", "--annotate", "--message=one", "heavy")
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


@pytest.fixture
def worktrees(run: RunRepository, project: Project, tmp_path: Path) -> Worktrees:
    return Worktrees(run, user=project.open(), cache=tmp_path / "cache", run="r1")


@pytest.fixture
def base(run: RunRepository, project: Project) -> str:
    return project.git("rev-parse", "HEAD")


@pytest.fixture
def worktree(worktrees: Worktrees, base: str) -> Worktree:
    return worktrees.create(base, task="task", attempt=1, branch=BRANCH)

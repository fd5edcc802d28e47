"""Provides a job that bundles commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Project
from tests.integration.rounds.bundle_job import Job


@pytest.fixture
def job(project: Project, tmp_path: Path) -> Job:
    return Job(project, tmp_path / "jobs")

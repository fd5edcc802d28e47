"""Provides a planned run to watch; a test module asks for it by `pytest_plugins`."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from concertmaster.action.plan.job import plan as run_plan
from tests.action.watching import FILE, LIST, Stage
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.people import User
from tests.github.state import Repository


@pytest.fixture
def stage(
    double: Double, repository: Repository, eve: User, comment: Callable[..., Workflow]
) -> Stage:
    run = double.add_run(repository, FILE, event="issue_comment", actor=eve)
    workflow = comment("/orchestrate", issue_body=LIST, number=run.id)
    assert run_plan(workflow.job(slots=1)) == 0
    double.set_job(run, "orchestrate / plan", status="completed", conclusion="success")
    double.set_job(run, "orchestrate / work (0)", status="in_progress")
    double.set_job(run, "orchestrate / work (1)", status="queued")
    return Stage(double=double, repository=repository, run=run, user=eve)

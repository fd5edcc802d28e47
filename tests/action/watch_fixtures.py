"""Provides a planned run to watch; a test module asks for it by `pytest_plugins`."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

import pytest

from concertmaster.action.plan.job import plan as run_plan
from tests.action.conftest import PLAN_PERMISSIONS, make_repository, make_writer
from tests.action.watching import FILE, LIST, Stage
from tests.action.workflow import Workflow
from tests.conftest import set_home
from tests.github.double import Double
from tests.github.store import Store

COPIED = ("users", "tokens", "repositories", "actions_app")


@pytest.fixture(scope="session")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Double:
    """A double on which a run was planned; each test gets a copy, as planning takes long."""
    folder = tmp_path_factory.mktemp("planned")
    with pytest.MonkeyPatch.context() as patch, Double(folder / "hosting") as double:
        set_home(folder, patch)
        repository = make_repository(double)
        eve = make_writer(double, repository)
        run = double.add_run(repository, FILE, event="issue_comment", actor=eve)
        issue = double.open_issue(repository, user=eve, title="Fruit", body=LIST)
        written = double.comment(repository, issue, user=eve, body="/orchestrate")
        workflow = Workflow(
            double=double,
            repository=repository,
            folder=folder / "workflow",
            token=double.workflow_token(repository, PLAN_PERMISSIONS),
            event="issue_comment",
            payload=double.comment_event(repository, issue, written),
            number=run.id,
        )
        assert run_plan(workflow.job(slots=1)) == 0
        double.set_job(run, "orchestrate / plan", status="completed", conclusion="success")
        double.set_job(run, "orchestrate / work (0)", status="in_progress")
        double.set_job(run, "orchestrate / work (1)", status="queued")
    assert double.violations == []
    return double


@pytest.fixture
def stage(planned: Double, tmp_path: Path) -> Iterator[Stage]:
    with Double(tmp_path / "hosting") as double:
        double.clock.advance(planned.clock.seconds() - double.clock.seconds())
        _copy(planned.store, double.store)
        (repository,) = double.store.repositories.values()
        (run,) = repository.runs
        eve = double.store.user("Eve")
        assert eve
        yield Stage(double=double, repository=repository, run=run, user=eve)
    assert double.violations == []


def _copy(old: Store, new: Store) -> None:
    """Copy the state. The texts in it still name the address of the old double."""
    shutil.copytree(old.folder, new.folder, dirs_exist_ok=True)
    for name, value in deepcopy({name: getattr(old, name) for name in COPIED}).items():
        setattr(new, name, value)
    for repository in new.repositories.values():
        repository.folder = new.folder / repository.folder.relative_to(old.folder)
    last = old.new_id()
    while new.new_id() < last:
        pass

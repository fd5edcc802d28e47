"""Fixtures: one engine and image for all tests; a GitHub and a stage for each test."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from tests.agents.endpoint import Endpoint
from tests.e2e.engine import ROOT, CannotRun, Engine, running
from tests.e2e.local_release import (
    SELF,
    Permissions,
    edit,
    parse_workflow,
    publish,
    replacements,
)
from tests.e2e.repository import CALLER, Model, Stage
from tests.e2e.runner import Runner
from tests.e2e.screenshots import KEPT, keep
from tests.github.double import Double
from tests.github.people import Role
from tests.isolation import make_open_folder

IMAGE = "localhost/concertmaster-agents:e2e"
SMALL_IMAGE = "localhost/concertmaster:e2e"
AGENT = {"CLAUDE_CODE_MAX_RETRIES": "0", "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1"}
KEY = "no-real-key-for-the-tests"
OTHER_KEY = "another-key-that-no-claude-is-given"

tmp_path = pytest.fixture(make_open_folder)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    try:
        with running() as engine:
            yield engine
    except CannotRun as reason:
        if os.environ.get("CI"):
            pytest.fail(str(reason), pytrace=False)
        pytest.skip(str(reason))


@pytest.fixture(scope="session")
def small_image(engine: Engine) -> str:
    """The image of the jobs that plan and write."""
    engine.build(ROOT, SMALL_IMAGE, "--target", "concertmaster")
    return SMALL_IMAGE


@pytest.fixture(scope="session")
def image(engine: Engine, small_image: str) -> str:
    """The image of the jobs that run agents. Tests that use it find the small one as well."""
    engine.build(ROOT, IMAGE)
    return IMAGE


@pytest.fixture(scope="session", autouse=True)
def kept() -> Path:
    """The empty folder for files that people look at after this session."""
    shutil.rmtree(KEPT, ignore_errors=True)
    KEPT.mkdir(parents=True)
    return KEPT


Built = Callable[..., Stage]


@pytest.fixture
def build_stage(engine: Engine, image: str, small_image: str, tmp_path: Path) -> Iterator[Built]:
    """A function that makes a repository with given files and one of our examples as workflow.

    `text` is another workflow in its place, `action` what it calls our action.
    """
    model = Model()
    stages: dict[str, Stage] = {}
    with Double(tmp_path / "hosting") as double, Endpoint(model) as endpoint:

        def build(
            name: str,
            files: Mapping[str, str],
            *,
            example: str = "minimal.yml",
            jobs: frozenset[str] | None = None,
            options: Mapping[str, object] | None = None,
            text: str = "",
            action: str = SELF,
        ) -> Stage:
            repository = double.add_repository(f"ada/{name}")
            repository.allow_pulls_by_actions = True
            text = text or (ROOT / "examples" / example).read_text()
            double.commit(repository, "main", {**files, CALLER: text})
            eve = double.store.user("Eve") or double.add_user("Eve")
            double.give_role(repository, eve, Role.WRITE)

            def token(permissions: Permissions) -> str:
                given = {key.replace("-", "_"): word for key, word in permissions.items()}
                return double.workflow_token(repository, given)

            folder = tmp_path / name
            publish(folder / "edition", (small_image, image), token=token, only=jobs)
            caller = edit(parse_workflow(text), token=token)
            if jobs and jobs <= caller["jobs"].keys():
                caller["jobs"] = {name: caller["jobs"][name] for name in jobs}
            if options:
                caller["jobs"]["orchestrate"]["with"].update(options)
            (folder / "caller.yml").write_text(yaml.safe_dump(caller, sort_keys=False))
            stage = Stage(
                double=double,
                repository=repository,
                runner=Runner(
                    engine=engine,
                    image=engine.base,
                    actions={**replacements(folder / "edition"), action: folder / "edition"},
                    environment=AGENT,
                    secrets={"ANTHROPIC_API_KEY": KEY, "OPENAI_API_KEY": OTHER_KEY},
                ),
                endpoint=endpoint,
                model=model,
                folder=folder,
                eve=eve,
                workflow=folder / "caller.yml",
            )
            stages[name] = stage
            return stage

        yield build
        for name, stage in stages.items():
            keep(stage, KEPT / name)
        assert double.violations == []


def git(stage: Stage, *args: str) -> str:
    """Return the output of git in the bare repository of the stage."""
    folder = stage.double.git(stage.repository).folder
    done = subprocess.run(("git", *args), cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()

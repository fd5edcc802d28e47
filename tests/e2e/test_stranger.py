"""What a stranger has: the files that `init` writes, and the examples, run up to the plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import concertmaster
from tests.conftest import Project
from tests.e2e.conftest import Built
from tests.e2e.local_release import NAME
from tests.e2e.planned import FILES, PLAN, check_planned
from tests.e2e.repository import CALLER

pytestmark = pytest.mark.e2e

OTHER = "someone/else@v9"


def test_the_workflow_that_init_writes_for_another_owner_plans_a_run(
    build_stage: Built, tmp_path: Path
) -> None:
    project = Project(tmp_path / "clone")
    options = ("--github", "--action", OTHER, "--check", "sh check.sh", "--no-try")
    told = concertmaster("init", *options, cwd=project.root)
    assert told.code == 0, told
    text = (project.root / CALLER).read_text()
    assert NAME.partition("/")[0] not in text

    stage = build_stage("stranger", FILES, text=text, action=OTHER, jobs=PLAN)
    check_planned(stage.ask(stage.open_issue("apple")))


# `other-agents.yml` has one job, in an image that its user builds.
@pytest.mark.parametrize("example", ["monorepo.yml", "host.yml", "own-image.yml"])
def test_an_example_plans_a_run(build_stage: Built, example: str) -> None:
    stage = build_stage(example.removesuffix(".yml"), FILES, example=example, jobs=PLAN)
    check_planned(stage.ask(stage.open_issue("apple")))

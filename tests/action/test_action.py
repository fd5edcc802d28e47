"""Tests the jobs as Actions starts them: as a program with variables and files."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.action.test_plan import LIST
from tests.action.workflow import Workflow
from tests.commandline import concertmaster
from tests.github.state import Repository


def variables(workflow: Workflow, **inputs: str) -> dict[str, str]:
    """Return the job's variables. Inputs that the workflow file does not name are set and empty."""
    names = (
        "label allowed_bots prompts issue run round share slots max_parallel job_minutes".split()
    )
    empty = {f"INPUT_{name.upper()}": "" for name in names}
    given = {f"INPUT_{name.upper()}": value for name, value in inputs.items()}
    common = {name: str(value) for name, value in workflow.variables().items()}
    return {**empty, **common, "INPUT_GITHUB_TOKEN": workflow.token, **given}


@pytest.mark.matrix
def test_the_plan_job_is_a_program_that_reads_variables_and_writes_outputs(
    comment: Callable[..., Workflow], repository: Repository
) -> None:
    body = "- prompts/apple.md\n- prompts/pear.md\n"
    workflow = comment("/orchestrate", issue_body=body)
    given = variables(workflow, max_parallel="2", slots="1")
    done = concertmaster("action", "plan", cwd=workflow.folder.parent, env=given, is_fresh=True)
    assert done.code == 0, done.out + done.err
    assert workflow.outputs["shares"] == "[0, 1]"
    assert len(repository.issues) == 3
    assert "Plan of run" in (workflow.folder / "summary.md").read_text()
    assert workflow.token not in done.out + done.err


def test_an_input_that_cannot_be_used_is_named(comment: Callable[..., Workflow]) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    bad = variables(workflow, slots="many")
    done = concertmaster("action", "plan", cwd=workflow.folder.parent, env=bad)
    assert done.code == 2
    assert "the input `slots` cannot be used" in done.err


def test_a_job_without_its_variables_says_where_it_belongs(
    comment: Callable[..., Workflow],
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    lost = {**variables(workflow), "RUNNER_TEMP": ""}
    done = concertmaster("action", "plan", cwd=workflow.folder.parent, env=lost)
    assert done.code == 3
    assert "RUNNER_TEMP is not set" in done.err


def test_a_job_that_cannot_write_says_how_a_job_is_begun_again(
    comment: Callable[..., Workflow],
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    full = workflow.folder.parent / "no-folder"
    full.write_text("")
    lost = {**variables(workflow), "RUNNER_TEMP": str(full)}
    done = concertmaster("action", "plan", cwd=workflow.folder.parent, env=lost)
    assert done.code == 3
    assert "/orchestrate retry" in done.err
    assert "resume" not in done.err

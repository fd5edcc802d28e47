"""Tests that a plan on GitHub stops where the base needs a filter of somebody's machine."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.errors import EnvironmentFault
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.state import Repository

LIST = "- prompts/apple.md\n"
SOPS = '{"token": "ENC[AES256_GCM,data:x]"}'


@pytest.mark.parametrize(
    ("name", "content"), [("git-crypt", "\0GITCRYPT\0x"), ("secrets", SOPS), ("crypt", "token")]
)
def test_a_base_whose_files_are_encrypted_is_not_planned(
    comment: Callable[..., Workflow],
    repository: Repository,
    double: Double,
    name: str,
    content: str,
) -> None:
    files = {".gitattributes": f"*.env filter={name}\n", "a.env": content}
    double.commit(repository, "main", files)
    workflow = comment("/orchestrate", issue_body=LIST)
    with pytest.raises(EnvironmentFault) as caught:
        run_plan(workflow.job())
    assert f"need the filter {name}, which is not set up" in str(caught.value)
    assert "run it on your machine: concertmaster run" in caught.value.next_step
    assert workflow.outputs["count"] == "0"
    assert len(repository.issues) == 1  # no issue of a task
    assert f"the filter {name}" in repository.issues[1].comments[-1].body


def test_a_filter_that_encrypts_nothing_is_noted_in_the_plan(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    double.commit(repository, "main", {".gitattributes": "*.ipynb filter=nbstripout\n"})
    workflow = comment("/orchestrate", issue_body=LIST)
    assert run_plan(workflow.job()) == 0
    texts = [one.body for one in repository.issues[1].comments]
    assert any("the filter nbstripout is not set up here" in text for text in texts)

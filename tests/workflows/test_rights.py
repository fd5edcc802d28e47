"""Permissions of jobs: all that a job needs and no others."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.action.rounds import PERMISSIONS
from tests.workflows.files import EXAMPLES, NAME, WORKFLOWS, File

NEEDED = {
    job: {name.replace("_", "-"): level for name, level in given.items()}
    for job, given in PERMISSIONS.items()
}
FILES = (*WORKFLOWS.values(), *EXAMPLES.values())
LEVELS = ("none", "read", "write")
FOUR = ("plan", "work", "verify", "finalize")


def joined(*jobs: str) -> dict[str, str]:
    """Return the permissions that a caller of all these jobs needs."""
    found: dict[str, str] = {}
    for job in jobs:
        for name, level in NEEDED[job].items():
            found[name] = max(found.get(name, "none"), level, key=LEVELS.index)
    return found


def permissions(file: File, job: str) -> dict[str, str]:
    found: dict[str, str] = file.jobs[job]["permissions"]
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_is_allowed_that_a_job_does_not_ask_for(file: File) -> None:
    assert file.yaml["permissions"] == {}
    assert [name for name, job in file.jobs.items() if "permissions" not in job] == []


@pytest.mark.parametrize("name", ["own-image", "host"])
def test_the_jobs_written_out_have_what_they_need(name: str) -> None:
    assert {job: permissions(EXAMPLES[name], job) for job in FOUR} == {
        job: NEEDED[job] for job in FOUR
    }


def test_the_jobs_of_the_workflows_have_what_they_need() -> None:
    assert {job: permissions(WORKFLOWS["orchestrate"], job) for job in FOUR} == {
        job: NEEDED[job] for job in FOUR
    }
    assert permissions(WORKFLOWS["control"], "control") == NEEDED["control"]


def test_only_the_job_with_agents_may_prove_its_identity() -> None:
    federated = {job: permissions(WORKFLOWS["orchestrate-federated"], job) for job in FOUR}
    assert federated["work"].pop("id-token") == "write"
    assert federated == {job: NEEDED[job] for job in FOUR}


@pytest.mark.parametrize("file", EXAMPLES.values(), ids=lambda file: file.name)
def test_a_caller_gives_what_the_jobs_inside_need(file: File) -> None:
    """GitHub refuses a called workflow that asks for more than its caller has."""
    if "orchestrate" in file.jobs:
        assert permissions(file, "orchestrate") == joined(*FOUR)
    if "control" in file.jobs:
        assert permissions(file, "control") == NEEDED["control"]


def app_tokens(name: str) -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Return each step that makes the token of an App, with its job and what it asks for."""
    return [
        (
            job,
            step,
            {
                key.removeprefix("permission-"): level
                for key, level in step["with"].items()
                if key.startswith("permission-")
            },
        )
        for job, step in WORKFLOWS[name].steps()
        if "create-github-app-token" in step.get("uses", "")
    ]


@pytest.mark.parametrize("name", ["orchestrate", "orchestrate-federated", "control"])
def test_the_token_of_an_app_can_do_no_more_than_the_one_of_the_job(name: str) -> None:
    asked = {job: given for job, step, given in app_tokens(name) if "id" in step}
    wanted = ("control",) if name == "control" else ("plan", "finalize")
    assert asked == {job: NEEDED[job] for job in wanted}


@pytest.mark.parametrize("name", ["orchestrate", "orchestrate-federated"])
def test_an_app_that_lacks_what_finalize_needs_fails_before_agents_work(name: str) -> None:
    """A step without an id: no other step can take its token."""
    tried = [(job, given) for job, step, given in app_tokens(name) if "id" not in step]
    assert tried == [("plan", NEEDED["finalize"])]
    uses = [
        step.get("uses", "").partition("@")[0] for step in WORKFLOWS[name].jobs["plan"]["steps"]
    ]
    assert uses.index("$/trusted") > len(tried)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_only_the_job_that_runs_agents_has_their_keys(file: File) -> None:
    for job, step in _steps(file):
        found = {*re.findall(r"secrets\.(\w+)", str(step).lower())}
        keys = found - {"token", "app_private_key"}
        assert not keys or job in ("work", "orchestrate"), job
        assert job != "work" or not found - keys, "no token that can write where agents run"


def _steps(file: File) -> list[tuple[str, Any]]:
    """Return the steps, and the jobs that call a workflow, with their names."""
    jobs = [(name, job) for name, job in file.jobs.items() if "uses" in job]
    assert not any("secrets." in str(job.get("env")) for job in file.jobs.values())
    return [*file.steps(), *jobs]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_job_that_checks_forks_has_no_secret_and_cannot_write(file: File) -> None:
    """`verify` runs the check on what `/orchestrate land` names, and that may be a fork."""
    if "verify" in file.jobs:
        assert permissions(file, "verify") == {"contents": "read"}
        assert "secrets" not in str(file.jobs["verify"]).lower()


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_no_workflow_hands_on_all_secrets(file: File) -> None:
    assert [name for name, job in file.jobs.items() if job.get("secrets") == "inherit"] == []


def test_what_can_write_is_never_on_the_machine_of_the_agents() -> None:
    jobs = WORKFLOWS["orchestrate"].jobs
    for name in FOUR:
        runs_on = {*re.findall(r"inputs\.(\w+)", jobs[name]["runs-on"])}
        assert runs_on == ({"runs_on"} if name in ("work", "verify") else {"trusted_runs_on"})


def test_examples_take_the_action_where_the_token_can_write() -> None:
    """A user's own image may only get the token of `work` and `verify`, which reads."""
    for job, step in EXAMPLES["own-image"].steps():
        if step.get("uses", "").startswith("docker:"):
            assert job in ("work", "verify")
    for job, step in EXAMPLES["host"].steps():
        if step.get("uses", "").startswith(f"{NAME}/host@"):
            assert job in ("work", "verify")

"""Tests the work job: the engine on its share, and the artifact that it leaves."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.work import work as perform_work
from concertmaster.errors import EnvironmentFault, Error
from concertmaster.settings.agent_variables import AgentVariables
from tests.action.conftest import SETTINGS
from tests.action.push_moment import end_the_time
from tests.action.workflow import Workflow
from tests.conftest import in_matrix
from tests.github.double import Double
from tests.github.state import Repository
from tests.isolation import make_open_folder, needs_root

tmp_path = pytest.fixture(make_open_folder)

LIST = "- prompts/apple.md\n- prompts/pear.md\n- prompts/plum.md\n"
# The agent reads "Write x.txt" from its prompt and writes x.txt. That of plum needs pear's file.
AGENT = """\
name=$(grep -o 'Write [a-z]*[.]txt' | head -1 | cut -c7-)
echo "the token is ghs_0123456789abcdef0123456789abcdef0123"
[ "$name" != plum.txt ] || test -f pear.txt || exit 1
env > environment.ignored
echo "place ${PLACE-none}, secret ${PLAIN_NAME-none}"
echo "$name" > "$name"
"""


@pytest.fixture
def planned(
    comment: Callable[..., Workflow], repository: Repository, double: Double, token: str
) -> Workflow:
    """A workflow whose plan job is done."""
    double.commit(repository, "main", {"agent.sh": AGENT, ".gitignore": "*.ignored\n"})
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job(slots=1))
    return workflow


def work(workflow: Workflow, share: int, **more: Any) -> int:
    inputs = {"share": share, "plan_sha256": workflow.outputs["plan_sha256"], **more}
    return perform_work(workflow.job(**inputs))


def results(workflow: Workflow, share: int) -> dict[str, Any]:
    path = workflow.folder / "temp" / "concertmaster" / "artifacts" / f"concertmaster-work-{share}"
    document: dict[str, Any] = json.loads((path / "results.json").read_text())
    return document


def artifact(workflow: Workflow, share: int) -> Path:
    return workflow.folder / "temp" / "concertmaster" / "artifacts" / f"concertmaster-work-{share}"


def test_each_share_leaves_results_bundles_and_redacted_logs(
    planned: Workflow, double: Double
) -> None:
    before = len(double.log)
    for share in (0, 1):
        assert work(planned, share) == 0, planned.said.getvalue()

    tasks = [task for share in (0, 1) for task in results(planned, share)["tasks"]]
    assert [task["outcome"] for task in tasks] == ["succeeded"] * 3
    api = [call for call in [*double.log][before:] if ".git/" not in call.path]
    assert api == []  # the work job makes no API calls
    for share in (0, 1):
        for log in artifact(planned, share).rglob("*"):
            assert not log.is_file() or b"ghs_0123" not in log.read_bytes()


@pytest.mark.parametrize("where", ["settings", *in_matrix(["comment"])])
def test_parallel_limits_the_agents_of_all_jobs_together(
    comment: Callable[..., Workflow], repository: Repository, double: Double, where: str
) -> None:
    settings = f"{SETTINGS}parallel: 1\n" if where == "settings" else SETTINGS
    double.commit(repository, "main", {"agent.sh": AGENT, "concertmaster.yml": settings})
    words = "/orchestrate parallel=1" if where == "comment" else "/orchestrate"
    workflow = comment(words, issue_body=LIST)

    run_plan(workflow.job(max_parallel=4, slots=4))
    assert work(workflow, 0, slots=4) == 0

    assert json.loads(workflow.outputs["shares"]) == [0]
    plans = [*(workflow.folder / "temp").rglob("runs/*/plan.json")]
    assert [json.loads(plan.read_text())["slots"] for plan in plans] == [1]


def test_agents_get_the_variables_of_the_workflow_and_logs_hide_its_secrets(
    planned: Workflow,
) -> None:
    inputs = {"share": 0, "plan_sha256": planned.outputs["plan_sha256"]}
    job = planned.job(**inputs)
    given = AgentVariables({"PLACE": "the-plain-one"}, {"PLAIN_NAME": "correct horse battery"})
    told = given.added_to(job.environment)

    assert perform_work(replace(job, agent_variables=given, environment=told)) == 0

    logs = b"".join(log.read_bytes() for log in artifact(planned, 0).rglob("*") if log.is_file())
    assert b"place the-plain-one, secret ***" in logs
    assert b"horse" not in logs


ODD = {
    "DATABASE_URL": "postgres://ada:pw@db.example.org/opera",
    "GH_PAT": "zxcvbnm123",
    "REGISTRY_AUTH": "dXNlcjpwYXNz",
    "AWS_REGION": "eu-west-1",
}


def test_logs_hide_what_the_settings_hand_to_agents_whatever_its_name(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    agent = "".join(f"echo {name} is ${name}\n" for name in ODD)
    settings = f"{SETTINGS}agent_environment: [{', '.join([*ODD][:2])}]\n"
    settings += f"environment: [{', '.join([*ODD][2:])}]\n"
    files = {"agent.sh": agent + AGENT, "concertmaster.yml": settings}
    double.commit(repository, "main", files)
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job())
    job = workflow.job(share=0, plan_sha256=workflow.outputs["plan_sha256"])

    assert perform_work(replace(job, environment={**job.environment, **ODD})) == 0

    logs = b"".join(log.read_bytes() for log in artifact(workflow, 0).rglob("*") if log.is_file())
    for name, value in ODD.items():
        assert (value.encode() in logs) == (name == "AWS_REGION"), name
    assert b"GH_PAT is ***" in logs


def test_a_bundle_brings_the_head_onto_a_repository_that_has_the_base(
    planned: Workflow, repository: Repository, double: Double, tmp_path: Path
) -> None:
    work(planned, 0)
    work(planned, 1)
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", repository.folder, clone], check=True)
    for share in (0, 1):
        for task in results(planned, share)["tasks"]:
            bundle = artifact(planned, share) / task["bundle"]
            subprocess.run(["git", "bundle", "verify", "--quiet", bundle], cwd=clone, check=True)
            subprocess.run(["git", "fetch", "--quiet", bundle, task["head"]], cwd=clone, check=True)


# It is logged in where its home holds a file, and notes what it is started for.
CLAUDE = """#!/bin/sh
echo "$1" >> STARTS
[ "$1 $2" != "auth status" ] || [ -e "$HOME/login" ] || { echo '"loggedIn": false'; exit 1; }
"""


@pytest.mark.parametrize(
    ("setup", "outcome", "begins"),
    [("true", "no_access", {"auth"}), ('touch "$HOME/login"', "failed", {"auth", "-p"})],
)
@pytest.mark.parametrize(
    "isolation", ["none", pytest.param("user", marks=[needs_root, pytest.mark.matrix])]
)
def test_no_agent_starts_that_says_that_it_is_not_logged_in(
    *,
    comment: Callable[..., Workflow],
    repository: Repository,
    double: Double,
    tmp_path: Path,
    setup: str,
    outcome: str,
    begins: set[str],
    isolation: str,
) -> None:
    bin_folder, starts = tmp_path / "bin", tmp_path / "starts"
    bin_folder.mkdir()
    starts.touch(mode=0o666)
    starts.chmod(0o666)
    (bin_folder / "claude").write_text(CLAUDE.replace("STARTS", str(starts)))
    (bin_folder / "claude").chmod(0o755)
    settings = f"check: 'true'\nagent: claude\nattempts: 1\nsetup: '{setup}'\n"
    double.commit(repository, "main", {"concertmaster.yml": settings})
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job(max_parallel=1))
    job = workflow.job(share=0, plan_sha256=workflow.outputs["plan_sha256"], isolation=isolation)
    path = {"PATH": f"{bin_folder}:/usr/bin:/bin"}

    perform_work(replace(job, environment=path))

    tasks = results(workflow, 0)["tasks"]
    begun = [task for task in tasks if task["outcome"]]
    assert {task["outcome"] for task in begun} == {outcome}
    started = starts.read_text().split()
    assert set(started) == begins
    assert started.count("auth") == 1
    if outcome == "no_access":
        assert "claude is not logged in: `claude auth status` says so" in begun[0]["reason"]


@pytest.mark.matrix
@needs_root
def test_with_a_user_for_each_attempt_the_results_are_the_same(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    agent = AGENT + 'id -u > "$name.uid"\n'
    check = 'test "$(id -u)" -ge 70000 && ! cat "$(dirname "$0")/../owner.json"\n'
    double.commit(repository, "main", {"agent.sh": agent, "check.sh": check})
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job(slots=1))
    for share in (0, 1):
        assert work(workflow, share, isolation="user") == 0, workflow.said.getvalue()

    tasks = [task for share in (0, 1) for task in results(workflow, share)["tasks"]]
    assert [task["outcome"] for task in tasks] == ["succeeded"] * 3
    assert all(task["bundle"] for task in tasks)
    attempts = workflow.folder / "temp" / "concertmaster" / "attempts"
    assert list(attempts.iterdir()) == []


def test_a_plan_that_was_changed_is_refused(planned: Workflow) -> None:
    plan = (
        planned.folder / "temp" / "concertmaster" / "artifacts" / "concertmaster-plan" / "plan.json"
    )
    plan.write_text(plan.read_text().replace("sh agent.sh", "sh evil.sh"))
    with pytest.raises(EnvironmentFault, match="not the plan that was made"):
        work(planned, 0)


def test_a_red_base_starts_no_agent(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    double.commit(repository, "main", {"check.sh": "exit 1\n", "agent.sh": AGENT})
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job(slots=1))
    with pytest.raises(Error, match="does not pass its own check"):
        work(workflow, 0)
    assert results(workflow, 0)["base_green"] is False
    assert results(workflow, 0)["tasks"][0]["attempts"] == 0


def test_a_job_ends_in_time_with_what_it_has(
    comment: Callable[..., Workflow],
    repository: Repository,
    double: Double,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hangs = f"{{ touch {tmp_path}/hangs; sleep 600; }}"
    slow = AGENT + f'echo begun > begun.txt; [ "$name" != plum.txt ] || {hangs}\n'
    end_the_time(monkeypatch, when=(tmp_path / "hangs").exists)
    double.commit(repository, "main", {"agent.sh": slow, ".gitignore": "*.ignored\n"})
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job(slots=1))
    share = next(
        number
        for number in (0, 1)
        if "plum" in json.dumps(json.loads(plan_text(workflow))["shares"][number])
    )

    work(workflow, share)

    document = results(workflow, share)
    assert "time of this job is over" in document["stopped"]
    by_task = {task["task"].partition("-")[0]: task for task in document["tasks"]}
    assert by_task["pear"]["outcome"] == "succeeded"
    assert by_task["plum"]["bundle"]  # the bundle holds what was written by then


def plan_text(workflow: Workflow) -> str:
    path = (
        workflow.folder
        / "temp"
        / "concertmaster"
        / "artifacts"
        / "concertmaster-plan"
        / "plan.json"
    )
    return path.read_text()


def test_a_failed_task_comes_with_the_end_of_the_log_that_tells_why(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> None:
    token = "ghs_0123456789abcdef0123456789abcdef0123"
    check = f"test ! -f pear.txt || {{ echo the pear is {token}; exit 1; }}"
    double.commit(repository, "main", {"agent.sh": AGENT, "check.sh": check + "\n"})
    workflow = comment("/orchestrate", issue_body=LIST)
    run_plan(workflow.job(slots=1))
    for share in (0, 1):
        work(workflow, share)
    tasks = [task for share in (0, 1) for task in results(workflow, share)["tasks"]]
    pear = next(task for task in tasks if task["task"].startswith("pear"))

    assert (pear["state"], pear["outcome"]) == ("failed", "failed")
    assert pear["evidence"] == "the pear is ***"
    assert pear["work"]
    assert not pear["head"]
    assert pear["seconds"] > 0
    assert pear["machine"]["memory_bytes"] > 0
    assert {task["machine"] for task in tasks if task != pear} == {None}
    assert results(workflow, 0)["round"] == 1

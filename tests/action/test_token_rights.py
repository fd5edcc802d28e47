"""Tests that missing permissions are told before an agent is paid."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from concertmaster.action.job import Job
from concertmaster.action.plan.job import plan
from concertmaster.action.plan.token_rights import find_lacks
from concertmaster.errors import EnvironmentFault
from tests.action.pulls import Orchard
from tests.action.rounds import CALLER, House, Round
from tests.github.double import Double
from tests.github.people import Role

ROOT = Path(__file__).parents[2]
ALL = ("contents", "issues", "pull-requests", "actions")
APPLE = {"apple": "# Write apple\n\nwrite apple.txt apple\n"}


def rights(*names: str) -> dict[str, str]:
    return dict.fromkeys(names, "write")


def step(part: str, **more: str) -> dict[str, Any]:
    """Return the keys of a job whose last step asks the action for this part of a run."""
    return {"steps": [{"run": "make"}, {"uses": "o/c@v1", "with": {"job": part, **more}}]}


def workflow(job: dict[str, Any], **more: Any) -> str:
    """Return a workflow file with the job `it`; JSON is YAML as well."""
    return json.dumps({**more, "jobs": {"it": job}})


def lacking(text: str) -> list[str]:
    return [one.permission for one in find_lacks(text.encode())]


@pytest.mark.parametrize(
    ("text", "lacks"),
    [
        (workflow({"permissions": rights(*ALL), **step("run")}), []),
        (workflow(step("run"), permissions=rights(*ALL)), []),
        (workflow(step("run"), permissions="write-all"), []),
        (workflow(step("run"), permissions="read-all"), [*ALL]),
        (workflow({"permissions": {}, **step("run")}), [*ALL]),
        (workflow({"permissions": {**rights(*ALL), "issues": "read"}, **step("run")}), ["issues"]),
        # A job that names some permissions has no others, whatever stands above it.
        (
            workflow(
                {"permissions": rights("contents", "issues"), **step("run")},
                permissions="write-all",
            ),
            ["pull-requests", "actions"],
        ),
        # The default of the repository counts, which no job can read.
        (workflow(step("run")), []),
        # Each job has needs of its own.
        (workflow({"permissions": {}, **step("plan")}), []),
        (workflow({"permissions": {}, **step("work")}), []),
        (workflow({"permissions": {}, **step("verify")}), []),
        (workflow({"permissions": {}, **step("control")}), ["issues", "actions"]),
        (workflow({"permissions": {}, **step("finalize")}), [*ALL]),
        # Another token has other permissions than the job.
        (workflow({"permissions": {}, **step("run", github_token="${{ secrets.BOT }}")}), []),
        (workflow({"permissions": {}, **step("run", github_token="${{ github.token }}")}), [*ALL]),
        (
            workflow(
                {"permissions": {}, **step("run", github_token="${{ secrets.GITHUB_TOKEN }}")}
            ),
            [*ALL],
        ),
        (
            workflow(
                {"permissions": {}, **step("run", github_token="${{ secrets.X || github.token }}")}
            ),
            [],
        ),
        # What cannot be a workflow says nothing.
        ("", []),
        ("jobs: [a, b]", []),
        ("jobs: {a: 3, b: {steps: {c: d}}, c: {steps: [1, {with: 2}]}}", []),
        ("permissions: {}\njobs: {a: {steps: [{with: {job: [run]}}]}}", []),
        (": : [", []),
    ],
)
def test_a_workflow_file_tells_what_its_jobs_lack(text: str, lacks: list[str]) -> None:
    assert lacking(text) == lacks


@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.yml")), ids=lambda it: it.name)
def test_no_example_lacks_anything(path: Path) -> None:
    assert lacking(path.read_text("utf-8")) == []


def test_the_examples_with_jobs_of_their_own_are_looked_at() -> None:
    for name in ("marketplace", "host", "own-image"):
        text = (ROOT / f"examples/{name}.yml").read_text("utf-8")
        assert "actions: write" in text
        assert {*lacking(text.replace(": write", ": read"))} == {*ALL}


# --- in the plan job -----------------------------------------------------------------------------


def planned_by(held: Round, *, token: str = "", is_single: bool = False, **more: Any) -> Job:
    """Return the plan job with this token instead of its own."""
    job: Job = held.job("plan", **more)
    given = {"github_token": SecretStr(token)} if token else {}
    return replace(job, settings=job.settings.model_copy(update=given), is_single=is_single)


def build(double: Double, folder: Path, text: str = "") -> House:
    """Return a house whose workflow file has this text, or the usual one."""
    return House.build(double, folder, APPLE, files={CALLER: text} if text else {})


def ask(house: House, words: str = "/orchestrate") -> Round:
    return house.ask(house.open_issue("apple"), words)


def last_words(house: House) -> str:
    """Return the newest comment on the issue that was asked on."""
    return house.repository.issues[1].comments[-1].body


@pytest.mark.parametrize("words", ["/orchestrate", "/orchestrate plan"])
def test_a_job_that_could_not_land_starts_nothing_and_names_file_and_line(
    double: Double, tmp_path: Path, words: str
) -> None:
    text = workflow({"permissions": {"contents": "read", **rights("issues")}, **step("run")})
    house = build(double, tmp_path, text)
    held = ask(house, words)

    with pytest.raises(EnvironmentFault, match="lacks the permission `contents: write`"):
        plan(planned_by(held, GITHUB_WORKFLOW_SHA=house.tip()))

    assert held.outputs["run"] == ""
    assert f"add the line `contents: write` to its `permissions:` in {CALLER}" in last_words(house)
    assert len(house.repository.issues) == 1


def test_what_is_missing_and_not_needed_by_every_run_is_a_note_of_the_plan(
    double: Double, tmp_path: Path
) -> None:
    text = workflow({"permissions": rights("contents", "issues"), **step("finalize")})
    house = build(double, tmp_path, text)
    held = ask(house)

    assert plan(planned_by(held, GITHUB_WORKFLOW_SHA=house.tip())) == 0

    told = last_words(house)
    assert "lacks the permission `actions: write`: no further round starts by itself" in told
    assert "lacks the permission `pull-requests: write`" in told
    assert f"in `{CALLER}`" in told


def test_the_plan_of_pull_requests_tells_it_as_well(double: Double, tmp_path: Path) -> None:
    text = workflow({"permissions": rights("contents", "issues"), **step("finalize")})
    orchard = Orchard(build(double, tmp_path, text))
    held = orchard.ask(orchard.propose("pear", {"pear.txt": "a pear\n"}))

    assert plan(planned_by(held, GITHUB_WORKFLOW_SHA=orchard.house.tip())) == 0

    (told,) = orchard.told(orchard.parent(held))
    assert "lacks the permission `actions: write`" in told


@pytest.mark.parametrize("commit", ["", "main", "0" * 40])
def test_a_workflow_file_that_cannot_be_read_is_no_reason_to_stop(
    double: Double, tmp_path: Path, commit: str
) -> None:
    house = build(double, tmp_path, workflow({"permissions": {}, **step("run")}))
    assert plan(planned_by(ask(house), GITHUB_WORKFLOW_SHA=commit)) == 0


def test_one_token_for_all_jobs_has_to_be_able_to_push(double: Double, tmp_path: Path) -> None:
    house = build(double, tmp_path)
    held = ask(house)

    with pytest.raises(EnvironmentFault, match="may not push"):
        plan(planned_by(held, is_single=True))

    assert held.outputs["run"] == ""
    assert "add the line `contents: write`" in last_words(house)


@pytest.mark.parametrize(("role", "fits"), [(Role.TRIAGE, False), (Role.WRITE, True)])
def test_the_token_of_a_person_has_to_be_able_to_push(
    double: Double, tmp_path: Path, role: Role, fits: bool
) -> None:
    house = build(double, tmp_path)
    bot = double.add_user("Bo")
    double.give_role(house.repository, bot, role)
    held = ask(house)
    job = planned_by(held, token=double.user_token(bot))

    if fits:
        assert plan(job) == 0
    else:
        with pytest.raises(EnvironmentFault, match="may not push"):
            plan(job)
    assert house.branches() == []


def test_the_token_of_a_job_that_does_not_land_is_not_asked_to_push(
    double: Double, tmp_path: Path
) -> None:
    house = build(double, tmp_path)
    ask(house).plan()
    assert not house.double.log.matching("GET", "*git-receive-pack*")

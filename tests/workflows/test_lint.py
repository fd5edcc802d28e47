"""Linters for the workflows, examples and actions."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import yaml

from tests.workflows.files import (
    ACTION,
    EVERYTHING,
    EXAMPLES,
    HOST,
    PROBES,
    ROOT,
    WORKFLOWS,
    File,
)

JOBS = (*WORKFLOWS.values(), *EXAMPLES.values(), *PROBES.values())
REF = re.compile(r"uses: ([\w./-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)\n")


def lint(program: str, *arguments: str) -> str:
    """Return the output of a linter, "" if it finds nothing."""
    done = subprocess.run(
        [Path(sys.executable).parent / program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_actionlint_finds_nothing() -> None:
    # The result must not depend on other linters of the machine.
    names = [one.name for one in JOBS]
    assert lint("actionlint", "-shellcheck=", "-pyflakes=", "-no-color", *names) == ""


def test_zizmor_finds_nothing() -> None:
    names = [*(one.name for one in EVERYTHING), ".github/dependabot.yml"]
    options = ("--offline", "--config=.github/zizmor.yml", "--color=never", "--no-progress")
    assert lint("zizmor", *options, *names) == ""


def test_every_exception_says_why() -> None:
    for file in EVERYTHING:
        lines = file.text.split("\n")
        for number, line in enumerate(lines):
            _, ignored, after = line.partition("# zizmor: ignore[")
            reason = after.partition("]")[2] or lines[number - 1].strip()
            assert not ignored or len(reason.strip("# ")) > 20, f"{file.name}:{number + 1}"


def test_an_action_has_one_commit_and_one_version_everywhere() -> None:
    known = defaultdict(set)
    for file in EVERYTHING:
        for action, commit, version in REF.findall(file.text):
            known[action].add((commit, version))
    assert known
    assert {action: refs for action, refs in known.items() if len(refs) > 1} == {}


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.name)
def test_every_action_of_others_is_named_by_its_commit(file: File) -> None:
    used = [step["uses"] for _, step in file.steps() if "uses" in step]
    foreign = [
        name for name in used if not name.startswith(("concertmaster-dev/", "$/", "docker:"))
    ]
    assert len(REF.findall(file.text)) == len(foreign)


@pytest.mark.parametrize("file", [*JOBS, HOST], ids=lambda file: file.name)
def test_no_value_is_pasted_into_a_script(file: File) -> None:
    steps = file.yaml["runs"]["steps"] if file is HOST else [step for _, step in file.steps()]
    assert [step["run"] for step in steps if "${{" in step.get("run", "")] == []


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.name)
def test_every_checkout_forgets_the_token(file: File) -> None:
    for _, step in file.steps():
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.name)
def test_no_workflow_touches_a_cache(file: File) -> None:
    uses_cache = "actions/cache" in file.text or "cache: " in file.text
    assert not uses_cache
    assert file.yaml.get("cache-mode") == "none"


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.name)
def test_every_job_has_a_time_limit(file: File) -> None:
    assert [
        name for name, job in file.jobs.items() if not {*job} & {"timeout-minutes", "uses"}
    ] == []


def test_issue_forms_are_whole() -> None:
    forms = [
        *(ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml"),
        ROOT / "examples/parent-issue.yml",
    ]
    for path in forms:
        form = yaml.safe_load(path.read_text())
        assert {"name", "description", "body"} <= {*form}
        ids = [part["id"] for part in form["body"] if part["type"] != "markdown"]
        assert len(ids) == len({*ids})
        assert all(part["attributes"].get("label") for part in form["body"] if "id" in part)


def test_what_people_call_us_is_in_the_action() -> None:
    action = ACTION.yaml
    assert {"name", "description", "author", "branding"} <= {*action}
    assert len(action["description"]) <= 125  # limit of the marketplace

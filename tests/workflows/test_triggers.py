"""Events and the jobs that they start, by GitHub's own parser and evaluator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from tests.workflows.files import EXAMPLES, WORKFLOWS, File
from tests.workflows.parser import Parser, Status

JOBS = (*WORKFLOWS.values(), *EXAMPLES.values())
WRITTEN_OUT = ("own-image", "host")
FOUR_JOBS = (WORKFLOWS["orchestrate"], *(EXAMPLES[name] for name in WRITTEN_OUT))


@pytest.mark.parametrize("file", JOBS, ids=lambda file: file.name)
def test_the_parser_of_github_takes_it(parser: Parser, file: File) -> None:
    assert parser.parse(file)["errors"] == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("      round: ${{ inputs.round }}", "      rounds: ${{ inputs.round }}"),
        ("anthropic_api_key:", "anthropic_key:"),
        ("startsWith(", "beginsWith("),
        ("queue: max", "queue: most"),
    ],
)
def test_the_parser_of_github_sees_what_is_wrong(parser: Parser, right: str, wrong: str) -> None:
    minimal = EXAMPLES["minimal"]
    assert parser.parse(replace(minimal, text=minimal.text.replace(right, wrong)))["errors"]


# --- events -------------------------------------------------------------------------------------


def comment(body: str, *, pull: bool = False) -> dict[str, Any]:
    issue = {"number": 5, **({"pull_request": {}} if pull else {})}
    return {"event_name": "issue_comment", "event": {"issue": issue, "comment": {"body": body}}}


def closed(head: str, *, repository: str = "ada/opera") -> dict[str, Any]:
    pull = {"head": {"repo": {"full_name": repository}}}
    return {"event_name": "pull_request", "head_ref": head, "event": {"pull_request": pull}}


def labeled(name: str) -> dict[str, Any]:
    return {"event_name": "issues", "event": {"issue": {"number": 5}, "label": {"name": name}}}


def scheduled(cron: str) -> dict[str, Any]:
    return {"event_name": "schedule", "event": {"schedule": cron}}


DISPATCH: Mapping[str, Any] = {"event_name": "workflow_dispatch", "event": {"inputs": {}}}
BOTH, RUN, CONTROL, NEITHER = "orchestrate control", "orchestrate", "control", ""
COMMENTS = [
    (comment("/orchestrate"), RUN),
    (comment("/orchestrate plan\n- prompts/a.md"), RUN),
    (comment("/orchestrate retry"), RUN),
    (comment("/Orchestrate landing=branches"), RUN),
    (comment("/orchestrate cancel"), CONTROL),
    (comment("/orchestrate status"), CONTROL),
    (comment("/orchestrate help"), CONTROL),
    # With two blanks: `cancel` must not wait behind the run, and the plan job ignores it.
    (comment("/orchestrate  cancel"), BOTH),
    # The control job ignores it.
    (comment("/orchestrate\n- prompts/help.md"), BOTH),
    (comment("please /orchestrate this"), NEITHER),
    (comment("> /orchestrate"), NEITHER),
    (comment("looks good, cancel that"), NEITHER),
    (comment(""), NEITHER),
    (comment("/orchestrate", pull=True), NEITHER),
    (comment("/orchestrate status", pull=True), NEITHER),
]
PULLS = [
    (closed("concertmaster/i5-c7/add-login"), CONTROL),
    (closed("concertmaster/i5-c7/add-login", repository="mallory/opera"), NEITHER),
    (closed("feature"), NEITHER),
]
CASES: Mapping[str, list[tuple[Mapping[str, Any], str]]] = {
    "minimal": [*COMMENTS, *PULLS, (DISPATCH, RUN)],
    "monorepo": [*COMMENTS, *PULLS, (DISPATCH, RUN)],
    "labels": [
        *COMMENTS,
        *PULLS,
        (DISPATCH, RUN),
        (labeled("orchestrate"), RUN),
        (labeled("bug"), NEITHER),
    ],
    "schedule": [
        *COMMENTS,
        *PULLS,
        (DISPATCH, RUN),
        (scheduled("23 2 * * 1-5"), RUN),
        (scheduled("47 * * * *"), CONTROL),
    ],
    "workflow-dispatch": [*PULLS, (DISPATCH, RUN)],
    "own-image": [*COMMENTS, *PULLS, (DISPATCH, RUN)],
    "host": [*COMMENTS, *PULLS, (DISPATCH, RUN)],
    "marketplace": [*COMMENTS, *PULLS, (DISPATCH, RUN)],
    "other-agents": [*COMMENTS, *PULLS, (DISPATCH, RUN)],
}


def contexts(event: Mapping[str, Any], **inputs: str) -> dict[str, Any]:
    return {"github": {"repository": "ada/opera", "run_id": "99", **event}, "inputs": inputs}


def test_every_example_is_in_the_table() -> None:
    assert {*CASES} == {*EXAMPLES}


@pytest.mark.parametrize("name", CASES)
def test_an_event_starts_the_jobs_that_are_for_it(parser: Parser, name: str) -> None:
    jobs = parser.parse(EXAMPLES[name])["jobs"]
    for event, wanted in CASES[name]:
        started = {
            "orchestrate" if job in ("plan", "orchestrate") else job
            for job, one in jobs.items()
            if not one["needs"] and parser.is_true(one["if"], contexts(event))
        }
        assert started == {*wanted.split()}, event


def test_the_label_that_starts_a_run_is_the_one_that_the_jobs_know() -> None:
    job = EXAMPLES["labels"].jobs["orchestrate"]
    assert f"label.name == '{job['with']['label']}'" in job["if"]


def test_all_events_of_the_table_are_subscribed() -> None:
    for name, cases in CASES.items():
        wanted = {event["event_name"] for event, started in cases if started}
        assert wanted == {*EXAMPLES[name].yaml["on"]}, name


# --- concurrency groups -------------------------------------------------------------------------


def group_of(parser: Parser, file: File, event: Mapping[str, Any], **inputs: str) -> str:
    held = file.yaml if file.yaml.get("concurrency") else file.jobs["orchestrate"]
    assert held["concurrency"]["queue"] == "max"
    return parser.text(held["concurrency"]["group"], contexts(event, **inputs))


@pytest.mark.parametrize("name", CASES)
def test_runs_of_one_issue_wait_for_each_other(parser: Parser, name: str) -> None:
    file = EXAMPLES[name]
    first = next(event for event, wanted in CASES[name] if "orchestrate" in wanted.split())
    if first is not DISPATCH:
        assert group_of(parser, file, first) == "concertmaster-5"
    if "workflow_dispatch" in file.yaml["on"]:
        assert group_of(parser, file, DISPATCH, issue="5", run="i5-c7") == "concertmaster-5"
        assert group_of(parser, file, DISPATCH, issue="", run="w9") == "concertmaster-w9"
        assert group_of(parser, file, DISPATCH, issue="", run="") == "concertmaster-99"


@pytest.mark.parametrize("name", WRITTEN_OUT)
def test_where_all_jobs_are_in_one_group_control_is_in_none(parser: Parser, name: str) -> None:
    for event, wanted in CASES[name]:
        if wanted in (CONTROL, NEITHER) and "issue" not in event["event"]:
            assert group_of(parser, EXAMPLES[name], event) == "concertmaster-99"
    for words in ("/orchestrate cancel", "/orchestrate  status", "I agree"):
        assert group_of(parser, EXAMPLES[name], comment(words)) == "concertmaster-99"


def test_control_waits_for_nobody() -> None:
    for file in (*EXAMPLES.values(), WORKFLOWS["control"]):
        assert "concurrency" not in file.jobs.get("control", {})


# --- the jobs of one run ------------------------------------------------------------------------

PLANNED = {"run": "i5-c7", "shares": "[0, 1]", "verify": "true", "plan_sha256": "f00"}
NOTHING = {"run": "", "shares": "[]", "verify": "false", "plan_sha256": ""}
LANDS_ONLY = {**PLANNED, "shares": "[]"}  # a round that only lands results of an earlier one
WITHHELD = dict.fromkeys(PLANNED, "")  # GitHub drops outputs that hold a masked secret
ALL = "plan work verify finalize"
STORIES = [
    # outputs of plan, results other than success, the job during which a person cancels, jobs run
    (PLANNED, {}, "", ALL),
    (PLANNED, {"work": "failure"}, "", ALL),
    (PLANNED, {"verify": "failure"}, "", ALL),
    (PLANNED, {"work": "failure", "verify": "failure"}, "", ALL),
    (PLANNED, {"work": "cancelled"}, "work", "plan work finalize"),
    (PLANNED, {"verify": "cancelled"}, "verify", ALL),
    (PLANNED, {"work": "cancelled"}, "", ALL),  # by its time limit
    (NOTHING, {}, "", "plan"),
    (LANDS_ONLY, {}, "", "plan verify finalize"),
    ({**LANDS_ONLY, "verify": "false"}, {}, "", "plan finalize"),
    (WITHHELD, {}, "", "plan"),
    (NOTHING, {"plan": "failure"}, "", "plan"),
    (PLANNED, {"plan": "failure"}, "", "plan"),  # the issue could not be labelled
    (PLANNED, {"plan": "cancelled"}, "plan", "plan"),
]


def tell(
    parser: Parser,
    file: File,
    outputs: Mapping[str, str],
    results: Mapping[str, str],
    cancelled_in: str,
) -> dict[str, dict[str, Any]]:
    """Return result and outputs of each job, as in the context `needs`."""
    needs: dict[str, dict[str, Any]] = {}
    cancelled = False
    parsed = parser.parse(file)["jobs"]
    for name in ("plan", "work", "verify", "finalize"):
        job = parsed[name]
        status = Status(tuple(needs[one]["result"] for one in _ancestors(parsed, name)), cancelled)
        known = {"needs": {one: needs[one] for one in job["needs"]}, **contexts(DISPATCH)}
        is_run = parser.is_true(job["if"], known, status=status)
        result = results.get(name, "success") if is_run else "skipped"
        needs[name] = {"result": result, "outputs": outputs if name == "plan" else {}}
        cancelled = cancelled or cancelled_in == name
    return needs


def _ancestors(jobs: Mapping[str, Any], name: str) -> set[str]:
    """Return all ancestors, because success() also considers indirect needs."""
    direct = {*jobs[name]["needs"]}
    return direct.union(*(_ancestors(jobs, one) for one in direct))


@pytest.mark.parametrize("file", FOUR_JOBS, ids=lambda file: file.name)
@pytest.mark.parametrize("story", STORIES)
def test_a_job_is_run_where_it_has_something_to_do(
    parser: Parser, file: File, story: tuple[dict[str, str], dict[str, str], str, str]
) -> None:
    outputs, results, cancelled_in, wanted = story
    needs = tell(parser, file, outputs, results, cancelled_in)
    assert [name for name, one in needs.items() if one["result"] != "skipped"] == wanted.split()


@pytest.mark.parametrize("file", FOUR_JOBS, ids=lambda file: file.name)
@pytest.mark.parametrize(
    ("results", "cancelled_in", "wanted"),
    [
        ({}, "", "false"),
        ({"work": "failure"}, "", "false"),
        ({"work": "cancelled"}, "work", "true"),
        ({"verify": "cancelled"}, "verify", "true"),
        ({"work": "cancelled"}, "", "false"),  # by the time limit of a share; verify has run
        ({"work": "cancelled", "verify": "failure"}, "", "true"),
    ],
)
def test_finalize_knows_of_a_cancel(
    parser: Parser, file: File, results: dict[str, str], cancelled_in: str, wanted: str
) -> None:
    needs = tell(parser, file, PLANNED, results, cancelled_in)
    given = [step["with"] for name, step in file.steps() if "cancelled" in step.get("with", {})]
    assert [parser.text(one["cancelled"], {"needs": needs}) for one in given] == [wanted]


@pytest.mark.parametrize("file", FOUR_JOBS, ids=lambda file: file.name)
def test_one_share_that_fails_leaves_the_others_alone(file: File) -> None:
    assert file.jobs["work"]["strategy"]["fail-fast"] is False


@pytest.mark.parametrize(
    ("given", "wanted"),
    [("ubuntu-latest", "ubuntu-latest"), ('["self-hosted", "linux"]', "Array")],
)
def test_a_runner_is_one_label_or_a_list(parser: Parser, given: str, wanted: str) -> None:
    for job in WORKFLOWS["orchestrate"].jobs.values():
        known = {"inputs": {"runs_on": given, "trusted_runs_on": given}}
        assert parser.text(job["runs-on"], known) == wanted

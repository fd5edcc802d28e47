"""Policies of Actions, and which triggers the doctor says that they stop."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.cli.doctor_events import EFFECTS, judge_events, triggers
from concertmaster.github.actions_policies import ActionsPolicy
from concertmaster.github.policies import Policies, WorkflowFile

FILE = WorkflowFile(
    path=".github/workflows/o.yml",
    state="active",
    text="on: {issue_comment: {types: [created]}, workflow_dispatch: {}, push: {}}\njobs: {}\n",
)
POLICY = ActionsPolicy(name="Few", level="Organization", source="octo")


def judged(*policies: ActionsPolicy, files: tuple[WorkflowFile, ...] = (FILE,)) -> list[str]:
    found = judge_events(Policies(repository={}, actions_policies=policies), files)
    signs = {True: "ok", False: "no"}
    return [f"{signs[one.is_fine]} {one.name}: {one.words} -> {one.next_step}" for one in found]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("on: push", ("push",)),
        ("on: [push, issues]", ("push", "issues")),
        ("'on': {issues: {types: [labeled]}, schedule: [{cron: x}]}", ("issues", "schedule")),
        ("name: x", ()),
        (": : [", ()),
    ],
)
def test_the_events_of_a_file_are_read(text: str, events: tuple[str, ...]) -> None:
    assert triggers(text) == events


@pytest.mark.parametrize(
    "policies",
    [
        (),
        (POLICY,),
        (replace(POLICY, events=frozenset({"issue_comment", "workflow_dispatch"})),),
        (replace(POLICY, events=frozenset(), workflows=(".github/workflows/ci.yml",)),),
    ],
)
def test_what_stops_no_trigger_is_fine(policies: tuple[ActionsPolicy, ...]) -> None:
    assert judged(*policies) == ["ok events: no policy stops a trigger -> "]


@pytest.mark.parametrize(
    ("level", "place"),
    [
        ("Repository", "Settings → Actions → Policies: allow"),
        ("Organization", "the organisation's Settings → Actions → Policies: allow"),
        ("Enterprise", "the enterprise's Policies → Actions: allow"),
    ],
)
def test_a_trigger_that_is_stopped_is_named_with_policy_and_place(level: str, place: str) -> None:
    (told,) = judged(replace(POLICY, level=level, events=frozenset({"issue_comment"})))
    assert told.startswith("no events: the policy 'Few' of octo does not allow what starts")
    assert ".github/workflows/o.yml: workflow_dispatch, so no further round" in told
    assert told.endswith(f"-> {place} workflow_dispatch")
    assert "push" not in told.partition("->")[0], "no work of ours starts by it"


@pytest.mark.parametrize("event", EFFECTS)
def test_each_event_that_our_examples_use_has_its_effect(event: str) -> None:
    file = replace(FILE, text=f"on: {event}")
    (told,) = judged(replace(POLICY, events=frozenset({"push"})), files=(file,))
    assert f"{event}, so {EFFECTS[event]}" in told


def test_a_list_of_actors_is_told_once_and_makes_nothing_unfit() -> None:
    other = replace(FILE, path=".github/workflows/p.yml")
    fine, told = judged(replace(POLICY, lists_actors=True), files=(FILE, other))
    assert fine.startswith("ok events")
    assert told.startswith("no actors: the policy 'Few' of octo lists who may start workflows")
    assert "github-actions[bot]" in told

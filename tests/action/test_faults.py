"""Tests that no fault of GitHub makes the plan job lose anything or create it twice."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from concertmaster.git import remote
from concertmaster.github import client
from tests.action.plan_tries import Stage, Try, is_duplicate, state_of
from tests.github.calls import Call
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.query.mutations import MUTATIONS

pytestmark = pytest.mark.matrix

LIST_OF_LINKS = re.compile(
    r"\n?<details><summary>Child issues that GitHub does not show as sub-issues"
    r".*?</details>\n?",
    re.DOTALL,
)
SOME = [Effect.BAD_GATEWAY_AFTER, Effect.NOT_FOUND, Effect.FIELD_ERROR]
# Reads meet one of the refusals that pass, and a connection that is closed.
NOT_OF_READS = {
    *(Effect.TIMEOUT_AFTER, Effect.BAD_GATEWAY_AFTER),
    *(Effect.BAD_GATEWAY_BEFORE, Effect.TOO_MANY_REQUESTS),
}


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 1)
    with Double(tmp_path / "hosting") as double:
        yield Stage(double=double, folder=tmp_path)
    assert double.violations == []


def faults_of(calls: list[Call], effect: Effect) -> Iterator[Fault]:
    """Yield one fault for each call and for each mutation in a batch."""
    seen: Counter[tuple[str, str]] = Counter()
    for call in calls:
        seen[call.method, call.path] += 1
        nth = seen[call.method, call.path]
        if effect is not Effect.FIELD_ERROR and not is_needless(effect, call, nth):
            yield Fault(effect=effect, method=call.method, path=call.path, nth=nth)
    fields = Counter(field for call in calls for field in call.fields if field in MUTATIONS)
    for name, number in fields.items():
        for nth in range(1, number + 1 if effect is not Effect.TIMEOUT_AFTER else 2):
            yield Fault(effect=effect, mutation=name, nth=nth)


def is_needless(effect: Effect, call: Call, nth: int) -> bool:
    """Return whether a fault of this call tests nothing new.

    All labels are created in the same way, and reads change nothing: they are asked again alike
    after each refusal that passes. A time-out costs a second and has the effect of a closed
    connection.
    """
    if call.path.endswith("*/labels") and call.method == "POST" and nth > 2:
        return True
    if call.method == "GET":
        return effect in NOT_OF_READS
    return effect is Effect.TIMEOUT_AFTER and nth > 1


def is_another_story(fault: Fault) -> bool:
    """Return whether the comment or the workflow run is gone, which is answered in its own way."""
    path = fault.path or ""
    is_gone = path.endswith("/reactions") or "/actions/runs/*/" in path
    return fault.effect is Effect.NOT_FOUND and is_gone


def without_links(state: dict[str, Any]) -> dict[str, Any]:
    """Return the state without links between issues: where none can be made, a plan goes on."""
    issues = [
        {key: value for key, value in issue.items() if key not in ("parent", "blocked by")}
        | {"comments": [(LIST_OF_LINKS.sub("", body), seen) for body, seen in issue["comments"]]}
        for issue in state["issues"]
    ]
    return {**state, "issues": issues}


def check(
    stage: Stage, set_up: Callable[[], Try], faults: Callable[[list[Call]], Iterator[Fault]]
) -> None:
    undisturbed = set_up()
    calls = stage.calls_of(undisturbed)
    expected = state_of(undisturbed)
    for fault in faults(calls):
        tried = set_up()
        stage.double.faults.clear()
        stage.double.fail(fault)

        tried.run_until_done()

        assert fault.seen >= (fault.nth or 1), f"{fault} struck nothing"
        assert not any(map(is_duplicate, tried.repository.issues.values())), fault
        if is_another_story(fault):
            assert tried.is_done
        elif fault.effect is Effect.NOT_FOUND:
            assert without_links(state_of(tried)) == without_links(expected), fault
        else:
            assert state_of(tried) == expected, fault


@pytest.mark.parametrize("effect", list(Effect))
def test_one_fault_in_any_call_changes_nothing_of_what_a_plan_leaves(
    stage: Stage, effect: Effect
) -> None:
    check(stage, stage.try_comment, lambda calls: faults_of(calls, effect))


@pytest.mark.parametrize("effect", SOME)
def test_nor_where_the_issue_of_the_run_has_to_be_made(stage: Stage, effect: Effect) -> None:
    check(
        stage,
        stage.try_dispatch,
        lambda calls: (f for f in faults_of(calls, effect) if (f.path or "").endswith("/issues")),
    )


@pytest.mark.parametrize("effect", SOME)
def test_nor_where_the_issues_of_an_earlier_run_are_queued_again(
    stage: Stage, effect: Effect
) -> None:
    check(
        stage,
        stage.try_another_comment,
        lambda calls: (fault for fault in faults_of(calls, effect) if fault.mutation),
    )


@pytest.mark.parametrize("effect", [*SOME, Effect.SECONDARY_LIMIT, Effect.DROP_AFTER])
@pytest.mark.parametrize("verb", ["status", "cancel"])
def test_nor_of_what_is_answered_while_a_run_goes_on(
    stage: Stage, effect: Effect, verb: str
) -> None:
    check(stage, partial(stage.try_control, verb), lambda calls: faults_of(calls, effect))

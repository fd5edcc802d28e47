"""Tests how the events of a verify job become its verdict."""

from __future__ import annotations

from concertmaster.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    Event,
    MergeConflicted,
    ResultReceived,
)
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds.build_verdict import build_verdict, verdict_summary
from concertmaster.rounds.verdict import LeftOutTask, Verdict, VerdictStep
from concertmaster.run.state_machine import fold_events
from tests.simulator import make_plan

START = Verdict(run="run", round=1, target="main", tip="t0", git_version="2.39.5")
PLAN = make_plan("abc", hard=["ba"])


def received(*tasks: str) -> list[Event]:
    results: list[Event] = [
        ResultReceived(task=key, state=TaskState.SUCCEEDED, base="t0", head=f"head-{key}")
        for key in tasks
    ]
    base = BaseChecked(tree="tree-t0", passed=True, reason="", seconds=0.0, tip="t0")
    return [*results, base]


def checked(tasks: str, tip: str, commit: str, *, passed: bool = True) -> BatchChecked:
    return BatchChecked(
        tasks=tuple(tasks),
        tip=tip,
        commit=commit,
        tree=f"tree-{commit}",
        passed=passed,
        reason="" if passed else "red",
        seconds=2.0,
        reapplied=tuple(tasks[1:]),
    )


def landed(tasks: str, tip: str, commit: str) -> BatchLanded:
    return BatchLanded(tasks=tuple(tasks), tip=tip, commit=commit)


def find(*events: Event, refused: dict[str, str] | None = None) -> Verdict:
    return build_verdict(START, fold_events(PLAN, events), events, refused=refused or {})


def test_each_landing_is_a_step_with_the_tree_that_passed() -> None:
    verdict = find(
        *received(*"abc"),
        *(checked("ab", "t0", "t1"), landed("ab", "t0", "t1")),
        *(checked("c", "t1", "t2"), landed("c", "t1", "t2")),
    )

    assert verdict.steps == (
        VerdictStep(tasks=("a", "b"), tip="t0", commit="t1", tree="tree-t1", reapplied=("b",)),
        VerdictStep(tasks=("c",), tip="t1", commit="t2", tree="tree-t2"),
    )
    assert (verdict.commit, verdict.checks, verdict.check_seconds) == ("t2", 2, 4.0)


def test_what_was_there_already_counts_with_the_step_beside_it() -> None:
    before = find(
        *received(*"ac"),
        *(checked("a", "t0", "t0"), landed("a", "t0", "t0")),
        *(checked("c", "t0", "t1"), landed("c", "t0", "t1")),
    )
    behind = find(
        *received(*"ac"),
        *(checked("a", "t0", "t1"), landed("a", "t0", "t1")),
        *(checked("c", "t1", "t1"), landed("c", "t1", "t1")),
    )

    for verdict in (before, behind):
        assert [step.tasks for step in verdict.steps] == [("a", "c")]
        assert verdict.commit == "t1"


def test_who_is_left_out_is_told_with_the_fault() -> None:
    events = [
        ResultReceived(task="c", state=TaskState.FAILED, reason="forged"),
        *received("a", "b"),
        MergeConflicted(task="a", tip="t0", behind=(), paths=("x",)),
    ]
    verdict = find(*events, refused={"c": "forged"})

    assert verdict.left_out == (
        LeftOutTask(
            task="a",
            fault=LandingFault.CONFLICT,
            reason="does not merge onto the target: conflict in x",
        ),
        LeftOutTask(task="b", fault=LandingFault.STUCK, reason="needs a, which did not land"),
        LeftOutTask(task="c", fault=LandingFault.REFUSED, reason="forged"),
    )


def test_the_texts_of_agents_do_nothing_on_the_page() -> None:
    reason = "@ada | <img src=x> closes #1"
    left = LeftOutTask(task="a", fault=LandingFault.CULPRIT, reason=reason)
    verdict = Verdict(
        run="run", round=1, target="main", tip="t0", git_version="2", left_out=(left,)
    )
    page = verdict_summary(verdict, held={"b": ("Makefile|`x`",)})

    assert "<img" not in page.replace("`<img", "")
    rows = [line for line in page.splitlines() if line.startswith("| a ")]
    assert len(rows) == 1
    assert rows[0].replace("\\|", "").count("|") == 4

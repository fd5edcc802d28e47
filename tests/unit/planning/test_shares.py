"""Deals of a plan to jobs, with cuts in components that are too large for one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster import graph
from concertmaster.errors import UsageError
from concertmaster.model import Exclusion, Need, Plan, Task
from concertmaster.planning.shares import deal_shares, limit_jobs, take_share
from tests.journals import make_plan, make_task

HOUR = 3600.0
JOB = 6 * HOUR


def plan_of(
    hours: dict[str, float],
    *,
    needs: Iterable[str] = (),
    after: Iterable[str] = (),
    apart: dict[str, float] | None = None,
    slots: int = 4,
) -> Plan:
    """Return a plan in which each task is one letter.

    In `needs` and `after`, "ba" says that b comes after a. In `apart`, "ab" says that a and b
    exclude each other with this probability.
    """
    links = [(*pair, True) for pair in needs] + [(*pair, False) for pair in after]
    found = [Need(task=t, on=on, hard=hard, reason=f"{t}.md says so") for t, on, hard in links]
    exclusions = [
        Exclusion(tasks=(pair[0], pair[1]), probability=p, reason="both change x")
        for pair, p in (apart or {}).items()
    ]
    pairs = [(t, on) for t, on, _ in links] + [one.tasks for one in exclusions]
    return replace(
        make_plan(tasks=[_task(key, long) for key, long in hours.items()]),
        slots=slots,
        needs=tuple(found),
        exclusions=tuple(exclusions),
        shares=graph.components(hours, pairs),
    )


def _task(key: str, hours: float) -> Task:
    return replace(make_task(key), estimate_seconds=hours * HOUR)


def shares(plan: Plan) -> list[str]:
    return sorted("".join(sorted(share)) for share in plan.shares)


def apart(plan: Plan) -> set[str]:
    return {"".join(one.tasks) for one in plan.exclusions}


def new_notes(before: Plan, dealt: Plan) -> tuple[str, ...]:
    assert dealt.notes[: len(before.notes)] == before.notes
    return dealt.notes[len(before.notes) :]


# --- components that fit ---------------------------------------------------------


def test_no_more_jobs_than_have_their_slots_full() -> None:
    plan = plan_of(dict.fromkeys("abcde", 1.0))

    assert len(deal_shares(plan, jobs=9, job_seconds=JOB).shares) == 2
    assert len(deal_shares(plan, jobs=1, job_seconds=JOB).shares) == 1
    assert len(deal_shares(replace(plan, slots=1), jobs=9, job_seconds=JOB).shares) == 5


def test_more_jobs_than_that_where_the_time_of_few_is_too_short() -> None:
    plan = plan_of({"a": 4, "b": 4, "c": 4, "d": 4}, apart={"ab": 0.9, "cd": 0.9}, slots=1)

    assert shares(deal_shares(replace(plan, slots=4), jobs=9, job_seconds=8 * HOUR)) == ["abcd"]
    assert shares(deal_shares(plan, jobs=2, job_seconds=8 * HOUR)) == ["ab", "cd"]
    crowded = plan_of(dict.fromkeys("abcdef", 4.0), slots=3, needs=["ba", "dc", "fe"])
    assert len(deal_shares(crowded, jobs=9, job_seconds=8 * HOUR).shares) == 2


def test_a_component_that_fits_is_not_cut() -> None:
    plan = plan_of({"a": 3, "b": 3}, apart={"ab": 0.6})
    dealt = deal_shares(plan, jobs=9, job_seconds=JOB)

    assert dealt.exclusions == plan.exclusions
    assert dealt.notes == plan.notes
    assert dealt.makespan_seconds == JOB


def test_a_plan_without_tasks_has_no_shares() -> None:
    plan = replace(plan_of({"a": 1}), tasks=(), shares=())

    assert deal_shares(plan, jobs=4, job_seconds=JOB).shares == ()


# --- cuts ------------------------------------------------------------------------


def test_a_component_too_large_is_cut_at_its_cheapest_exclusion_and_the_plan_says_so() -> None:
    plan = plan_of({"a": 3, "b": 2, "c": 3}, apart={"ab": 0.9, "bc": 0.55, "ac": 0.55})
    dealt = deal_shares(plan, jobs=4, job_seconds=JOB)

    assert shares(dealt) == ["ab", "c"]
    assert apart(dealt) == {"ab"}
    assert dealt.makespan_seconds == 5 * HOUR
    too_long = "together their component needs 8h 00m and a job has 6h 00m"
    assert new_notes(plan, dealt) == (
        f"b and c may collide (55%), but they run in different jobs: {too_long}",
        f"a and c may collide (55%), but they run in different jobs: {too_long}",
    )


def test_what_only_has_to_run_apart_is_not_too_large_while_a_slot_has_the_time() -> None:
    plan = plan_of(dict.fromkeys("abcd", 3.0), apart={"ab": 0.9, "bc": 0.9, "cd": 0.9})

    assert deal_shares(plan, jobs=4, job_seconds=JOB).exclusions == plan.exclusions


def test_the_weaker_links_go_before_the_stronger() -> None:
    hours = dict.fromkeys("abcd", 3.0)
    plan = plan_of(hours, apart={"ab": 0.6, "bc": 0.9, "cd": 0.6, "ad": 0.8}, slots=1)

    assert shares(deal_shares(plan, jobs=4, job_seconds=JOB)) == ["ad", "bc"]


def test_hard_needs_are_never_cut_and_what_then_does_not_fit_is_said() -> None:
    plan = plan_of({"a": 3, "b": 3, "c": 3}, needs=["ba", "cb"])
    dealt = deal_shares(plan, jobs=4, job_seconds=JOB)

    assert shares(dealt) == ["abc"]
    (note,) = new_notes(plan, dealt)
    assert note.startswith("share 0 may not finish in one job: it needs 9h 00m and a job has 6h")
    assert note.endswith("a later round goes on")


def test_an_after_is_cut_only_where_no_exclusion_is_left() -> None:
    plan = plan_of(dict.fromkeys("abc", 3.0), after=["ba"], apart={"bc": 0.99, "ac": 0.99})
    dealt = deal_shares(plan, jobs=4, job_seconds=JOB)
    assert shares(dealt) == ["ab", "c"]
    assert dealt.needs == plan.needs

    chain = plan_of(dict.fromkeys("abc", 3.0), after=["ba", "cb"])
    dealt = deal_shares(chain, jobs=4, job_seconds=JOB)
    assert shares(dealt) == ["ab", "c"]
    assert [need.task + need.on for need in dealt.needs] == ["ba"]
    assert new_notes(chain, dealt)[0].startswith("c comes after b, but they run in different jobs")


def test_an_order_by_way_of_a_task_of_another_job_is_kept() -> None:
    plan = plan_of(
        {"a": 1, "b": 6, "c": 1, "d": 1}, after=["ba", "cb"], apart={"ad": 0.9, "cd": 0.9}
    )
    dealt = deal_shares(plan, jobs=4, job_seconds=JOB)

    assert shares(dealt) == ["acd", "b"]
    (need,) = dealt.needs
    assert (need.task, need.on, need.hard) == ("c", "a", False)
    assert "b, which runs in another job" in need.reason


def test_nothing_is_cut_that_would_run_in_one_job_all_the_same() -> None:
    plan = plan_of({"a": 4, "b": 4}, apart={"ab": 0.6})
    dealt = deal_shares(plan, jobs=1, job_seconds=JOB)

    assert dealt.exclusions == plan.exclusions
    assert [note[:25] for note in new_notes(plan, dealt)] == ["share 0 may not finish in"]


def test_nothing_is_cut_whose_cut_lets_no_more_tasks_end_in_time() -> None:
    plan = plan_of({"a": 4, "b": 4, "c": 1}, needs=["ba"], apart={"ac": 0.6})

    assert deal_shares(plan, jobs=4, job_seconds=JOB).exclusions == plan.exclusions


def test_what_cannot_be_cut_does_not_keep_another_component_from_being_cut() -> None:
    plan = plan_of({"a": 9, "b": 4, "c": 4}, apart={"bc": 0.6})
    dealt = deal_shares(plan, jobs=3, job_seconds=JOB)

    assert not dealt.exclusions
    assert [home for home in shares(dealt) if "b" in home] != ["bc"]
    assert any("may not finish" in note for note in dealt.notes)


# --- invariants ------------------------------------------------------------------

NAMES = "abcdefgh"


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    kinds = st.sampled_from(["need", "after", "apart", "apart", "", "", ""])
    drawn = {b + a: draw(kinds) for a, b in combinations(names, 2)}
    return plan_of(
        {name: draw(st.integers(1, 8)) for name in names},
        needs=[pair for pair, kind in drawn.items() if kind == "need"],
        after=[pair for pair, kind in drawn.items() if kind == "after"],
        apart={
            pair: draw(st.integers(51, 99)) / 100 for pair, kind in drawn.items() if kind == "apart"
        },
        slots=draw(st.integers(1, 3)),
    )


def reachable(plan: Plan) -> set[tuple[str, str]]:
    before = graph.build([t.id for t in plan.tasks], ((n.task, n.on) for n in plan.needs))
    found: dict[str, set[str]] = {}
    for task in graph.sort(before, rank={}):
        found[task] = set(before[task]).union(*(found[on] for on in before[task]))
    return {(task, on) for task, ons in found.items() for on in ons}


def untouched(plan: Plan) -> Plan:
    """Return the plan without the parts that a deal may change."""
    return replace(
        plan,
        shares=(),
        needs=(),
        exclusions=(),
        notes=(),
        makespan_seconds=0.0,
        lower_bound_seconds=0.0,
    )


@given(plans(), st.integers(1, 6), st.integers(1, 20))
def test_every_deal_keeps_every_rule(plan: Plan, jobs: int, hours: int) -> None:
    dealt = deal_shares(plan, jobs=jobs, job_seconds=hours * HOUR)

    assert 1 <= len(dealt.shares) <= jobs
    assert sorted(t for share in dealt.shares for t in share) == sorted(t.id for t in plan.tasks)
    home = {task: number for number, share in enumerate(dealt.shares) for task in share}
    assert all(home[need.task] == home[need.on] for need in plan.needs if need.hard)
    kept = [need for need in plan.needs if home[need.task] == home[need.on]]
    assert list(dealt.needs[: len(kept)]) == kept
    assert dealt.exclusions == tuple(
        one for one in plan.exclusions if home[one.tasks[0]] == home[one.tasks[1]]
    )
    in_shares = {pair for pair in reachable(plan) if home[pair[0]] == home[pair[1]]}
    assert reachable(dealt) == in_shares
    assert untouched(dealt) == untouched(plan)


@given(plans(), st.integers(1, 6), st.integers(1, 20))
def test_every_cut_and_every_share_that_is_too_long_is_noted(
    plan: Plan, jobs: int, hours: int
) -> None:
    dealt = deal_shares(plan, jobs=jobs, job_seconds=hours * HOUR)

    notes = new_notes(plan, dealt)
    collide = {m[1] + m[2] for n in notes if (m := re.match(r"(\w) and (\w) may collide", n))}
    unordered = {m[1] + m[2] for n in notes if (m := re.match(r"(\w) comes after (\w), but", n))}
    long = [note for note in notes if note.startswith("share ")]
    assert collide == apart(plan) - apart(dealt)
    assert unordered == {n.task + n.on for n in set(plan.needs) - set(dealt.needs)}
    assert len(collide) + len(unordered) + len(long) == len(notes)
    assert bool(long) == (dealt.makespan_seconds > hours * HOUR)
    assert dealt.lower_bound_seconds <= dealt.makespan_seconds + 1e-6


@given(plans(), st.integers(1, 6))
def test_with_time_enough_no_plan_is_cut(plan: Plan, jobs: int) -> None:
    dealt = deal_shares(plan, jobs=jobs, job_seconds=64 * HOUR)

    assert (dealt.needs, dealt.exclusions, dealt.notes) == (
        plan.needs,
        plan.exclusions,
        plan.notes,
    )


# --- one share -------------------------------------------------------------------


@given(plans(), st.integers(1, 6), st.integers(1, 20))
def test_a_share_refers_to_none_of_the_others(plan: Plan, jobs: int, hours: int) -> None:
    dealt = deal_shares(plan, jobs=jobs, job_seconds=hours * HOUR)

    for number, members in enumerate(dealt.shares):
        share = take_share(dealt, number, slots=2)
        ids = {task.id for task in share.tasks}
        assert ids == set(members)
        assert {end for need in share.needs for end in (need.task, need.on)} <= ids
        assert {task for one in share.exclusions for task in one.tasks} <= ids


def test_the_shares_spend_no_more_than_the_budget_together() -> None:
    plan = plan_of({"a": 1, "b": 3}, slots=1)
    plan = replace(plan, settings=replace(plan.settings, budget_usd=20.0))
    dealt = deal_shares(plan, jobs=2, job_seconds=JOB)

    parts = {dealt.shares[n]: take_share(dealt, n, slots=1).settings.budget_usd for n in (0, 1)}
    assert parts == {("b",): 15.0, ("a",): 5.0}


@pytest.mark.parametrize("number", [-1, 1])
def test_a_share_that_the_plan_does_not_have_is_refused(number: int) -> None:
    dealt = deal_shares(plan_of({"a": 1}), jobs=1, job_seconds=JOB)

    with pytest.raises(UsageError, match="has no share"):
        take_share(dealt, number, slots=1)


@pytest.mark.parametrize(
    ("parallel", "jobs", "slots", "wanted"),
    [
        (None, 4, 4, (4, 4)),
        (1, 4, 4, (1, 1)),
        (4, 4, 4, (1, 4)),
        (6, 4, 4, (2, 3)),
        (16, 4, 4, (4, 4)),
        (256, 4, 4, (4, 4)),
        (3, 1, 64, (1, 3)),
        (3, 9, 1, (3, 1)),
    ],
)
def test_parallel_limits_jobs_and_slots(
    parallel: int | None, jobs: int, slots: int, wanted: tuple[int, int]
) -> None:
    assert limit_jobs(parallel, jobs=jobs, slots=slots) == wanted


@given(st.integers(1, 256), st.integers(1, 256), st.integers(1, 64))
def test_no_more_agents_than_parallel_work_at_a_time(parallel: int, jobs: int, slots: int) -> None:
    fewer, each = limit_jobs(parallel, jobs=jobs, slots=slots)
    assert 1 <= fewer * each <= parallel
    assert fewer <= jobs
    assert each <= slots


def test_a_share_has_no_more_slots_than_the_plan() -> None:
    dealt = deal_shares(plan_of({"a": 1, "b": 1}, slots=1), jobs=1, job_seconds=JOB)
    assert [take_share(dealt, 0, slots=slots).slots for slots in (1, 4)] == [1, 1]

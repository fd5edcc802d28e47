"""Tests of the plan of some of a plan's tasks."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.model import Exclusion, Need
from concertmaster.planning.restricted_plan import restrict
from tests.journals import make_plan, make_task


def test_a_restricted_plan_names_only_its_tasks() -> None:
    exclusions = tuple(
        Exclusion(tasks=pair, probability=0.5, reason="") for pair in (("a", "b"), ("c", "d"))
    )
    needs = tuple(Need(task=task, on="a", hard=True, reason="") for task in ("b", "d"))
    tasks = [replace(make_task(name), estimate_seconds=n) for n, name in enumerate("abcd")]
    order = tuple("dcba")
    whole = replace(make_plan(tasks=tasks), needs=needs, exclusions=exclusions, order=order)

    made = restrict(whole, ("a", "c", "d"))

    assert [task.id for task in made.tasks] == ["a", "c", "d"]
    assert made.needs == (needs[1],)
    assert made.exclusions == (exclusions[1],)
    assert made.order == ("d", "c", "a")
    assert made.sequential_seconds == 0 + 2 + 3
    assert [set(share) for share in made.shares] == [{"a", "c", "d"}]
    assert [set(share) for share in restrict(whole, ("b", "c")).shares] == [{"b"}, {"c"}]

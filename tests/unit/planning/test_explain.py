"""The answer to whether two tasks may run at the same time."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.model import FootprintEntry
from concertmaster.planning.explain import explain
from tests.journals import make_plan


def test_it_is_told_what_both_prompts_point_at_in_a_file() -> None:
    plan = make_plan()
    entry = FootprintEntry(
        path="src/a.py",
        probability=0.9,
        reason="x",
        definitions=(("total", 0.3), ("Money", 0.7)),
        names=("Money", "round_half", "\x1b[2J"),
    )
    other = replace(entry, names=("round_half", "Money"))
    one, two, *rest = plan.tasks
    tasks = (replace(one, footprint=(entry,)), replace(two, footprint=(other,)), *rest)
    told = explain(replace(plan, tasks=tasks, exclusions=()), one.id, two.id).reasons

    assert any(
        reason.endswith("point at its definitions Money, total and its names Money, round_half")
        for reason in told
    )
    assert not any("\x1b" in reason for reason in told)

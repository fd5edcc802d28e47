"""The answer to whether two tasks may run at the same time."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.model import Exclusion, FootprintEntry
from concertmaster.planning.explain import describe_plan, explain
from tests.journals import make_plan, make_task


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


def test_only_shares_without_a_link_between_them_are_called_independent() -> None:
    names = ("one", "two", "three")
    plan = replace(
        make_plan(tasks=[make_task(name) for name in names]),
        needs=(),
        exclusions=(),
        shares=(("one", "two"), ("three",)),
    )
    link = Exclusion(tasks=("two", "three"), probability=0.4, reason="both change a.py")

    assert "independent of each other: one, two; three" in [*describe_plan(plan)]
    cut = "\n".join(describe_plan(replace(plan, exclusions=(link,))))
    assert "independent" not in cut


def test_a_prompt_that_foresees_nothing_is_told_in_the_right_number() -> None:
    one, two = (replace(make_task(name), unknown=True) for name in ("one", "two"))

    assert "the prompt does not tell" in "".join(describe_plan(make_plan(tasks=[one])))
    assert "little is foreseen for them" in "".join(describe_plan(make_plan(tasks=[one, two])))

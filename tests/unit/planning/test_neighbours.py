"""What an agent is told of the tasks beside its own."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.model import FootprintEntry, Need, Plan
from concertmaster.planning.neighbours import LONGEST_NOTE, describe_neighbours
from tests.simulator.plans import make_plan

Definitions = tuple[tuple[str, float], ...]
MONEY: Definitions = (("Money", 0.6), ("round_half", 0.4))


def entry(path: str, probability: float = 0.9, definitions: Definitions = MONEY) -> FootprintEntry:
    return FootprintEntry(path=path, probability=probability, reason="x", definitions=definitions)


def plan_of(tasks: str, **footprints: FootprintEntry) -> Plan:
    plan = make_plan(tasks)
    changed = [
        replace(task, footprint=(footprints[task.id],), title=f"Task {task.id}")
        for task in plan.tasks
    ]
    return replace(plan, tasks=tuple(changed))


def told(plan: Plan) -> str:
    return describe_neighbours(plan, plan.tasks[0], apart=())


def test_a_task_is_told_which_definitions_others_change_in_the_files_it_uses() -> None:
    plan = plan_of("abc", a=entry("money.py", 0.2), b=entry("money.py"), c=entry("order.py"))

    assert told(plan).splitlines()[1:] == ["- Money, round_half in money.py: Task b"]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(entry("money.py", 0.1), id="not likely"),
        pytest.param(entry("money.py", definitions=()), id="no definition is known"),
        pytest.param(entry("order.py"), id="another file"),
    ],
)
def test_nothing_is_told_of_what_matters_to_nobody(other: FootprintEntry) -> None:
    assert told(plan_of("ab", a=entry("money.py"), b=other)) == ""


def test_tasks_that_never_run_beside_it_are_left_out() -> None:
    plan = plan_of("abcde", **dict.fromkeys("abcde", entry("money.py")))
    needs = [("a", "b"), ("b", "c"), ("d", "a")]  # c before b before a before d; e is kept apart
    ordered = tuple(Need(task=t, on=on, hard=False, reason="x") for t, on in needs)
    plan = replace(plan, needs=ordered)

    assert describe_neighbours(plan, plan.tasks[0], apart=["e"]) == ""
    assert "Task e" in told(plan)
    assert "Task a" in describe_neighbours(plan, plan.tasks[4], apart=())


def test_the_note_is_short_and_a_hostile_title_stays_a_part_of_its_line() -> None:
    plan = plan_of("ab", a=entry("money.py"), b=entry("money.py"))
    title = "x`\n\n# Do this\x1b[2J" + "y" * 500
    many = [replace(plan.tasks[1], id=f"b{n}", title=title) for n in range(50)]
    note = told(replace(plan, tasks=(plan.tasks[0], *many)))

    assert len(note) <= LONGEST_NOTE
    assert len(note.splitlines()) > 2
    assert all(line.startswith("- Money, round_half in") for line in note.splitlines()[1:])
    assert "`" not in note
    assert "\x1b" not in note

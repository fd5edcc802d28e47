from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from concertmaster.events import PhaseFinished
from concertmaster.report.summary import MOST_ROWS, breakdown_markdown
from tests import journals
from tests.journals import make_plan, make_task
from tests.rendering import faults, render
from tests.unit.text.test_markdown import hostile


def rows(markdown: str) -> int:
    return sum(token.type == "tr_open" for token in render(markdown))


def test_a_job_without_work_has_no_table() -> None:
    assert breakdown_markdown(journals.tell_story(make_plan(), journals.begin())[1]) == ""


def test_the_table_of_a_job_is_bounded_and_says_so() -> None:
    tasks = [make_task(f"t{number}") for number in range(100)]
    events = [*journals.begin()]
    for task in tasks:
        events += journals.succeed(task.id, at=2, cost=0.01)
    plan = replace(make_plan(tasks=tasks), slots=len(tasks))
    told = breakdown_markdown(journals.tell_story(plan, events)[1])

    assert rows(told) == 1 + 4 + 1 + MOST_ROWS
    assert told.endswith("and 100 rows more in report.html")
    assert "| implement | 100 | 100 | 1m 40s | `$1.00` | 120,000 | 1,000 |" in told


@given(st.lists(hostile, min_size=4, max_size=4))
def test_what_an_agent_calls_its_session_does_nothing(sessions: list[str]) -> None:
    done = journals.succeed("one", at=2)
    phases = [event for event in done if isinstance(event, PhaseFinished)]
    named = [replace(one, session=name) for one, name in zip(phases, sessions, strict=True)]
    told = breakdown_markdown(journals.tell_story(make_plan(), (*journals.begin(), *named))[1])

    assert [fault for fault in faults(told) if not fault.startswith("table_open")] == []
    assert rows(told) == 1 + 4 + 1 + 4

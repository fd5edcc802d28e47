"""Tests that a speed-up is told only against times of runs with one slot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from concertmaster.planning.estimates import Profile, Sample, learn_alone
from concertmaster.report.model import Report
from concertmaster.report.summary import facts
from concertmaster.settings.choices import LEAN_PHASES, Phase
from tests import journals
from tests.journals import make_plan, make_task

END = 10  # seconds after the first event of the tasks


def report_on(*alone: float | None, slots: int = 2, landed: int = 2, ended: bool = True) -> Report:
    """Return the report of a run whose tasks take so long with one slot."""
    tasks = [
        replace(make_task(f"task{n}"), alone_seconds=seconds) for n, seconds in enumerate(alone)
    ]
    names = [task.id for task in tasks]
    done = [event for name in names[:landed] for event in journals.succeed(name, at=2)]
    landings = [journals.land(name, at=8) for name in names[:landed]]
    failed = [
        event
        for name in names[landed:]
        for event in (journals.succeed(name, at=2)[0], journals.fail(name, at=4, reason="no"))
    ]
    end = (journals.finish(at=END),) if ended else ()
    plan = replace(make_plan(tasks=tasks), slots=slots)
    return journals.tell_story(plan, (*journals.begin(), *done, *failed, *landings, *end))[1]


def test_a_speed_up_is_told_with_its_basis() -> None:
    report = report_on(9.0, 16.0)

    assert report.speed_up
    assert report.speed_up.sequential_seconds == 25.0
    assert report.speed_up.times == pytest.approx(25.0 / report.wall_seconds)
    assert dict(facts(report))["speed-up"] == "1.9 (25.0s by past runs with one slot)"


def test_a_task_that_failed_counts_as_nothing() -> None:
    report = report_on(9.0, 16.0, 100.0)

    assert report.speed_up
    assert report.speed_up.sequential_seconds == 25.0


@pytest.mark.parametrize(
    "report",
    [
        report_on(9.0, None),
        report_on(None, None),
        report_on(9.0, 16.0, slots=1),
        report_on(9.0, 16.0, landed=0),
        report_on(9.0, 16.0, ended=False),
    ],
    ids=["one is not known", "none is known", "one slot", "none landed", "not ended"],
)
def test_no_speed_up_is_told_that_nothing_measured(report: Report) -> None:
    assert report.speed_up is None
    assert "speed-up" not in dict(facts(report))


def samples(
    *seconds: float, slots: int = 1, prompt: str = "a.md", phases: tuple[Phase, ...] = LEAN_PHASES
) -> list[Sample]:
    profile = Profile(prompt=prompt, paths=0, agent="claude", phases=phases)
    return [Sample(run="r", at=1.0, profile=profile, seconds=s, slots=slots) for s in seconds]


@pytest.mark.parametrize(
    ("past", "seconds"),
    [
        (samples(10.0, 30.0, 20.0), 20.0),
        ([*samples(10.0, 20.0, 30.0, prompt="b.md"), *samples(99.0)], 25.0),
        (samples(10.0, 20.0), None),
        (samples(10.0, 20.0, 30.0, slots=2), None),
        (samples(10.0, 20.0, 30.0, slots=0), None),
        (samples(10.0, 20.0, 30.0, phases=tuple(Phase)), None),
        ([], None),
    ],
)
def test_only_runs_with_one_slot_teach_the_time_with_one_slot(
    past: Sequence[Sample], seconds: float | None
) -> None:
    asked = Profile(prompt="a.md", paths=0, agent="claude", phases=LEAN_PHASES)

    assert learn_alone(asked, past) == (pytest.approx(seconds) if seconds else None)

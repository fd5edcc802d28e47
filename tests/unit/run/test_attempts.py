"""Tests attempts after a usage limit and after work was sent back."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from concertmaster.commands import RunPhase
from concertmaster.events import PhaseFailed, PhaseFinished
from concertmaster.model import Outcome, Repair
from concertmaster.run.attempts import (
    fail_phase,
    finish_phase,
    next_command,
    pause_attempt,
    start_attempt,
)
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run
from concertmaster.run.task_record import TaskRecord
from concertmaster.settings.choices import Phase
from tests.simulator import make_plan

STATE: RunState = begin_run(make_plan("a", phases=tuple(Phase)))


def asked(record: TaskRecord) -> RunPhase:
    return next_command(record, STATE)[1]


def finish(record: TaskRecord, phase: Phase, checkpoint: str = "") -> TaskRecord:
    event = PhaseFinished(
        task="a", attempt=1, phase=phase, seconds=1.0, checkpoint=checkpoint, session="s"
    )
    return finish_phase(record, event, sources={})


def fail(phase: Phase, outcome: Outcome, **more: Any) -> PhaseFailed:
    return PhaseFailed(
        task="a", attempt=1, phase=phase, seconds=1.0, outcome=outcome, reason="so", **more
    )


def checked_work() -> TaskRecord:
    """Return the record of a checked implementation that is about to be documented."""
    record = start_attempt(STATE.tasks["a"])
    steps = {Phase.PREPARE: "base", Phase.RESEARCH: "", Phase.IMPLEMENT: "work", Phase.TEST: ""}
    for phase, checkpoint in steps.items():
        record = finish(record, phase, checkpoint)
    assert asked(record).phase is Phase.DOCUMENT
    return record


def test_a_phase_that_meets_a_limit_is_asked_again_and_knows_where_it_began() -> None:
    record = pause_attempt(checked_work(), fail(Phase.DOCUMENT, Outcome.LIMITED, saved="half"))
    record = pause_attempt(record, fail(Phase.DOCUMENT, Outcome.LIMITED, saved="more"))

    again = asked(record)
    assert (again.phase, again.session) == (Phase.DOCUMENT, "s")
    assert (again.interrupted_at, again.checkpoint) == ("work", "more")


@pytest.mark.parametrize("checkpoint", ["", "more"])
def test_what_was_changed_before_a_limit_is_checked_as_well(checkpoint: str) -> None:
    record = pause_attempt(checked_work(), fail(Phase.DOCUMENT, Outcome.LIMITED, saved="half"))
    record = finish(record, Phase.DOCUMENT, checkpoint)

    again = asked(record)
    assert again.phase is Phase.TEST
    assert (again.interrupted_at, again.checkpoint) == ("", checkpoint or "half")


def test_a_limit_before_any_change_leaves_the_check_as_it_was() -> None:
    record = pause_attempt(checked_work(), fail(Phase.DOCUMENT, Outcome.LIMITED))
    assert asked(finish(record, Phase.DOCUMENT)).phase is Phase.REVIEW


def test_what_research_changed_before_a_limit_is_thrown_away() -> None:
    record = finish(start_attempt(STATE.tasks["a"]), Phase.PREPARE, "base")
    record = pause_attempt(record, fail(Phase.RESEARCH, Outcome.LIMITED, saved="strange"))

    again = asked(record)
    assert (again.phase, again.checkpoint, again.interrupted_at) == (Phase.RESEARCH, "base", "")


def test_work_that_is_sent_back_goes_on_from_what_was_saved() -> None:
    event = fail(Phase.DOCUMENT, Outcome.FAILED, evidence="no docs", saved="code")
    record = fail_phase(checked_work(), event, plan=make_plan("a", fix_attempts=1))

    again = asked(record)
    assert (again.phase, again.checkpoint, again.evidence) == (Phase.IMPLEMENT, "code", "no docs")


def test_the_comments_of_the_reviewer_who_approved_are_kept() -> None:
    record, said = checked_work(), "- a.txt (note): fine"
    finished = PhaseFinished(
        task="a", attempt=1, phase=Phase.REVIEW, seconds=1.0, findings=said, session="s"
    )
    reviewed = finish_phase(record, finished, sources={})
    assert reviewed.attempts[-1].review == said
    assert reviewed.attempts[-1].findings == record.attempts[-1].findings


def say(record: TaskRecord, words: str) -> TaskRecord:
    event = PhaseFinished(task="a", attempt=1, phase=Phase.IMPLEMENT, seconds=1.0, said=words)
    return finish_phase(record, event, sources={})


def test_the_commit_has_the_last_words_of_the_implementation_and_not_those_of_a_repair() -> None:
    record = finish(start_attempt(STATE.tasks["a"]), Phase.PREPARE, "base")
    record = say(say(record, "Half done."), "Done.")
    assert say(record, "").attempts[-1].said == "Done."
    for phase in (Phase.TEST, Phase.DOCUMENT, Phase.REVIEW):
        record = finish(record, phase)
    record = finish(record, Phase.RESEARCH)
    last = asked(record)
    assert (last.phase, last.said) == (Phase.DELIVER, "Done.")

    broken = replace(record, repair=Repair(base="base", head="head", reason="conflict"))
    repaired = say(start_attempt(broken), "Joined both.")
    assert repaired.attempts[-1].said == "Done."
    unknown = replace(STATE.tasks["a"], repair=broken.repair)  # the result of an earlier run
    assert say(start_attempt(unknown), "Joined both.").attempts[-1].said == "Joined both."

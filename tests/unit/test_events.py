"""Tests that the tags of events do not change, because journals on disk hold them."""

from __future__ import annotations

import json
from typing import get_args

from concertmaster.engine.journal import dump_event, load_event
from concertmaster.events import Event, RunStarted

TAGS = """
RunStarted RunResumed BaseChecked PhaseFinished PhaseFailed FootprintObserved ResultReceived
BatchChecked MergeConflicted BatchLanded TargetMoved WorkKept PauseEnded Throttled CancelRequested
StopRequested RunFinished TaskCancelled
""".split()


def test_the_tags_are_those_that_journals_on_disk_hold() -> None:
    assert [kind.tag for kind in get_args(Event)] == TAGS


def test_a_line_of_the_journal_names_its_event_by_the_tag() -> None:
    event = RunStarted(run="r-1", at=1.5)

    line = dump_event(event)

    assert json.loads(line) == {"event": "RunStarted", "run": "r-1", "at": 1.5}
    assert load_event(line) == event

"""Measures the time from the event to an agent's first request, by part."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.e2e.local_release import NAME
from tests.e2e.repository import Stage
from tests.e2e.runner import Ran


def tell_times(stage: Stage, ran: Ran) -> str:
    """Return a table to print."""
    rows = [f"{seconds:8.2f} s  {what}" for what, seconds in _parts(stage, ran).items()]
    return "\n".join(["", "From the comment event to the first request of an agent", *rows, ""])


def _parts(stage: Stage, ran: Ran) -> Mapping[str, float]:
    first = min(at for word, at in stage.model.first_seen.items() if word) - ran.started
    number, events = min(_journals(ran), key=lambda found: found[1][0]["at"])
    work = f"/work-{number + 1}]"
    moments = {
        "the runner starts the container of the job `plan`": _main(ran, "/plan]"),
        "the action's container starts, clones and plans": ran.moment("/plan]", "| creating"),
        "the child issues are made": ran.moment("/plan]", "| output run"),
        "the plan is done and uploaded": ran.moment("/plan]", "Complete job"),
        "the runner starts the job `work`, which gets the plan": _main(ran, work),
        "the action's container starts and clones": events[0]["at"] - ran.started,
        "the base is checked": _at(events, "BaseChecked") - ran.started,
        "a worktree is made and set up": _at(events, "PhaseFinished") - ran.started,
        "the agent starts and asks": first,
    }
    before = [0.0, *moments.values()]
    parts = {name: at - was for (name, at), was in zip(moments.items(), before, strict=False)}
    return {**parts, "in all": first}


def _main(ran: Ran, job: str) -> float:
    """Return when the job starts our action, in seconds since the start."""
    return ran.moment(job, "Run Main", NAME)


def _journals(ran: Ran) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    for path in ran.artifacts.glob("concertmaster-work-*/journal.jsonl"):
        lines = path.read_text().splitlines()
        yield int(path.parent.name.rpartition("-")[2]), [*map(json.loads, lines)]


def _at(events: list[dict[str, Any]], name: str) -> float:
    return next(float(one["at"]) for one in events if one["event"] == name)

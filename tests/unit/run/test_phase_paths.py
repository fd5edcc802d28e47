"""Explores every path of an attempt through its phases, with every answer of each phase."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from graphlib import TopologicalSorter

import pytest

from concertmaster.events import PhaseFailed, PhaseFinished
from concertmaster.model import Outcome, TaskState, select
from concertmaster.run.attempts import (
    counts_as_attempt,
    fail_phase,
    finish_phase,
    forget_asking,
    next_command,
    pause_attempt,
    start_attempt,
)
from concertmaster.run.phases import AGENTS_OWN, JUDGES, STOPS_THE_RUN
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run
from concertmaster.run.task_record import Attempt, TaskRecord
from concertmaster.settings.choices import LEAN_PHASES, Phase
from tests.conftest import in_matrix
from tests.simulator import make_plan

ATTEMPTS, FIX_ATTEMPTS = 2, 1
FAR_TOO_MANY = 5000  # places; all phases make 600
NEVER_FAILED = frozenset({Outcome.SUCCEEDED, Outcome.YIELDED})  # no failed phase has these
FOREVER = frozenset({*STOPS_THE_RUN, Outcome.CANCELLED})  # spend no attempt
KINDS = {
    "lean": LEAN_PHASES,
    "full": tuple(Phase),
    "without review": (*LEAN_PHASES, Phase.RESEARCH, Phase.DOCUMENT),
    "with review alone": (*LEAN_PHASES, Phase.REVIEW),
}
LARGE = ("full", "without review")
EACH_KIND = [*sorted(KINDS.keys() - {*LARGE}), *in_matrix(LARGE)]
SEND_BACK = (Phase.TEST, Phase.DOCUMENT, Phase.REVIEW)
BASE, TREE, NEW = "base", "tree", "new"  # NEW in one step becomes TREE in the next


@dataclass(frozen=True, kw_only=True)
class Place:
    """A point of a path; `judged` are the phases that have judged the tree as it is."""

    record: TaskRecord
    judged: frozenset[Phase] = frozenset()


@dataclass(frozen=True, kw_only=True)
class Step:
    """An event and the place it leads to.

    Limits, budgets, cancellations and crashes come from outside and spend no attempt.
    """

    told: str
    to: Place
    spends: bool = True


class Paths:
    """All paths of the one task of a run."""

    def __init__(self, phases: tuple[Phase, ...]) -> None:
        self.state: RunState = begin_run(make_plan("a", phases=phases))
        self.phases = select(phases)
        self.places: dict[Place, list[Step]] = {}
        self._explore(Place(record=start_attempt(self.state.tasks["a"])))

    def _explore(self, start: Place) -> None:
        waiting = [start]
        while waiting:
            place = waiting.pop()
            assert len(self.places) < FAR_TOO_MANY, "there is no end of it"
            if place not in self.places:
                self.places[place] = [] if place.record.state.is_over else [*self._steps(place)]
                waiting.extend(step.to for step in self.places[place])

    def _steps(self, place: Place) -> Iterator[Step]:
        record, command = next_command(place.record, self.state)
        if command.phase is Phase.DELIVER:
            wanted = JUDGES & frozenset(self.phases)
            assert wanted <= place.judged, f"{wanted - place.judged} has not seen what is delivered"
        yield Step(told="crash", to=self._at(place, forget_asking(record)), spends=False)
        for event in self._ends(command.phase, command.checkpoint):
            if isinstance(event, PhaseFinished):
                done = finish_phase(record, event, sources={})
                yield Step(told=f"{event.phase} done", to=self._at(place, done, event.phase))
            elif event.outcome is Outcome.LIMITED:
                paused = pause_attempt(record, event)
                yield Step(told=f"{event.phase} limited", to=self._at(place, paused), spends=False)
            else:
                yield self._fail(place, record, event)

    def _fail(self, place: Place, record: TaskRecord, event: PhaseFailed) -> Step:
        failed = fail_phase(record, event, plan=self.state.plan)
        if failed.state is TaskState.WAITING:
            to = Place(record=_pruned(start_attempt(failed)))
        else:
            to = self._at(place, failed)
        told = f"{event.phase} {event.outcome}{' with evidence' * bool(event.evidence)}"
        return Step(told=told, to=to, spends=event.outcome not in FOREVER)

    def _ends(self, phase: Phase, tree: str) -> Iterator[PhaseFinished | PhaseFailed]:
        """Yield all answers that a slot can give."""
        made = {
            Phase.PREPARE: [BASE],
            Phase.IMPLEMENT: [NEW, tree],  # `tree` if all was done before a usage limit
            Phase.DOCUMENT: ["", NEW, tree],
            Phase.DELIVER: ["head"],
        }
        for checkpoint in made.get(phase, [""]):
            yield PhaseFinished(task="a", attempt=1, phase=phase, seconds=1, checkpoint=checkpoint)
        if phase is Phase.IMPLEMENT:
            yield PhaseFinished(task="a", attempt=1, phase=phase, seconds=1, no_op="it is there")
        for outcome in (one for one in Outcome if one not in NEVER_FAILED):
            for saved in ("", tree, NEW) if phase in AGENTS_OWN else ("",):
                goes_back = phase in SEND_BACK and outcome is Outcome.FAILED
                for evidence in ("", "mend this") if goes_back else ("",):
                    yield PhaseFailed(
                        task="a",
                        attempt=1,
                        phase=phase,
                        seconds=1,
                        outcome=outcome,
                        reason="so",
                        saved=saved,
                        evidence=evidence,
                    )

    def _at(self, before: Place, record: TaskRecord, finished: Phase | None = None) -> Place:
        """Return the next place; the verdicts on a tree are void for another tree."""
        old, new = before.record.attempts[-1], record.attempts[-1]
        judged = before.judged if old.checkpoint == new.checkpoint else frozenset()
        if finished in JUDGES:
            judged |= {finished}
        return Place(record=_pruned(record), judged=judged)


def _pruned(record: TaskRecord) -> TaskRecord:
    """Return the record without its history, but with the number of attempts that count."""
    if record.state.is_over:
        return replace(record, reason="", attempts=(Attempt(number=0),))
    attempt = record.attempts[-1]
    spent = sum(1 for one in record.attempts[:-1] if counts_as_attempt(one))
    here = replace(
        attempt,
        number=1 + spent,
        checkpoint=TREE if attempt.checkpoint == NEW else attempt.checkpoint,
        usages=(),
        reason="",
        returned=tuple(sorted(attempt.returned)),
        holds=tuple(sorted(attempt.holds)),
        interrupted_at="before" if attempt.interrupted_at else "",
    )
    earlier = (Attempt(number=0, outcome=Outcome.FAILED),) * spent
    return replace(record, reason="", attempts=(*earlier, here))


@cache
def paths(kind: str) -> Paths:
    return Paths(KINDS[kind])


def count_steps(found: Paths) -> dict[Place, int]:
    """Return the largest number of spending steps from each place to an end."""
    spent = {place: [s.to for s in steps if s.spends] for place, steps in found.places.items()}
    longest: dict[Place, int] = {}
    for place in TopologicalSorter(spent).static_order():  # raises CycleError
        longest[place] = max((longest[to] + 1 for to in spent[place]), default=0)
    return longest


@pytest.mark.parametrize("kind", EACH_KIND)
def test_no_path_leads_to_deliver_without_all_verdicts_on_this_tree(kind: str) -> None:
    found = paths(kind)  # the exploration asserts it at each step into deliver

    delivered = [s for steps in found.places.values() for s in steps if s.told == "deliver done"]
    assert delivered
    assert {step.to.record.state for step in delivered} == {TaskState.SUCCEEDED}


@pytest.mark.parametrize("kind", EACH_KIND)
def test_from_every_place_whatever_happens_leads_to_an_end_in_bounded_steps(kind: str) -> None:
    found = paths(kind)

    longest = count_steps(found)
    rounds = 1 + FIX_ATTEMPTS * len(SEND_BACK)
    assert max(longest.values()) <= ATTEMPTS * rounds * len(found.phases)
    ends = {place.record.state for place, steps in found.places.items() if not steps}
    assert ends == {TaskState.SUCCEEDED, TaskState.FAILED}


@pytest.mark.parametrize("kind", EACH_KIND)
def test_no_place_is_without_hope(kind: str) -> None:
    """A task succeeds from every place if its agent does its work from there on."""
    for start, steps in paths(kind).places.items():
        place, left = start, 4 * len(Phase)
        while not place.record.state.is_over:
            done = [s for s in paths(kind).places[place] if s.told.endswith(" done")]
            place, left = done[0].to, left - 1
            assert left, f"{start} goes round in circles"
        assert not steps or place.record.state is TaskState.SUCCEEDED

"""Builds the frozen plan from prompts and footprints: needs, exclusions, order and shares."""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster import graph
from concertmaster.errors import UsageError
from concertmaster.insight.calibration import Calibration
from concertmaster.model import (
    Exclusion,
    FootprintEntry,
    Need,
    Plan,
    Prompt,
    RunSettings,
    Skipped,
    Task,
)
from concertmaster.planning import estimates, scheduler
from concertmaster.planning.collisions import NOTHING_LEARNT, Meeting, keep_history
from concertmaster.planning.earlier_tries import EarlierTry, spread_busy
from concertmaster.planning.estimates import Sample
from concertmaster.planning.exclusions import keep_apart
from concertmaster.planning.pair_chances import meet_pairs
from concertmaster.planning.slots import SlotCapacity, choose_slots
from concertmaster.prompts.other_tools import same_task
from concertmaster.text.display import count

_MOST_KEYS = 20  # of other tools, that a note names


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A parsed prompt with its predicted footprint."""

    id: str
    prompt: Prompt
    blob: str
    footprint: tuple[FootprintEntry, ...]
    notes: tuple[str, ...] = ()
    unknown: bool = False  # the footprint is of no use
    done: str = ""  # why there is nothing to do, "" if there is
    busy: str = ""  # why it has to wait for another run, "" if it has not
    earlier: EarlierTry | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Experience:
    """What is known from the past: tasks of earlier runs, and what the history taught.

    `past` comes from `estimates.learn_samples`.
    """

    past: Sequence[Sample] = ()
    learnt: Calibration = NOTHING_LEARNT


NO_EXPERIENCE = Experience()


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftOrder:
    """An order found in prose: the prompt `path` comes after the prompt `on`."""

    path: str
    on: str
    reason: str


def make_plan(
    draft: Plan,
    candidates: Sequence[Candidate],
    *,
    hints: Iterable[SoftOrder] = (),
    capacity: SlotCapacity | None = None,
    known: Experience = NO_EXPERIENCE,
) -> Plan:
    """Return the draft with its tasks, their order and shares.

    With `capacity` the plan gets as many slots as are of use to it on such a machine, else those of
    the draft. Raises UsageError for an unknown need and for a cycle of hard needs.
    """
    active = [c for c in candidates if not _why_done(c)]
    hard, absent = _hard_needs(candidates, active)
    busy = spread_busy({c.id: c.busy for c in active if c.busy}, hard)
    skipped = tuple(
        Skipped(prompt=c.prompt.path, task=c.id, reason=reason)
        for c in candidates
        if (reason := _why_done(c) or busy.get(c.id))
    )
    active = [c for c in active if c.id not in busy]
    hard = tuple(need for need in hard if need.task not in busy)
    tasks = tuple(_estimated(c, draft.settings, past=known.past) for c in active)
    soft, dropped = _soft_needs(active, hints, hard)
    filled = replace(
        draft,
        tasks=tasks,
        needs=hard + soft,
        pair_history=keep_history(known.learnt, {e.path for t in tasks for e in t.footprint}),
        skipped=skipped,
        notes=(*draft.notes, *_note_other_tools(candidates), *absent, *dropped),
    )
    cores = capacity.cores if capacity else filled.slots
    found = _exclusions(filled, learnt=known.learnt, slots=cores)
    return _scheduled(replace(filled, exclusions=found), capacity)


def _why_done(candidate: Candidate) -> str:
    """Return why the prompt makes no task, "" if it makes one."""
    completed = candidate.prompt.completed
    return f"marked {completed}" if completed else candidate.done


def _estimated(candidate: Candidate, settings: RunSettings, *, past: Sequence[Sample]) -> Task:
    task = _task(candidate)
    given = candidate.prompt.estimate_seconds
    profile = estimates.profile_of(task, settings)
    found = estimates.estimate_task(profile, past, given=given)
    return replace(
        task,
        estimate_seconds=found.seconds,
        estimate_cost_usd=found.cost_usd,
        estimate_reason=found.reason,
        alone_seconds=estimates.learn_alone(profile, past),
    )


def _task(candidate: Candidate) -> Task:
    prompt, earlier = candidate.prompt, candidate.earlier
    return Task(
        id=candidate.id,
        prompt=prompt.path,
        blob=candidate.blob,
        title=prompt.title,
        estimate_seconds=0.0,
        footprint=candidate.footprint,
        unknown=candidate.unknown,
        notes=candidate.notes,
        touches=prompt.touches,
        check=prompt.check,
        agent=prompt.agent,
        priority=prompt.priority,
        phases=prompt.phases,
        evidence=earlier.evidence if earlier else "",
        earlier=earlier.result if earlier else None,
    )


def _hard_needs(
    candidates: Sequence[Candidate], active: Sequence[Candidate]
) -> tuple[tuple[Need, ...], tuple[str, ...]]:
    """Return the needs, and notes on the ids of other tools that no listed prompt has."""
    found: dict[tuple[str, str], Need] = {}
    notes = []
    running = {c.id for c in active}
    for candidate in active:
        needed = candidate.prompt.needs
        named = [("needs", name, _find(name, candidate, candidates)) for name in needed]
        for name in candidate.prompt.dependencies:
            if on := _find_id(name, candidate, candidates):
                named.append(("dependencies", name, on))
            else:
                why = "no listed prompt has this id, so it is taken as done"
                notes.append(f"{candidate.prompt.path} depends on {name}: {why}")
        for key, name, on in named:
            if on.id in running:
                reason = f"{candidate.prompt.path} says {key}: {name}"
                need = Need(task=candidate.id, on=on.id, hard=True, reason=reason)
                found.setdefault((need.task, need.on), need)
    needs = tuple(found.values())
    _refuse_cycle(needs, {c.id: c.prompt.path for c in active})
    return needs, tuple(notes)


def _find_id(name: str, source: Candidate, candidates: Sequence[Candidate]) -> Candidate | None:
    """Return the other prompt that another tool calls so: by its id, or by its file name."""
    others = [c for c in candidates if c is not source]
    by_id = (c for c in others if c.prompt.id and same_task(c.prompt.id, name))
    stems = {c.id: posixpath.basename(c.prompt.path).partition(".md")[0] for c in others}
    by_file = (c for c in others if stems[c.id] == posixpath.basename(name).removesuffix(".md"))
    return next(by_id, None) or next(by_file, None)


def _note_other_tools(candidates: Sequence[Candidate]) -> Iterator[str]:
    """Yield one note on all keys of other tools, and one on prompts that hold lists of tasks."""
    ignored = sorted({key for c in candidates for key in c.prompt.ignored}, key=str.lower)
    if ignored:
        number = sum(bool(c.prompt.ignored) for c in candidates)
        shown = ", ".join(ignored[:_MOST_KEYS]) + (", …" if ignored[_MOST_KEYS:] else "")
        yield f"front matter of other tools is ignored in {count(number, 'prompt')}: {shown}"
    lists = [c.prompt for c in candidates if c.prompt.tasks and not c.prompt.completed]
    if lists:
        shown = ", ".join(f"{prompt.path} ({prompt.tasks})" for prompt in lists[:5])
        yield (
            f"{shown}: lists of open tasks, each run as one task; `concertmaster split FILE` makes "
            "a prompt of each part"
        )


def _find(name: str, source: Candidate, candidates: Sequence[Candidate]) -> Candidate:
    """Return the prompt that a `needs` entry names. Raises UsageError.

    A path relative to the prompt's folder comes first, then a listed path, then a file name that
    only one prompt has.
    """
    beside = posixpath.normpath(posixpath.join(posixpath.dirname(source.prompt.path), name))
    for wanted in (beside, posixpath.normpath(name)):
        for candidate in candidates:
            if candidate.prompt.path == wanted:
                return candidate
    same = [c for c in candidates if posixpath.basename(c.prompt.path) == posixpath.basename(name)]
    if len(same) == 1:
        return same[0]
    raise _unknown_need(name, source, [c.prompt.path for c in candidates], ambiguous=bool(same))


def _unknown_need(
    name: str, source: Candidate, known: Sequence[str], *, ambiguous: bool
) -> UsageError:
    if ambiguous:
        why = "several of the listed prompts have that file name"
        return UsageError(
            f"{source.prompt.path} needs {name!r}, which is ambiguous",
            why=why,
            next_step="write the path of the one that is meant, relative to the prompt's folder",
        )
    close = difflib.get_close_matches(name, [*known, *map(posixpath.basename, known)], n=1)
    guess = f"; did you mean {close[0]!r}?" if close else ""
    return UsageError(
        f"{source.prompt.path} needs {name!r}, which is not among the listed prompts{guess}",
        why="a need must run, or be marked as implemented, in the same run",
        next_step=f"add {name} to the list, or remove it from the needs of {source.prompt.path}",
    )


def _refuse_cycle(needs: Sequence[Need], paths: Mapping[str, str]) -> None:
    cycle = graph.find_cycle(graph.build(paths, ((n.task, n.on) for n in needs)))
    if cycle:
        shown = " -> ".join(paths[task] for task in reversed(cycle))
        raise UsageError(
            f"the prompts need each other in a cycle: {shown}",
            why="each of them would wait for the others for ever",
            next_step="remove one of these entries from the front matter's needs",
        )


def _soft_needs(
    active: Sequence[Candidate], hints: Iterable[SoftOrder], hard: Sequence[Need]
) -> tuple[tuple[Need, ...], tuple[str, ...]]:
    """Return the hints as `after` needs, and notes on those that were dropped.

    A hint is dropped if it would close a cycle.
    """
    ids = {c.prompt.path: c.id for c in active}
    edges = [(n.task, n.on) for n in hard]
    kept: list[Need] = []
    notes: list[str] = []
    for hint in hints:
        task, on = ids.get(hint.path), ids.get(hint.on)
        if task is None or on is None or (task, on) in edges:
            continue
        if graph.find_cycle(graph.build(ids.values(), [*edges, (task, on)])):
            notes.append(f"order dropped, it would close a cycle: {hint.reason}")
            continue
        edges.append((task, on))
        kept.append(Need(task=task, on=on, hard=False, reason=hint.reason))
    return tuple(kept), tuple(notes)


def _exclusions(plan: Plan, *, learnt: Calibration, slots: int) -> tuple[Exclusion, ...]:
    """Return the pairs that are worth keeping apart and are not ordered already."""
    meetings = meet_pairs(plan, learnt)
    kept = keep_apart([*meetings.values()], tasks=len(plan.tasks), slots=slots)
    return tuple(
        Exclusion(
            tasks=pair,
            probability=round(met.collision, 3),
            reason=_say_why(met),
        )
        for number, (pair, met) in enumerate(meetings.items())
        if number in kept
    )


def _say_why(meeting: Meeting) -> str:
    likely = "are likely to" if meeting.collision > 0.5 else "may"
    return f"both {likely} change {_name_paths(meeting.paths)}"


def _name_paths(paths: Sequence[str]) -> str:
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    return ", ".join(paths[:3]) + more


def _scheduled(plan: Plan, capacity: SlotCapacity | None) -> Plan:
    network = scheduler.Network.from_plan(plan)
    if capacity is not None:
        number, note = choose_slots(network, capacity)
        plan = replace(plan, slots=number, notes=(*plan.notes, note))
    order, makespan = scheduler.simulate(network, slots=plan.slots)
    links = [(n.task, n.on) for n in plan.needs] + [e.tasks for e in plan.exclusions]
    shares = graph.components(network.before, links)
    return replace(
        plan,
        order=order,
        shares=tuple(sorted(shares, key=lambda share: -_work(network, share))),
        makespan_seconds=makespan,
        lower_bound_seconds=scheduler.bound(network, slots=plan.slots),
        sequential_seconds=_work(network, network.before),
        predicted_cost_usd=estimates.predict_cost(plan.tasks),
    )


def _work(network: scheduler.Network, tasks: Iterable[str]) -> float:
    return sum(network.estimates[task] for task in tasks)

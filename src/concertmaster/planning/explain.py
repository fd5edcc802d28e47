"""Explains a plan in words and draws it as a Mermaid flowchart."""

from __future__ import annotations

import difflib
import posixpath
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from concertmaster.errors import UsageError
from concertmaster.model import Exclusion, FootprintEntry, Need, Plan, Task
from concertmaster.planning.estimates import say_cost
from concertmaster.text.display import count, display, duration
from concertmaster.text.names import find_unique

MOST_PATHS_NAMED = 5
MOST_TASKS_NAMED = 20
MOST_NAMES_TOLD = 4
PLAN_COLUMNS = ("#", "task", "title", "estimate", "footprint", "waits for")


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer to whether two tasks may run at the same time, with reasons in words."""

    tasks: tuple[str, str]
    together: bool
    reasons: tuple[str, ...]


def explain(plan: Plan, a: str, b: str) -> Explanation:
    """Explain whether the tasks `a` and `b` may run at the same time.

    Both are ids, prompt paths or file names. Raises UsageError for an unknown task or the same one.
    """
    first, second = find_task(plan, a), find_task(plan, b)
    if first == second:
        raise UsageError(
            f"{a!r} and {b!r} are the same task", next_step="name two different tasks of the plan"
        )
    pair = (first.id, second.id)
    apart = (*_order(plan, pair), *_exclusion(plan, pair))
    shared = tuple(_shared_paths(first, second))
    if apart:
        return Explanation(tasks=pair, together=False, reasons=(*apart, *shared))
    unknown = [task.id for task in (first, second) if task.unknown]
    if unknown:
        reason = f"nothing usable is predicted for {' and '.join(unknown)}, so they may collide"
        return Explanation(tasks=pair, together=True, reasons=(*shared, reason))
    if shared:
        reason = "what they share is too unlikely to collide to make one wait for the other"
        return Explanation(tasks=pair, together=True, reasons=(*shared, reason))
    reason = "they share no predicted path, and neither needs the other"
    return Explanation(tasks=pair, together=True, reasons=(reason,))


def find_task(plan: Plan, name: str) -> Task:
    """Return the task with this id, prompt path or file name, or the start of an id.

    Raises UsageError if there is none, or several.
    """
    for task in plan.tasks:
        if name in (task.id, task.prompt):
            return task
    same = [task for task in plan.tasks if posixpath.basename(task.prompt) == name]
    if len(same) == 1:
        return same[0]
    ids = [task.id for task in plan.tasks]
    if found := find_unique(name, ids, what="task"):
        return next(task for task in plan.tasks if task.id == found)
    for left in plan.skipped:
        if name in (left.prompt, posixpath.basename(left.prompt)) or left.task.startswith(name):
            raise UsageError(
                f"{left.prompt} is no task of this plan",
                why=left.reason,
                next_step="name a task of the plan",
            )
    close = difflib.get_close_matches(name, ids, n=1)
    raise UsageError(
        f"{name!r} is no task of this plan" + (f"; did you mean {close[0]!r}?" if close else ""),
        why="several prompts have that file name" if same else f"it has {_name_some(ids)}",
        next_step="name a task by its id or by its prompt's path",
    )


def _name_some(ids: Sequence[str]) -> str:
    more = len(ids) - MOST_TASKS_NAMED
    if not ids:
        return "no task"
    return ", ".join(ids[:MOST_TASKS_NAMED]) + (f" and {more} more" if more > 0 else "")


def _order(plan: Plan, pair: tuple[str, str]) -> Iterator[str]:
    for task, on in (pair, pair[::-1]):
        chain = _find_chain(plan, task, on)
        if len(chain) > 1:
            yield f"{task} runs after {on}, by way of {', '.join(n.on for n in chain[:-1])}"
        for need in chain:
            yield describe_need(need)


def _find_chain(plan: Plan, task: str, on: str) -> tuple[Need, ...]:
    """Return the shortest chain of needs from `task` to `on`, () if there is none."""
    chains: dict[str, tuple[Need, ...]] = {task: ()}
    waiting = [task]
    for current in waiting:
        for need in plan.needs:
            if need.task == current and need.on not in chains:
                chains[need.on] = (*chains[current], need)
                waiting.append(need.on)
    return chains.get(on, ())


def describe_need(need: Need) -> str:
    """Return a need in words."""
    verb = "needs" if need.hard else "comes after"
    return f"{need.task} {verb} {need.on}: {display(need.reason)}"


def describe_exclusion(exclusion: Exclusion) -> str:
    """Return an exclusion in words."""
    a, b = exclusion.tasks
    chance = f"they collide with a probability of {exclusion.probability:.0%}"
    return f"{a} and {b} not at the same time: {display(exclusion.reason)} ({chance})"


def describe_cut(link: Need | Exclusion, *, seconds: float, job_seconds: float) -> str:
    """Return in words that a link joins tasks of different jobs, and why.

    `seconds` is what their whole component takes, `job_seconds` what a job has.
    """
    if isinstance(link, Need):
        what = f"{link.task} comes after {link.on}"
    else:
        what = f"{' and '.join(link.tasks)} may collide ({link.probability:.0%})"
    return (
        f"{what}, but they run in different jobs: together their component "
        f"needs {duration(seconds)} and a job has {duration(job_seconds)}"
    )


def describe_overtime(share: int, *, seconds: float, job_seconds: float) -> str:
    """Return in words that a share takes longer than a job has."""
    return (
        f"share {share} may not finish in one job: it needs {duration(seconds)} and a job has "
        f"{duration(job_seconds)}; a later round goes on"
    )


def _exclusion(plan: Plan, pair: tuple[str, str]) -> Iterator[str]:
    for exclusion in plan.exclusions:
        if set(exclusion.tasks) == set(pair):
            yield describe_exclusion(exclusion)


def _shared_paths(first: Task, second: Task) -> Iterator[str]:
    ours = {entry.path: entry for entry in first.footprint}
    both = [(ours[entry.path], entry) for entry in second.footprint if entry.path in ours]
    both.sort(key=lambda two: -two[0].probability * two[1].probability)
    for one, other in both[:MOST_PATHS_NAMED]:
        chances = f"{first.id} {one.probability:.0%}, {second.id} {other.probability:.0%}"
        yield f"both may change {display(one.path)} ({chances}){_common_places(one, other)}"


def _common_places(one: FootprintEntry, other: FootprintEntry) -> str:
    """Return in words what both prompts point at in a file."""
    theirs = dict(other.definitions)
    weights = {name: share * theirs[name] for name, share in one.definitions if name in theirs}
    found = {
        "definitions": sorted(weights, key=lambda name: (-weights[name], name)),
        "names": [name for name in one.names if name in other.names],
    }
    parts = [
        f"{what} {', '.join(display(name, limit=40) for name in names[:MOST_NAMES_TOLD])}"
        for what, names in found.items()
        if names
    ]
    return f"; both prompts point at its {' and its '.join(parts)}" if parts else ""


def describe_plan(plan: Plan) -> Iterator[str]:
    """Yield the lines about a plan that are not in its table of tasks."""
    for need in plan.needs:
        yield f"order: {describe_need(need)}"
    for exclusion in plan.exclusions:
        yield f"apart: {describe_exclusion(exclusion)}"
    for skipped in plan.skipped:
        yield f"skipped: {display(skipped.prompt)}: {display(skipped.reason)}"
    for task in plan.tasks:
        yield from (f"note: {task.id}: {display(note)}" for note in task.notes)
    yield from (f"note: {display(note)}" for note in plan.notes)
    yield from describe_unknown(plan)
    unknown = {task.id for task in plan.tasks if task.unknown}
    known = [share for share in plan.shares if unknown.isdisjoint(share)]
    if len(known) > 1 and not _is_cut(plan):
        yield f"independent of each other: {'; '.join(', '.join(share) for share in known)}"
    yield (
        f"estimate: {duration(plan.makespan_seconds)} in {count(plan.slots, 'slot')}; "
        f"no schedule beats {duration(plan.lower_bound_seconds)}; "
        f"one after another {duration(plan.sequential_seconds)}"
    )
    yield from describe_sources(plan)
    if plan.tasks:
        yield f"predicted cost: {describe_cost(plan)}"


def _is_cut(plan: Plan) -> bool:
    """Return whether tasks of different shares are linked, because a share was too large."""
    share_of = {task: number for number, share in enumerate(plan.shares) for task in share}
    pairs = [one.tasks for one in plan.exclusions] + [(one.task, one.on) for one in plan.needs]
    linked = [pair for pair in pairs if share_of.keys() >= {*pair}]
    return any(share_of[one] != share_of[other] for one, other in linked)


def describe_unknown(plan: Plan) -> Iterator[str]:
    """Yield a line about the tasks of which nothing usable is predicted, if there are any."""
    unknown = [task.id for task in plan.tasks if task.unknown]
    if unknown:
        whose, it = ("the prompt does", "it") if len(unknown) == 1 else ("the prompts do", "them")
        yield (
            f"unknown: {_name_some(unknown)}: {whose} not tell which files change, so "
            f"little is foreseen for {it}; name files or functions there, or add touches"
        )


def describe_sources(plan: Plan) -> Iterator[str]:
    """Yield a line about the sources of the estimates.

    Plans of earlier versions name no sources and yield nothing.
    """
    sources = Counter(task.estimate_reason for task in plan.tasks if task.estimate_reason)
    if sources:
        told = "; ".join(f"{number} by {reason}" for reason, number in sources.most_common())
        yield f"source of the estimates: {told}"


def describe_cost(plan: Plan) -> str:
    """Return the predicted cost of all tasks in words."""
    costs = [task.estimate_cost_usd for task in plan.tasks]
    said, unknown = say_cost(costs), costs.count(None)
    if not said:
        return "unknown (too few past tasks of the same agent and phases have a known cost)"
    return f"{said} (nothing tells what {count(unknown, 'task')} will cost)" if unknown else said


def summarise_estimate(task: Task) -> str:
    """Return the estimated time of a task and, if known, its cost."""
    said = say_cost([task.estimate_cost_usd])
    return f"{duration(task.estimate_seconds)}, {said}" if said else duration(task.estimate_seconds)


def summarise_footprint(task: Task) -> str:
    """Return the likeliest paths, each with its probability."""
    if task.unknown:
        return "unknown"
    entries = sorted(task.footprint, key=lambda entry: -entry.probability)
    shown = [f"{display(e.path, limit=60)} {e.probability:.0%}" for e in entries[:3]]
    more = [f"{len(entries) - 3} more"] if len(entries) > 3 else []
    return ", ".join(shown + more) or "nothing predicted"


def plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    """Return the cells of PLAN_COLUMNS for each task, in the order of their starts."""
    places = {task: place for place, task in enumerate(plan.order, 1)}
    return [
        (
            str(places.get(task.id, "")),
            task.id,
            display(task.title, limit=100),
            summarise_estimate(task),
            summarise_footprint(task),
            summarise_waiting(plan, task.id),
        )
        for task in sorted(plan.tasks, key=lambda task: places.get(task.id, 0))
    ]


def summarise_waiting(plan: Plan, task: str) -> str:
    """Return the tasks that come before this one."""
    return ", ".join(
        need.on if need.hard else f"{need.on} (after)" for need in plan.needs if need.task == task
    )


def mermaid(plan: Plan) -> str:
    """Return the plan as a Mermaid flowchart.

    Solid arrows are needs, dotted arrows are `after`, crossed lines are exclusions.
    """
    names = {task.id: f"t{number}" for number, task in enumerate(plan.tasks)}
    lines = ["flowchart LR"]
    lines += [f'    {names[t.id]}["{_label(t)}"]' for t in plan.tasks]
    lines += [
        f"    {names[need.on]} {'-->' if need.hard else '-.->'} {names[need.task]}"
        for need in plan.needs
        if need.on in names
    ]
    lines += [
        f'    {names[a]} x--x|"{exclusion.probability:.0%}"| {names[b]}'
        for exclusion in plan.exclusions
        for a, b in [exclusion.tasks]
    ]
    return "\n".join(lines)


def _label(task: Task) -> str:
    return f"{task.id}<br/>{_escape(display(task.title, limit=60))}"


def _escape(text: str) -> str:
    """Replace all that Mermaid, Markdown or HTML may interpret by entities of Mermaid."""
    return "".join(c if c.isalnum() or c in " .,-" else f"#{ord(c)};" for c in text)

"""Finds faults in documents of other jobs: what cannot be true of this run.

The finders are generators, because the first fault is enough to refuse a document.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator

from concertmaster.git.our_branches import branch_of
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Built, Outcome, Plan, TaskState
from concertmaster.rounds.history import HISTORY_VERSION, History, TaskHistory
from concertmaster.rounds.result import RESULT_VERSION, Result, ShareResults
from concertmaster.rounds.verdict import VERDICT_VERSION, Verdict, VerdictStep
from concertmaster.text.display import display
from concertmaster.text.object_ids import is_object_id

NEVER_FROM_WORK = (TaskState.LANDED, TaskState.AWAITING_MERGE)

_DIGEST = re.compile(r"[0-9a-f]{64}")
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]|[._](?![._]|$)){0,99}")  # the id of a run or a task
_GIT_VERSION = re.compile(r"[\w .()-]{0,100}")


def find_result_fault(
    results: ShareResults, *, plan: Plan, number: int, share: int
) -> Iterator[str]:
    """Yield the faults in the results of this share for the round `number`."""
    yield from _differ("version", results.version, RESULT_VERSION)
    yield from _differ("run", results.run, plan.run)
    yield from _differ("round", results.round, number)
    yield from _differ("share", results.share, share)
    yield from _differ("base", results.base, plan.base)
    mine = plan.shares[share] if 0 <= share < len(plan.shares) else ()
    yield from _doubt_names((one.task for one in results.tasks), known=mine)
    known = {task.id for task in plan.tasks}
    for one in results.tasks:
        yield from (f"{one.task}: {doubt}" for doubt in _doubt_result(one, known=known))


def _doubt_result(one: Result, *, known: Collection[str]) -> Iterator[str]:
    succeeded = one.state is TaskState.SUCCEEDED
    commit = one.head or one.work
    yield from _doubt_commits(one.base, one.head, one.work)
    yield from _doubt_built_on(one.built_on, task=one.task, known=known)
    if one.state in NEVER_FROM_WORK:
        yield f"a work job lands nothing, but says {one.state}"
    if succeeded and (one.outcome is not Outcome.SUCCEEDED or one.attempts < 1):
        yield f"succeeded, but its last attempt is {one.outcome}"
    if one.head and one.no_op:
        yield "it leaves a commit and a reason for none"
    if (one.head and not succeeded) or (one.work and succeeded) or (one.head and not one.base):
        yield f"{one.state} does not go with what it left"
    if bool(commit) != bool(one.bundle):
        yield "a commit and its bundle come together"
    if bool(one.bundle) != bool(_DIGEST.fullmatch(one.sha256)):
        yield "a bundle and its sha256 come together"
    if one.bundle not in ("", f"bundles/{one.task}.bundle"):
        yield f"its bundle is called {display(one.bundle)!r}"


def find_verdict_fault(verdict: Verdict, *, history: History) -> Iterator[str]:
    """Yield the faults in the verdict on the results of this round."""
    yield from _differ("version", verdict.version, VERDICT_VERSION)
    yield from _differ("run", verdict.run, history.run)
    yield from _differ("round", verdict.round, history.round)
    yield from _differ("target", verdict.target, history.target)
    yield from _doubt_commits(verdict.tip)
    if not verdict.tip:
        yield "it names no commit of the target"
    if not _GIT_VERSION.fullmatch(verdict.git_version):
        yield "its git version is none"
    settled = [task for step in verdict.steps for task in step.tasks]
    settled += [one.task for one in verdict.left_out]
    yield from _doubt_names(settled, known=history.tasks)
    yield from _doubt_names(sorted(set(verdict.flaky)), known=history.tasks)
    for left in verdict.left_out:
        if len(left.paths) != len(left.classes) or (
            left.fault is LandingFault.HELD and not left.paths
        ):
            yield f"{left.task}: a held result and its paths come together"
    yield from _doubt_steps(verdict.steps, tip=verdict.tip)


def _doubt_steps(steps: Iterable[VerdictStep], *, tip: str) -> Iterator[str]:
    for number, step in enumerate(steps, 1):
        yield from _doubt_commits(step.tip, step.commit, step.tree)
        if step.tip != tip:
            yield f"step {number} does not build on what was there before it"
        if not (step.commit and step.tree and step.tasks) or step.commit == tip:
            yield f"step {number} brings nothing"
        if not set(step.reapplied) <= set(step.tasks):
            yield f"step {number} reapplies what it does not hold"
        tip = step.commit


def find_history_fault(history: History) -> Iterator[str]:
    """Yield the faults in a history, which anyone who can push may have written."""
    yield from _differ("version", history.version, HISTORY_VERSION)
    if not _NAME.fullmatch(history.run) or history.round < 1 or not history.base:
        yield "it names no run, round or base"
    yield from _doubt_commits(history.base)
    known = {*history.tasks, *(one.task for one in history.skipped)}
    for need in history.needs:
        yield from _doubt_names([need.task], known=history.tasks)
        yield from _doubt_names([need.on], known=known)
    if history.due and history.due.round <= 0:
        yield f"round {history.due.round} is due"
    for one in history.tasks.values():
        doubts = _doubt_task(one, run=history.run, known=known)
        yield from (f"{one.task}: {doubt}" for doubt in doubts)


def _doubt_task(one: TaskHistory, *, run: str, known: Collection[str]) -> Iterator[str]:
    if not _NAME.fullmatch(one.task):
        yield "that is no name of a task"
    yield from _doubt_commits(one.blob, one.base, one.head, one.landed_as)
    yield from _doubt_built_on(one.built_on, task=one.task, known=known)
    if one.given and one.given.number < 1:
        yield f"its pull request has the number {one.given.number}"
    if one.branch and not one.branch.startswith(branch_of(run, "")):
        yield f"its branch is called {display(one.branch)!r}"


def _doubt_built_on(
    built_on: Iterable[Built], *, task: str, known: Collection[str]
) -> Iterator[str]:
    built = list(built_on)
    yield from _doubt_names((one.task for one in built), known={*known} - {task})
    yield from _doubt_commits(*(one.head for one in built))
    if not all(one.head for one in built):
        yield "it is built on no commit"


def _doubt_names(names: Iterable[str], *, known: Collection[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name not in known:
            yield f"there is no task {display(name)!r} here"
        if name in seen:
            yield f"{display(name)!r} comes twice"
        seen.add(name)


def _doubt_commits(*values: str) -> Iterator[str]:
    for value in values:
        if value and not is_object_id(value):
            yield f"{display(value)!r} is no object id"


def _differ(what: str, found: object, wanted: object) -> Iterator[str]:
    if found != wanted:
        yield f"its {what} is {display(str(found))!r} instead of {display(str(wanted))!r}"

"""Handles the pull requests of others that a run lands: before, with and after its push."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.pull_requests import LOOKS, SECONDS_BETWEEN_LOOKS
from concertmaster.action.finalize.replay_merges import ReplayedVerdict
from concertmaster.comments import train_comment
from concertmaster.github.asked_pulls import find_change
from concertmaster.github.errors import Invalid, Locked, NotAllowed, NotFound
from concertmaster.github.models import Comment, Pull
from concertmaster.landing.fault import LandingFault
from concertmaster.model import TaskState
from concertmaster.rounds import transitions
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.settings.choices import HistoryShape
from concertmaster.text.marks import read_marks


def leave_out_changed(
    context: FinalizeContext, history: History, replayed: ReplayedVerdict
) -> tuple[History, ReplayedVerdict]:
    """Return both without the pull requests that changed since they were asked for.

    What was checked together with one of them has to be checked again without it.
    """
    changed: set[str] = set()
    for one, number in _waiting(history):
        pull = _find(context, number)
        if pull is not None and pull.is_merged:
            history = transitions.land(history, one.task, landed_as=pull.merge_commit)
            changed.add(one.task)
        elif reason := _find_change(context, one, pull):
            fault = LandingFault.STUCK
            history = transitions.leave_out(history, one.task, fault=fault, reason=reason)
            changed.add(one.task)
    return history, _before(replayed, changed)


def _waiting(history: History) -> list[tuple[TaskHistory, int]]:
    tasks = history.tasks.values()
    return [
        (one, one.given.number) for one in tasks if one.given and one.state is TaskState.SUCCEEDED
    ]


def _find(context: FinalizeContext, number: int) -> Pull | None:
    """Return the pull request; None if GitHub has removed it, as it does with spam."""
    try:
        return context.job.issue_client.pulls.get(number)
    except NotFound:
        return None


def _find_change(context: FinalizeContext, one: TaskHistory, pull: Pull | None) -> str:
    if pull is None:
        return "GitHub has it no more"
    missing = context.job.issue_client.pulls.missing_reviews(pull.number)
    return find_change(pull, head=one.head, missing=missing)


def _before(replayed: ReplayedVerdict, changed: set[str]) -> ReplayedVerdict:
    """Return the verdict up to the first step that holds one of these tasks."""
    steps = replayed.verdict.steps
    holding = (n for n, step in enumerate(steps) if not changed.isdisjoint(step.tasks))
    number = next(holding, len(steps))
    kept = {task for step in steps[:number] for task in step.tasks}
    return replace(
        replayed,
        verdict=replace(replayed.verdict, steps=steps[:number]),
        made={task: commit for task, commit in replayed.made.items() if task in kept},
    )


@contextmanager
def retargeted(
    context: FinalizeContext, history: History, made: Collection[str]
) -> Iterator[list[Pull]]:
    """Point stacked pull requests at the target while the block pushes.

    GitHub marks a pull request as merged only if its own base gets its commits. What is not merged
    at the end of the block gets its base back. The block empties the list if it has pushed.
    """
    moved: list[Pull] = []
    if context.plan.settings.history is HistoryShape.MERGE:
        moved = [*_retarget(context, history, made)]
    yield moved
    for pull in moved:
        context.job.issue_client.pulls.change(
            replace(pull, base=context.plan.target), base=pull.base
        )


def _retarget(context: FinalizeContext, history: History, made: Collection[str]) -> Iterator[Pull]:
    pulls, target = context.job.issue_client.pulls, context.plan.target
    for task in made:
        given = history.task(task).given
        pull = _find(context, given.number) if given else None
        if pull is None or pull.base == target or not pull.is_open:
            continue
        try:
            pulls.change(pull, base=target)
        except (Invalid, NotAllowed) as error:
            context.job.console.note(f"#{pull.number} keeps its base: {error.why or error.what}")
        else:
            yield pull


def settle_given(context: FinalizeContext, history: History) -> None:
    """Let each pull request show what became of it in this run; safe to repeat.

    GitHub shows those as merged whose commits the target has. A landed one whose change came as
    another commit is closed, and a comment names that commit. One that was left out is told why.
    """
    given = [(one, one.given.number) for one in history.tasks.values() if one.given]
    landed = [number for one, number in given if one.state is TaskState.LANDED]
    still_open = _await_merged(context, landed)
    for one, number in given:
        if number in still_open:
            _comment(context, number, train_comment.landed_comment(history, one))
            context.job.issue_client.close_issue(number)
        elif one.state.is_lost:
            _comment(context, number, train_comment.left_out_comment(history, one))


def _await_merged(context: FinalizeContext, numbers: Sequence[int]) -> list[int]:
    """Return those that stay open; GitHub notices a push some seconds later."""
    waiting = [*numbers]
    is_merged = context.plan.settings.history is HistoryShape.MERGE
    for look in range(LOOKS if is_merged else 1):
        if look and waiting:
            context.job.clock.sleep(SECONDS_BETWEEN_LOOKS)
        found = {number: _find(context, number) for number in waiting}
        waiting = [number for number, pull in found.items() if pull and pull.is_open]
    return waiting


def _comment(context: FinalizeContext, number: int, body: str) -> None:
    job, viewer, wanted = context.job, context.viewer, read_marks(body)

    def is_ours(comment: Comment) -> bool:
        return comment.author == viewer and read_marks(comment.body) == wanted

    try:
        job.issue_client.put_comment(number, body, is_ours=is_ours)
    except (Locked, NotAllowed, NotFound) as error:
        job.console.note(f"no comment on #{number}: {error.why or error.what}")

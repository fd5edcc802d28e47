"""Repeats the merges of the verify job; only an identical result may land."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from concertmaster.commands import MergeCandidate
from concertmaster.errors import EnvironmentFault
from concertmaster.git.command import git_version
from concertmaster.git.merge_conflict import Conflict
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.judge_change import ChangeJudge
from concertmaster.landing.merges import merge_changes
from concertmaster.landing.path_policy import RunPlace
from concertmaster.landing.squash import shape_batch
from concertmaster.model import Plan
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.verdict import Verdict, VerdictStep
from concertmaster.text.display import shorten_id
from concertmaster.text.markdown import as_code, as_line


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedVerdict:
    """A verdict whose merges were repeated, with the commit of each task in it.

    The commit is the task's head, the re-applied change where the change alone was merged, or what
    the tasks of a step were squashed to. `notes` (Markdown) tell of steps that are not in it.
    """

    verdict: Verdict
    made: Mapping[str, str]
    notes: tuple[str, ...] = ()


class OtherMerge(EnvironmentFault):
    """A merge that gives another result here than in the verify job."""


def replay_merges(
    objects: RunRepository, verdict: Verdict, history: History, *, plan: Plan
) -> ReplayedVerdict:
    """Repeat the merges of the verdict.

    Only the same commits count, whichever version of git made them. A version that merges otherwise
    makes other commits: then the steps before that one count, and the rest is left for a further
    round. Raises EnvironmentFault when a merge of the same version differs from the verdict, or a
    task may not land.
    """
    version = git_version()
    _check_needs(verdict, history)
    made: dict[str, str] = {}
    for number, step in enumerate(verdict.steps):
        try:
            made |= _repeat_step(objects, step, history, plan=plan, made=made)
        except OtherMerge as error:
            if version == verdict.git_version:
                raise
            note = (
                f"git {as_code(verdict.git_version)} of the verify job merges otherwise than "
                f"{as_code(version)} of the finalize job, so a part has not landed: "
                f"{as_line(error.why)}. Give both jobs the same git."
            )
            left = replace(verdict, steps=verdict.steps[:number])
            return ReplayedVerdict(verdict=left, made=made, notes=(note,))
    return ReplayedVerdict(verdict=verdict, made=made)


def _check_needs(verdict: Verdict, history: History) -> None:
    """Raise EnvironmentFault if a hard need of a landing task does not land."""
    landing = {task for step in verdict.steps for task in step.tasks}
    waiting = {key for key, one in history.tasks.items() if not one.is_done} - landing
    for need in history.needs:
        if need.hard and need.task in landing and need.on in waiting:
            raise _fault(f"{need.task} needs {need.on}, which does not land")


def _repeat_step(
    objects: RunRepository, step: VerdictStep, history: History, *, plan: Plan, made: dict[str, str]
) -> dict[str, str]:
    """Return the commit of each task of the step.

    Raises EnvironmentFault when the step gives another commit or tree than the verdict says.
    """
    commit, mine, merged = step.tip, dict[str, str](), list[str]()
    for task in step.tasks:
        one = history.task(task)
        as_it_is = task not in step.reapplied
        _check_candidate(objects, one, step.tip, as_it_is=as_it_is, made={**made, **mine})
        candidate = MergeCandidate(
            task=task, title=one.title, base=one.base, head=one.head, as_it_is=as_it_is
        )
        joined = merge_changes(objects, commit, candidate, plan=plan)
        if isinstance(joined, Conflict):
            why = f"{task} does not merge: conflict in {', '.join(joined.paths[:5])}"
            raise _fault(why, kind=OtherMerge)
        judge = ChangeJudge(
            objects=objects, plan=plan, place=RunPlace.GITHUB, prompts=history.prompts
        )
        judged = judge.judge_merge(commit, joined.commit, touches=one.touches)
        if judged and not one.lands_anyway:
            raise _fault(f"{task} may not land as it merges: {judged.reason}")
        mine[task] = one.head if joined.as_it_is else joined.commit
        commit = joined.commit
        merged.append(commit)
    landing = shape_batch(objects, step.tip, merged, plan=plan)
    if landing != step.commit or objects.tree(landing) != step.tree:
        why = f"a step makes {shorten_id(landing)} here, and {shorten_id(step.commit)} there"
        raise _fault(why, kind=OtherMerge)
    return mine if landing == commit else dict.fromkeys(mine, landing)


def _check_candidate(
    objects: RunRepository, one: TaskHistory, tip: str, *, as_it_is: bool, made: dict[str, str]
) -> None:
    """Raise EnvironmentFault if the task may not land, or brings a task that does not."""
    if not one.head or one.state.is_lost or one.sensitive:
        raise _fault(f"{one.task} may not land: {one.reason or 'a person has to merge it'}")
    if not as_it_is:
        return
    for built in one.built_on:
        if made.get(built.task) != built.head and not objects.is_ancestor(built.head, tip):
            raise _fault(f"{one.task} would bring {built.task} with it, which does not land")


def _fault(why: str, *, kind: type[EnvironmentFault] = EnvironmentFault) -> EnvironmentFault:
    return kind(
        "the verdict of the verify job cannot be repeated",
        why=why,
        next_step="run the whole workflow again; nothing has landed",
    )

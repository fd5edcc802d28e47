"""Checks head and base of a result against git."""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.git import commit_message
from concertmaster.git.commit_body import inert_body
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.merges import build_base
from concertmaster.model import Plan
from concertmaster.rounds.result import Result


def find_head_fault(objects: RunRepository, result: Result, *, plan: Plan) -> str:
    """Return why the result's commit is not the one that we make of its tree; "" if it is.

    This keeps words of others out of commit messages, where GitHub may act on them.
    """
    task = next(one for one in plan.tasks if one.id == result.task)
    text = commit_message.task_message(task, plan=plan, said=inert_body(result.said))
    ours = objects.commit(
        objects.tree(result.head),
        parents=(result.base,),
        message=text,
        at=plan.settings.made_at,
    )
    return "" if ours == result.head else f"its commit {result.head} is not as we make them"


def find_base_fault(
    objects: RunRepository, result: Result, *, plan: Plan, results: Mapping[str, Result]
) -> str:
    """Return why the result's base is not the merge of what it is built on; "" if it is.

    This makes sure that the judged change is the only one on top of the run's base.
    """
    for built in result.built_on:
        source = results.get(built.task)
        if source is None or source.head != built.head:
            return f"it is built on a commit that is not the result of {built.task}"
    made_at = plan.settings.made_at
    base = build_base(objects, plan.base, result.built_on, task=result.task, made_at=made_at)
    if base == result.base:
        return ""
    return f"its base {result.base} is not what it says it is built on"

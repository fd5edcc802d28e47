"""Fits commits to the workflow files that are on the server when they are pushed.

GitHub refuses a push of the workflow's own token whose tree holds other workflow files than the
branches that are there. So does a result whose base is older than a change of those files.
"""

from __future__ import annotations

from functools import partial

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.errors import UsageError
from concertmaster.git import commit_message
from concertmaster.git.merge_conflict import Conflict
from concertmaster.landing.merges import join_files
from concertmaster.rounds.history import TaskHistory

WORKFLOWS = ".github/workflows"


def has_other_workflows(context: FinalizeContext, commit: str, *, than: str) -> bool:
    """Return whether the commit has workflow files, and not those of the commit `than`."""
    ours, theirs = (
        context.objects.git.ask("rev-parse", "--verify", "--quiet", f"{one}:{WORKFLOWS}").out
        for one in (than, commit)
    )
    return bool(theirs) and theirs != ours


def fit_to_workflows(context: FinalizeContext, one: TaskHistory, commit: str, *, tip: str) -> str:
    """Return a commit that may be pushed and has `commit` in its history.

    It is the commit itself if its workflow files are those of the target's `tip`, else its merge
    onto the tip. A merge of an earlier try that is on the task's branch is taken again. Returns the
    commit itself if it does not merge.
    """
    if not has_other_workflows(context, commit, than=tip):
        return commit
    if there := _find_earlier(context, one, commit, tip=tip):
        return there
    result = context.objects.merge(
        tip,
        commit,
        message=commit_message.merge_message(one.title, task=one.task, run=context.plan.run),
        at=context.plan.settings.made_at,
        resolve=partial(join_files, context.objects, attributes=context.plan.base),
    )
    return commit if isinstance(result, Conflict) else result.commit


def _find_earlier(context: FinalizeContext, one: TaskHistory, commit: str, *, tip: str) -> str:
    """Return the merge of the commit that the task's branch holds; "" if it holds another."""
    there = context.seen.tip(context.branch(one.task))
    if not there or there not in context.job.remote.fetch(context.objects, [there]):
        return ""
    parents = context.objects.git.run("rev-parse", f"{there}^@").split()
    is_ours = len(parents) == 2 and parents[1] == commit
    return there if is_ours and context.objects.is_ancestor(parents[0], tip) else ""


def find_tip(context: FinalizeContext) -> str:
    """Return the target's tip; "" if the target is gone, which others report."""
    try:
        return context.tip()
    except UsageError:
        return ""

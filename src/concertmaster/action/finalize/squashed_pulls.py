"""Shows the tasks of a squashed batch by pull requests, and closes them when it has landed.

GitHub marks a pull request as merged only if the target has its commits.
"""

from __future__ import annotations

from collections import Counter

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.pull_requests import is_ours
from concertmaster.action.finalize.replay_merges import ReplayedVerdict
from concertmaster.comments.pull_request import squash_comment
from concertmaster.git.merge_conflict import Conflict
from concertmaster.github.models import Comment
from concertmaster.rounds.history import History
from concertmaster.settings.choices import HistoryShape
from concertmaster.text.marks import read_marks


def show_changes(
    context: FinalizeContext, replayed: ReplayedVerdict, history: History
) -> dict[str, str]:
    """Return the commit of each task for its pull request.

    It is the commit that lands, but for a task that was squashed with others: there it is the
    task's own change on the tip. Where that does not merge, it is the task's head, if that holds
    nothing that does not land, else none.
    """
    if context.plan.settings.history is not HistoryShape.SQUASH:
        return dict(replayed.made)
    used = Counter(replayed.made.values())
    found = {
        task: _own_change(context, replayed, history, task) if used[commit] > 1 else commit
        for task, commit in replayed.made.items()
    }
    return {task: commit for task, commit in found.items() if commit}


def _own_change(
    context: FinalizeContext, replayed: ReplayedVerdict, history: History, task: str
) -> str:
    one, at = history.task(task), context.plan.settings.made_at
    tip = replayed.verdict.tip
    made = context.objects.reapply(tip, base=one.base, head=one.head, at=at)
    if not isinstance(made, Conflict):
        return made.commit
    landing = {history.task(name).head for name in replayed.made}
    lands = (b.head in landing or context.objects.is_ancestor(b.head, tip) for b in one.built_on)
    return one.head if all(lands) else ""


def close_squashed(context: FinalizeContext, history: History, replayed: ReplayedVerdict) -> None:
    """Close the pull requests of squashed tasks and name the commit there; safe to repeat."""
    shown = show_changes(context, replayed, history)
    for task, commit in replayed.made.items():
        if task in shown and shown[task] != commit and history.task(task).pull:
            _close(context, history, task, commit)


def _close(context: FinalizeContext, history: History, task: str, commit: str) -> None:
    client, number = context.job.issue_client, history.task(task).pull
    pull = client.pulls.get(number)
    if not is_ours(pull, context.viewer) or pull.head != context.branch(task):
        return  # somebody else's, or that of the whole run
    body = squash_comment(history, task, commit=commit)
    wanted = read_marks(body)

    def is_there(comment: Comment) -> bool:
        return comment.author == context.viewer and read_marks(comment.body) == wanted

    client.put_comment(number, body, is_ours=is_there)
    if pull.is_open:
        client.close_issue(number)

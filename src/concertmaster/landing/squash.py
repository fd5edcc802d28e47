"""Makes one commit of all the changes of a batch; whoever repeats it gets the same commit id."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.git import commit_message
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import Plan
from concertmaster.settings.choices import HistoryShape


def shape_batch(objects: RunRepository, tip: str, merged: Sequence[str], *, plan: Plan) -> str:
    """Return the commit that lands for a batch, with the tree of the last commit in `merged`.

    `merged` are the commits after each task, the first one on `tip`. A task whose change was there
    already repeats the commit before it. Where the plan wants no squash, or one task alone changes
    something, the commit is the last one of `merged`.
    """
    made = [commit for commit in dict.fromkeys(merged) if commit != tip]
    last = made[-1] if made else tip
    if plan.settings.history is not HistoryShape.SQUASH or len(made) < 2:
        return last
    message = commit_message.squash_message(_read_messages(objects, made))
    at = plan.settings.made_at
    return objects.commit(objects.tree(last), parents=(tip,), message=message, at=at)


def _read_messages(objects: RunRepository, commits: Sequence[str]) -> list[str]:
    found = objects.read_objects({*commits})
    messages = (found[commit].partition(b"\n\n")[2] for commit in commits)
    return [message.decode("utf-8", "replace") for message in messages]

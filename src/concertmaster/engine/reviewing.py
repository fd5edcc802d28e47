"""The review phase: a fresh agent that can only read judges the tree that would be delivered."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.adapters.agents.agent import Report
from concertmaster.adapters.worktree import Worktree
from concertmaster.core.command import RunPhase
from concertmaster.core.model import Outcome
from concertmaster.core.review import (
    REVIEW_SCHEMA,
    Decision,
    Review,
    describe_review,
    read_review,
)
from concertmaster.core.text import display
from concertmaster.engine.conversation import Bill, Conversation, Question, Tell
from concertmaster.engine.failure import Failure
from concertmaster.engine.site import Site

MOST_DIFF = 60_000  # characters; a reviewer can read the rest in its files


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """An approval, and the session that it came from."""

    review: Review
    session: str


def review(site: Site, command: RunPhase, *, tell: Tell, bill: Bill) -> Reviewed:
    """The approval of exactly the checkpoint's tree. Raises Failure: with evidence where changes
    are requested, without where the reviewer did not do its work."""
    worktree = site.worktrees.create(
        command.checkpoint,
        task=command.task.id,
        attempt=command.attempt,
        branch=f"concertmaster/{site.plan.run}/review",
    )
    try:
        talk = Conversation(site=site, command=command, worktree=worktree, tell=tell, bill=bill)
        return _judge(site, command, talk)
    finally:
        site.worktrees.remove(worktree.folder)


def _judge(site: Site, command: RunPhase, talk: Conversation) -> Reviewed:
    found = _ask(talk, command, tree=site.objects.tree(command.checkpoint))
    _check_untouched(site, command, talk.worktree)
    if found.review.decision is Decision.APPROVE:
        return found
    comments = describe_review(found.review)
    raise Failure(
        Outcome.FAILED,
        display(f"the review requests changes: {comments.removeprefix('- ')}", limit=500),
        evidence=f"A reviewer of your change requests:\n\n{comments}",
        saved=command.checkpoint,
        session=found.session,
    )


def _ask(talk: Conversation, command: RunPhase, *, tree: str) -> Reviewed:
    """A verdict that cannot be read is asked for once more."""
    objects = talk.site.objects
    change = objects.show_change(command.base, command.checkpoint, limit=MOST_DIFF)
    text = talk.say("review", task=command.task.id, tree=tree, change=change)

    def read(report: Report) -> Review:
        return read_review(report.final_text, task=command.task.id, tree=tree)

    found, report = talk.ask_for(
        Question(text=text, is_fresh=True, reads_only=True, schema=REVIEW_SCHEMA),
        read,
        otherwise="the review gave no verdict that can be read",
    )
    return Reviewed(review=found, session=report.session)


def _check_untouched(site: Site, command: RunPhase, worktree: Worktree) -> None:
    snapshot = worktree.snapshot(
        parent=command.checkpoint, message="review\n", at=site.plan.settings.made_at
    )
    if snapshot.tree != site.objects.tree(command.checkpoint):
        reason = "the reviewer changed files, so its verdict counts for nothing"
        raise Failure(Outcome.FAILED, reason, saved=command.checkpoint)

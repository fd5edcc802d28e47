"""Performs the review phase: a fresh, read-only agent judges the tree that would be delivered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from concertmaster.agents.answers import (
    REVIEW_SCHEMA,
    Review,
    ReviewDecision,
    describe_review,
    read_review,
)
from concertmaster.agents.protocol import AgentReport
from concertmaster.commands import RunPhase
from concertmaster.engine.agent_session import AgentQuestion, AgentSession, Tell, UsageTotal
from concertmaster.engine.phase_failure import PhaseFailure
from concertmaster.engine.reading_tree import ReadingTree, reading_tree
from concertmaster.engine.run_context import RunContext
from concertmaster.model import Outcome
from concertmaster.text.display import display

MOST_DIFF = 60_000  # characters; the reviewer can read the rest in the worktree
MOST_PATHS = 20
_LEFT_OUT = """
These files of the repository are left out of the current directory, as they would instruct you.
That is no fault of the change: {paths}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewResult:
    """A verdict with the session that gave it."""

    review: Review
    session: str


def run_review(
    context: RunContext, command: RunPhase, *, tell: Tell, bill: UsageTotal
) -> ReviewResult:
    """Return an approval of exactly the checkpoint's tree.

    Raises PhaseFailure: with evidence if the reviewer requests changes, without evidence if it
    gave no usable verdict or changed files.
    """
    with reading_tree(context, command, command.checkpoint) as tree:
        tree.worktree.begin(tree.commit)
        talk = AgentSession(
            context=context, command=command, worktree=tree.worktree, tell=tell, bill=bill
        )
        return _judge(context, command, talk, tree)


def _judge(
    context: RunContext, command: RunPhase, talk: AgentSession, tree: ReadingTree
) -> ReviewResult:
    found = _ask(talk, command, left_out=tree.left_out)
    _check_untouched(context, command, tree)
    if found.review.decision is ReviewDecision.APPROVE:
        return found
    comments = describe_review(found.review)
    raise PhaseFailure(
        Outcome.FAILED,
        display(f"the review requests changes: {comments.removeprefix('- ')}", limit=500),
        evidence=f"A reviewer of your change requests:\n\n{comments}",
        saved=command.checkpoint,
        session=found.session,
    )


def _ask(talk: AgentSession, command: RunPhase, *, left_out: Sequence[str]) -> ReviewResult:
    """Ask for the verdict, and once more if the answer cannot be read."""
    objects = talk.context.objects
    tree = objects.tree(command.checkpoint)
    change = objects.show_change(command.base, command.checkpoint, limit=MOST_DIFF)
    text = talk.say(
        "review",
        task=command.task.id,
        tree=tree,
        change=change,
        evidence=_LEFT_OUT.format(paths=", ".join(left_out[:MOST_PATHS])) if left_out else "",
    )

    def read(report: AgentReport) -> Review:
        return read_review(report.final_text, task=command.task.id, tree=tree)

    found, report = talk.ask_for(
        AgentQuestion(text=text, is_fresh=True, reads_only=True, schema=REVIEW_SCHEMA),
        read,
        otherwise="the review gave no verdict that can be read",
    )
    return ReviewResult(review=found, session=report.session)


def _check_untouched(context: RunContext, command: RunPhase, tree: ReadingTree) -> None:
    snapshot = tree.worktree.snapshot(
        parent=tree.commit, message="review\n", at=context.plan.settings.made_at
    )
    if snapshot.tree != context.objects.tree(tree.commit):
        reason = "the reviewer changed files, so its verdict counts for nothing"
        raise PhaseFailure(Outcome.FAILED, reason, saved=command.checkpoint)

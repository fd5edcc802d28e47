"""The issues of a run: one for each task below the parent, found before any is made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from concertmaster.adapters.forge import Comment, Draft, Forge, Issue, Unsupported
from concertmaster.core import bulletin
from concertmaster.core.model import Plan
from concertmaster.core.neutral import read_marks

LABEL = "concertmaster"
LABELS = {
    LABEL: ("1d76db", "Made by Concertmaster"),
    f"{LABEL}:queued": ("c2e0c6", "Waits for its turn"),
    f"{LABEL}:running": ("fbca04", "An agent works on it"),
    f"{LABEL}:landed": ("0e8a16", "On the target branch"),
    f"{LABEL}:failed": ("b60205", "Did not land"),
}
QUEUED = f"{LABEL}:queued"


@dataclass(frozen=True)
class Family:
    """The parent issue and what hangs below it. Only what `viewer` wrote counts as ours."""

    forge: Forge
    plan: Plan
    parent: Issue
    viewer: str

    def raise_children(self) -> dict[str, Issue]:
        """One issue for each task, by task, linked by their needs; safe to repeat."""
        self.forge.ensure_labels(LABELS)
        drafts = [
            Draft(
                key=task.id,
                title=bulletin.child_title(task),
                body=bulletin.child_body(task, self.plan, parent=self.parent.number),
            )
            for task in self.plan.tasks
        ]
        children = self.forge.create_children(
            drafts, parent=self.parent, labels=(LABEL, QUEUED), look_up=self.find_children
        )
        self.forge.block(
            [
                (children[need.task], children[need.on])
                for need in self.plan.needs
                if need.hard and need.task in children and need.on in children
            ]
        )
        return children

    def find_children(self) -> Mapping[str, Issue]:
        """Our issues of this parent's tasks, by task; the oldest where there are several."""
        found: dict[str, Issue] = {}
        for issue in sorted(self._candidates(), key=lambda one: one.number):
            task = self._task_of(issue)
            if task:
                found.setdefault(task, issue)
        return found

    def _candidates(self) -> tuple[Issue, ...]:
        try:
            below = self.forge.sub_issues(self.parent.number)
        except Unsupported:
            below = ()
        if len(below) >= len(self.plan.tasks):
            return below
        beside = self.forge.labelled(LABEL)
        return tuple({one.number: one for one in (*beside, *below)}.values())

    def _task_of(self, issue: Issue) -> str:
        if issue.author != self.viewer:
            return ""
        marks = read_marks(issue.body)
        ours = [one for one in marks if one.kind == bulletin.TASK_KIND]
        parent = f"#{self.parent.number}, "
        return ours[0].task if ours and parent in issue.body.partition("\n")[2] else ""

    def publish_plan(self, children: Mapping[str, Issue], notes: tuple[str, ...]) -> Comment:
        """The one plan comment, written anew where it says something else."""
        numbers = {task: child.number for task, child in children.items()}
        body = bulletin.plan_comment(self.plan, children=numbers, notes=notes)
        return self.put_comment(body, kind=bulletin.PLAN_KIND)

    def put_comment(self, body: str, *, kind: str) -> Comment:
        """The run's one comment of a kind."""

        def is_ours(comment: Comment) -> bool:
            marks = read_marks(comment.body)
            named = any(one.run == self.plan.run and one.kind == kind for one in marks)
            return comment.author == self.viewer and named

        return self.forge.put_comment(self.parent.number, body, is_ours=is_ours)

"""The issues of a run: its parent and one for each task below, found before any is made.

Two plans at once see nothing of each other before both have made their issues. So each looks
again when it has: of two issues for one task both keep the one with the lower number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from concertmaster.adapters.forge import MOST_SUB_ISSUES, Forge
from concertmaster.adapters.issue import Comment, Draft, Issue
from concertmaster.adapters.refusal import Unsupported
from concertmaster.core import bulletin, progress
from concertmaster.core.model import Plan, Task
from concertmaster.core.neutral import BODY_LIMIT, clip, read_marks

LABEL = progress.LABEL
LABELS = {
    LABEL: ("1d76db", "Made by Concertmaster"),
    f"{LABEL}:queued": ("c2e0c6", "Waits for its turn"),
    f"{LABEL}:running": ("fbca04", "An agent works on it"),
    f"{LABEL}:landed": ("0e8a16", "On the target branch"),
    f"{LABEL}:failed": ("b60205", "Did not land"),
}
QUEUED = f"{LABEL}:queued"
RUNNING = f"{LABEL}:running"
LANDED = f"{LABEL}:landed"
FAILED = f"{LABEL}:failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Our issues of a parent by task, oldest first; sub-issues that were retired and are in the
    way; how many sub-issues the parent can still take."""

    issues: Mapping[str, Sequence[Issue]]
    retired: Sequence[Issue]
    room: int


def find_children(
    forge: Forge,
    parent: Issue,
    *,
    viewer: str,
    tasks: Iterable[str] = (),
    known: Mapping[str, Issue] | None = None,
) -> Found:
    """What `viewer` wrote for tasks of the parent, in this run or one before.

    Beside the sub-issues only where the parent takes no more of them, or one of `tasks` is
    missing. `known` are there by task, whether the lists show them already or not.
    """
    try:
        below = forge.sub_issues(parent.number)
        room = max(0, MOST_SUB_ISSUES - len(below))
    except Unsupported:
        below, room = (), 0
    ours = [issue for issue in below if issue.author == viewer]
    found = _by_task(ours, parent, known=known or {})
    if not room or not found.keys() >= set(tasks):
        labelled = forge.labelled(LABEL, since=parent.created_at)
        beside = [issue for issue in labelled if issue.author == viewer]
        found = _by_task([*beside, *ours], parent, known=known or {})
    retired = [issue for issue in ours if _is_duplicate(issue)]
    return Found(issues=found, retired=retired, room=room)


def _by_task(
    issues: Iterable[Issue], parent: Issue, *, known: Mapping[str, Issue]
) -> dict[str, list[Issue]]:
    found: dict[str, dict[int, Issue]] = {}
    for task, issue in (*known.items(), *((_task_of(one, parent), one) for one in issues)):
        if task:
            found.setdefault(task, {})[issue.number] = issue
    return {task: [ours[n] for n in sorted(ours)] for task, ours in found.items()}


def _task_of(issue: Issue, parent: Issue) -> str:
    is_below = issue.parent == parent.number
    return bulletin.task_of_child(issue.body, parent=0 if is_below else parent.number)


def _is_duplicate(issue: Issue) -> bool:
    return any(one.kind == bulletin.DUPLICATE_KIND for one in read_marks(issue.body))


@dataclass(frozen=True)
class Family:
    """The parent issue and what hangs below it. Only what `viewer` wrote counts as ours.

    `keep` gets the name and the whole of a text that is too long for GitHub.
    """

    forge: Forge
    plan: Plan
    parent: Issue
    viewer: str
    keep: Callable[[str, str], None] = lambda name, text: None

    def raise_children(self) -> dict[str, Issue]:
        """One issue for each task, by task, linked by their needs; safe to repeat."""
        self.forge.ensure_labels(LABELS)
        found = self._find()
        for issue in found.retired:
            self.forge.release(issue)
        missing = [self._draft(task) for task in self.plan.tasks if task.id not in found.issues]
        if missing:
            made = self.forge.batches.create_children(
                missing,
                parent=self.parent,
                room=found.room,
                labels=(LABEL, QUEUED),
                look_up=self._look_up,
            )
            found = self._find(known=made)
        children = {
            task.id: keep_oldest(self.forge, found.issues[task.id], run=self.plan.run)
            for task in self.plan.tasks
        }
        self._take_over(children)
        self._link(children)
        return children

    def _look_up(self) -> dict[str, Issue]:
        """Our issues of this parent's tasks, by task; the oldest where there are several."""
        return {task: issues[0] for task, issues in self._find().issues.items()}

    def _find(self, *, known: Mapping[str, Issue] | None = None) -> Found:
        tasks = [task.id for task in self.plan.tasks]
        return find_children(self.forge, self.parent, viewer=self.viewer, tasks=tasks, known=known)

    def _take_over(self, children: Mapping[str, Issue]) -> None:
        """Issues of an earlier run of the same tasks are queued again."""
        earlier = {
            task: issue
            for task, issue in children.items()
            if all(one.run != self.plan.run for one in read_marks(issue.body))
        }
        if not earlier:
            return
        states = [name for name in LABELS if name not in (LABEL, QUEUED)]
        self.forge.batches.relabel(list(earlier.values()), add=(LABEL, QUEUED), remove=states)
        # Last, because from then on they count as this run's.
        drafts = [self._draft(task) for task in self.plan.tasks if task.id in earlier]
        self.forge.batches.reopen(earlier, drafts)

    def _link(self, children: Mapping[str, Issue]) -> None:
        hard = [need for need in self.plan.needs if need.hard]
        self.forge.batches.block(
            [
                (children[need.task], children[need.on])
                for need in hard
                if need.task in children and need.on in children
            ]
        )

    def _draft(self, task: Task) -> Draft:
        body = bulletin.child_body(task, self.plan, parent=self.parent.number)
        return Draft(
            key=task.id, title=bulletin.child_title(task), body=self._fit(f"{task.id}.md", body)
        )

    def _fit(self, name: str, body: str) -> str:
        """The body, or its first lines and where the whole is."""
        body = self.forge.redact(body)
        if len(body) <= BODY_LIMIT:
            return body
        self.keep(name, body)
        note = f"\n\nThe whole text is {name} in the artifact of the plan."
        return clip(body, limit=BODY_LIMIT - len(note)) + note

    def publish_plan(self, children: Mapping[str, Issue], notes: tuple[str, ...]) -> Comment:
        """The one plan comment, written anew where it says something else."""
        numbers = {task: child.number for task, child in children.items()}
        beside = [task for task, child in children.items() if child.parent != self.parent.number]
        body = bulletin.plan_comment(self.plan, children=numbers, notes=notes, beside=beside)
        return self._put_plan(self._fit("plan-comment.md", body))

    def _put_plan(self, body: str) -> Comment:
        """The plan stands where a try before told of an error."""
        kinds = {bulletin.PLAN_KIND, bulletin.REPLY_KIND}

        def is_ours(comment: Comment) -> bool:
            marks = read_marks(comment.body)
            named = any(one.run == self.plan.run and one.kind in kinds for one in marks)
            return comment.author == self.viewer and named

        return self.forge.put_comment(self.parent.number, body, is_ours=is_ours)


def raise_parent(forge: Forge, plan: Plan, *, viewer: str) -> Issue:
    """The issue of a run that no issue asked for; safe to repeat."""

    def look_up() -> Issue | None:
        ours = [
            issue
            for issue in forge.labelled(LABEL)
            if issue.author == viewer and _is_parent(issue, plan)
        ]
        return keep_oldest(forge, ours, run=plan.run) if ours else None

    draft = Draft(key="", title=f"Concertmaster run {plan.run}", body=bulletin.parent_body(plan))
    made = forge.create_issue(draft, (LABEL,), look_up=look_up)
    return look_up() or made


def _is_parent(issue: Issue, plan: Plan) -> bool:
    marks = {(one.run, one.kind) for one in read_marks(issue.body)}
    return (plan.run, bulletin.PARENT_KIND) in marks


def keep_oldest(forge: Forge, issues: Sequence[Issue], *, run: str) -> Issue:
    """The one with the lowest number; the others are closed, and say why."""
    oldest, *further = sorted(issues, key=lambda issue: issue.number)
    for issue in further:
        forge.retire(issue, body=bulletin.duplicate_body(run, of=oldest.number))
        forge.release(issue)
    return oldest

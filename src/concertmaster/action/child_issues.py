"""Creates the issues of a run: its parent and a child for each task.

Existing issues are looked up before any is created. Two plan jobs at the same time cannot see each
other's issues until both have created theirs. So each looks again afterwards, and of two issues for
one task both keep the one with the lower number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster.comments import plan_comment
from concertmaster.comments.plan_data import PLAN_KIND
from concertmaster.github.errors import Unsupported
from concertmaster.github.issues import MOST_SUB_ISSUES, IssueClient
from concertmaster.github.labels import LABEL, LABELS, RUNNING
from concertmaster.github.models import Comment, Issue, IssueDraft
from concertmaster.model import Plan, Task
from concertmaster.text.markdown import BODY_LIMIT, clip
from concertmaster.text.marks import read_marks


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundIssues:
    """The issues that we wrote below one parent.

    `issues` holds them by task, oldest first. `retired` are closed duplicates that are still
    sub-issues. `room` is the number of sub-issues that the parent can still take.
    """

    issues: Mapping[str, Sequence[Issue]]
    retired: Sequence[Issue]
    room: int


def find_children(
    issue_client: IssueClient,
    parent: Issue,
    *,
    viewer: str,
    tasks: Iterable[str] = (),
    known: Mapping[str, Issue] | None = None,
) -> FoundIssues:
    """Return the issues that `viewer` wrote for tasks of the parent, in this run or an earlier one.

    Issues that are not sub-issues are looked up only if the parent takes no more sub-issues or one
    of `tasks` is missing. `known` holds issues that exist although GitHub's lists may not show them
    yet.
    """
    try:
        below = issue_client.sub_issues(parent.number)
        room = max(0, MOST_SUB_ISSUES - len(below))
    except Unsupported:
        below, room = (), 0
    ours = [issue for issue in below if issue.author == viewer]
    found = _by_task(ours, parent, known=known or {})
    if not room or not found.keys() >= set(tasks):
        labelled = issue_client.labelled(LABEL, since=parent.created_at)
        beside = [issue for issue in labelled if issue.author == viewer]
        found = _by_task([*beside, *ours], parent, known=known or {})
    retired = [issue for issue in ours if _is_duplicate(issue)]
    return FoundIssues(issues=found, retired=retired, room=room)


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
    return plan_comment.task_of_child(issue.body, parent=0 if is_below else parent.number)


def _is_duplicate(issue: Issue) -> bool:
    return any(one.kind == plan_comment.DUPLICATE_KIND for one in read_marks(issue.body))


@dataclass(frozen=True)
class ChildIssues:
    """The issues of a plan below its parent issue. Only what `viewer` wrote counts as ours.

    `keep` is called with a name and the full text if a text is too long for GitHub.
    """

    issue_client: IssueClient
    plan: Plan
    parent: Issue
    viewer: str
    keep: Callable[[str, str], None] = lambda name, text: None

    def raise_children(self) -> dict[str, Issue]:
        """Create the missing issues, link them by needs, and return one for each task.

        Repeated calls create nothing twice.
        """
        self.issue_client.ensure_labels(LABELS)
        found = self._find()
        for issue in found.retired:
            self.issue_client.release(issue)
        missing = [self._draft(task) for task in self.plan.tasks if task.id not in found.issues]
        if missing:
            made = self.issue_client.batches.create_children(
                missing,
                parent=self.parent,
                room=found.room,
                labels=(LABEL, RUNNING),
                look_up=self._look_up,
            )
            running = {
                task: replace(issue, labels=frozenset((LABEL, RUNNING)))
                for task, issue in made.items()
            }
            found = self._find(known=running)
        children = {
            task.id: keep_oldest(self.issue_client, found.issues[task.id], run=self.plan.run)
            for task in self.plan.tasks
        }
        children = self._take_over(children)
        self._link(children)
        return children

    def _look_up(self) -> dict[str, Issue]:
        """Return the oldest of our issues for each task of the parent."""
        return {task: issues[0] for task, issues in self._find().issues.items()}

    def _find(self, *, known: Mapping[str, Issue] | None = None) -> FoundIssues:
        tasks = [task.id for task in self.plan.tasks]
        return find_children(
            self.issue_client, self.parent, viewer=self.viewer, tasks=tasks, known=known
        )

    def _take_over(self, children: Mapping[str, Issue]) -> dict[str, Issue]:
        """Renew the issues of an earlier run of the same tasks; return all issues."""
        earlier = {
            task: issue
            for task, issue in children.items()
            if all(one.run != self.plan.run for one in read_marks(issue.body))
        }
        if not earlier:
            return dict(children)
        running = set_state(self.issue_client, earlier, RUNNING)
        # This comes last because from then on the issues count as this run's.
        drafts = [self._draft(task) for task in self.plan.tasks if task.id in earlier]
        self.issue_client.batches.reopen(earlier, drafts)
        return {**children, **running}

    def _link(self, children: Mapping[str, Issue]) -> None:
        hard = [need for need in self.plan.needs if need.hard]
        self.issue_client.batches.block(
            [
                (children[need.task], children[need.on])
                for need in hard
                if need.task in children and need.on in children
            ]
        )

    def _draft(self, task: Task) -> IssueDraft:
        body = plan_comment.child_body(task, self.plan, parent=self.parent.number)
        return IssueDraft(
            key=task.id, title=plan_comment.child_title(task), body=self._fit(f"{task.id}.md", body)
        )

    def _fit(self, name: str, body: str) -> str:
        """Return the body, or its beginning and a note that names the file with the full text."""
        body = self.issue_client.redact(body)
        if len(body) <= BODY_LIMIT:
            return body
        self.keep(name, body)
        note = f"\n\nThe whole text is {name} in the artifact of the plan."
        return clip(body, limit=BODY_LIMIT - len(note)) + note

    def publish_plan(
        self, children: Mapping[str, Issue], notes: Sequence[str], *, workflows: Sequence[int] = ()
    ) -> Comment:
        """Write the plan comment, or edit the existing one if it differs."""
        numbers = {task: child.number for task, child in children.items()}
        beside = [task for task, child in children.items() if child.parent != self.parent.number]
        body = plan_comment.plan_comment(
            self.plan, children=numbers, notes=notes, beside=beside, workflows=workflows
        )
        return self._put_plan(self._fit("plan-comment.md", body))

    def _put_plan(self, body: str) -> Comment:
        """Put the plan into our comment of this run, which may be the error of an earlier try."""
        kinds = {PLAN_KIND, plan_comment.REPLY_KIND}

        def is_ours(comment: Comment) -> bool:
            marks = read_marks(comment.body)
            named = any(one.run == self.plan.run and one.kind in kinds for one in marks)
            return comment.author == self.viewer and named

        return self.issue_client.put_comment(self.parent.number, body, is_ours=is_ours)


def set_state(
    issue_client: IssueClient, issues: Mapping[str, Issue], state: str
) -> dict[str, Issue]:
    """Give each issue the label of this state and no other; return them with their labels."""
    others = [name for name in LABELS if name not in (LABEL, state)]
    batches = issue_client.batches
    labelled = batches.relabel(list(issues.values()), add=(LABEL, state), remove=others)
    return dict(zip(issues, labelled, strict=True))


def create_parent(issue_client: IssueClient, plan: Plan, *, viewer: str) -> Issue:
    """Create the parent issue of a run that no issue asked for. Repeated calls create one."""

    def look_up() -> Issue | None:
        ours = [
            issue
            for issue in issue_client.labelled(LABEL)
            if issue.author == viewer and _is_parent(issue, plan)
        ]
        return keep_oldest(issue_client, ours, run=plan.run) if ours else None

    draft = IssueDraft(
        key="", title=f"Concertmaster run {plan.run}", body=plan_comment.parent_body(plan)
    )
    made = issue_client.create_issue(draft, (LABEL,), look_up=look_up)
    return look_up() or made


def _is_parent(issue: Issue, plan: Plan) -> bool:
    marks = {(one.run, one.kind) for one in read_marks(issue.body)}
    return (plan.run, plan_comment.PARENT_KIND) in marks


def keep_oldest(issue_client: IssueClient, issues: Sequence[Issue], *, run: str) -> Issue:
    """Return the issue with the lowest number; close the others as its duplicates."""
    oldest, *further = sorted(issues, key=lambda issue: issue.number)
    for issue in further:
        issue_client.retire(issue, body=plan_comment.duplicate_body(run, of=oldest.number))
        issue_client.release(issue)
    return oldest

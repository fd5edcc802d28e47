"""Publishes the end of a round on GitHub: labels, failure issue, report, parent issue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster.action.child_issues import find_children, keep_oldest
from concertmaster.action.job import Job
from concertmaster.comments import failure_issue, round_report
from concertmaster.comments.round_report import Speed
from concertmaster.github.errors import Locked
from concertmaster.github.issues import IssueClient
from concertmaster.github.labels import FAILED, LABEL, LABELS, LANDED, QUEUED, RUNNING
from concertmaster.github.models import Comment, Issue, IssueDraft
from concertmaster.rounds.history import History
from concertmaster.rounds.verdict import Verdict
from concertmaster.text.marks import read_marks


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundReport:
    """The content of a round's report; `notes` are Markdown of ours."""

    history: History
    verdict: Verdict | None
    speed: Speed | None
    notes: Sequence[str] = ()


def publish_report(job: Job, closing: RoundReport, *, viewer: str) -> tuple[History, str]:
    """Update labels and issues, and write the report comment; safe to repeat.

    Returns the history with the number of the failure issue, and the URL of the comment ("" when
    the parent issue is locked).
    """
    issue_client, history = job.issue_client, closing.history
    parent = issue_client.issue(history.parent)
    issue_client.ensure_labels(LABELS)
    _mark_children(issue_client, history, parent, viewer=viewer)
    history = _file_failures(issue_client, history, viewer=viewer)
    closing = replace(closing, history=history)
    url = _report(job, closing, viewer=viewer)
    _mark_parent(issue_client, history, parent)
    job.write_summary(_summary(closing))
    return history, url


def _mark_children(
    issue_client: IssueClient, history: History, parent: Issue, *, viewer: str
) -> None:
    """Label each child issue by the state of its task, and close those of landed tasks."""
    found = find_children(issue_client, parent, viewer=viewer, tasks=history.tasks).issues
    children = {task: issues[0] for task, issues in found.items() if task in history.tasks}
    groups: dict[str, list[Issue]] = {LANDED: [], FAILED: [], QUEUED: []}
    for task, issue in children.items():
        groups[_label(history, task)].append(issue)
    for label, issues in groups.items():
        others = [name for name in LABELS if name not in (LABEL, label)]
        issue_client.batches.relabel(issues, add=(LABEL, label), remove=others)
    issue_client.batches.close([issue for issue in groups[LANDED] if issue.is_open])


def _label(history: History, task: str) -> str:
    one = history.task(task)
    if one.is_done:
        return LANDED
    return FAILED if one.state.is_lost else QUEUED


def _file_failures(issue_client: IssueClient, history: History, *, viewer: str) -> History:
    """Keep one issue of all tasks that did not land; it closes when none is left."""
    is_needed = bool(history.failures)
    if not is_needed and not history.failure_issue:
        return history
    title, body = failure_issue.failure_issue(history)
    found = _find_failure_issue(issue_client, history, viewer=viewer) or issue_client.create_issue(
        IssueDraft(key="", title=title, body=body),
        (LABEL, FAILED),
        look_up=lambda: _find_failure_issue(issue_client, history, viewer=viewer),
    )
    issue_client.change_issue(found, title=title, body=body, is_open=is_needed)
    return replace(history, failure_issue=found.number)


def _find_failure_issue(
    issue_client: IssueClient, history: History, *, viewer: str
) -> Issue | None:
    if history.failure_issue:
        return issue_client.issue(history.failure_issue)
    ours = [
        issue
        for issue in issue_client.labelled(FAILED, since=history.created_at)
        if issue.author == viewer and _is_failure_of(issue.body, history.run)
    ]
    return keep_oldest(issue_client, ours, run=history.run) if ours else None


def _is_failure_of(body: str, run: str) -> bool:
    return (run, failure_issue.FAILURE_KIND) in {(one.run, one.kind) for one in read_marks(body)}


def _report(job: Job, closing: RoundReport, *, viewer: str) -> str:
    """Write the report comment and return its URL, "" when the parent issue is locked."""
    history = closing.history
    body = round_report.report_comment(
        history,
        closing.verdict,
        speed=closing.speed,
        notes=closing.notes,
    )
    kind = round_report.report_kind(history.round)

    def is_ours(comment: Comment) -> bool:
        marks = {(one.run, one.kind) for one in read_marks(comment.body)}
        return comment.author == viewer and (history.run, kind) in marks

    try:
        return job.issue_client.put_comment(history.parent, body, is_ours=is_ours).url
    except Locked:
        job.console.note(f"issue #{history.parent} is locked; the report is on the job's page")
        return ""


def _mark_parent(issue_client: IssueClient, history: History, parent: Issue) -> None:
    """Label the parent issue, and close it when every task is done.

    A parent issue that somebody closed stays closed. One where somebody asked to land pull
    requests stays open: it lists no tasks.
    """
    waits = history.due is not None or any(map(history.waits_for_person, history.tasks.values()))
    wanted = LANDED if history.is_complete else QUEUED if waits else FAILED
    if not history.parent_is_ours and wanted == QUEUED:
        wanted = ""
    states = (LANDED, FAILED, QUEUED, RUNNING)
    remove = [name for name in states if name in parent.labels and name != wanted]
    add = [wanted] if wanted and wanted not in parent.labels else []
    issue_client.set_labels(parent.number, add=add, remove=remove)
    if history.is_complete and parent.is_open and not history.is_train:
        issue_client.close_issue(parent.number)


def _summary(closing: RoundReport) -> str:
    return round_report.summary_markdown(
        closing.history,
        closing.verdict,
        speed=closing.speed,
        notes=closing.notes,
    )


def count_by_state(history: History) -> Mapping[str, list[str]]:
    """Return the ids of the tasks by `landed` and `failed`, for the outputs of the job."""
    return {
        "landed": [key for key, one in history.tasks.items() if one.is_done],
        "failed": [key for key, one in history.tasks.items() if one.state.is_lost],
    }

"""What a round says on GitHub when it is over: labels, failure issue, report, parent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster.adapters.forge import Forge
from concertmaster.adapters.issue import Comment, Draft, Issue
from concertmaster.adapters.refusal import Locked
from concertmaster.core import notice, tidings
from concertmaster.core.history import History
from concertmaster.core.neutral import read_marks
from concertmaster.core.tidings import Speed
from concertmaster.core.verdict import Verdict
from concertmaster.engine.children import (
    FAILED,
    LABEL,
    LABELS,
    LANDED,
    QUEUED,
    RUNNING,
    find_children,
    keep_oldest,
)
from concertmaster.engine.job import Job


@dataclass(frozen=True, slots=True, kw_only=True)
class Closing:
    """What a round has to tell. `notes` are Markdown of ours."""

    history: History
    verdict: Verdict | None
    speed: Speed | None
    notes: Sequence[str] = ()


def conclude(job: Job, closing: Closing, *, viewer: str) -> tuple[History, str]:
    """Say it all; safe to repeat. Also gives the page of the report, "" where it has none."""
    forge, history = job.forge, closing.history
    parent = forge.issue(history.parent)
    forge.ensure_labels(LABELS)
    _mark_children(forge, history, parent, viewer=viewer)
    history = _file_failures(forge, history, viewer=viewer)
    closing = replace(closing, history=history)
    url = _report(job, closing, viewer=viewer)
    _mark_parent(forge, history, parent)
    job.write_summary(_summary(closing))
    return history, url


def _mark_children(forge: Forge, history: History, parent: Issue, *, viewer: str) -> None:
    states = {one.task: one for one in history.tasks}
    found = find_children(forge, parent, viewer=viewer, tasks=states).issues
    children = {task: issues[0] for task, issues in found.items() if task in states}
    groups: dict[str, list[Issue]] = {LANDED: [], FAILED: [], QUEUED: []}
    for task, issue in children.items():
        groups[_label(history, task)].append(issue)
    for label, issues in groups.items():
        others = [name for name in LABELS if name not in (LABEL, label)]
        forge.batches.relabel(issues, add=(LABEL, label), remove=others)
    forge.batches.close([issue for issue in groups[LANDED] if issue.is_open])


def _label(history: History, task: str) -> str:
    one = history.task(task)
    if one.is_done:
        return LANDED
    return FAILED if one.state.is_lost else QUEUED


def _file_failures(forge: Forge, history: History, *, viewer: str) -> History:
    """One issue for all that did not land, which closes itself when there is nothing left."""
    is_needed = bool(history.failures)
    if not is_needed and not history.failure_issue:
        return history
    title, body = notice.failure_issue(history)
    found = _find_failure_issue(forge, history, viewer=viewer) or forge.create_issue(
        Draft(key="", title=title, body=body),
        (LABEL, FAILED),
        look_up=lambda: _find_failure_issue(forge, history, viewer=viewer),
    )
    forge.change_issue(found, title=title, body=body, is_open=is_needed)
    return replace(history, failure_issue=found.number)


def _find_failure_issue(forge: Forge, history: History, *, viewer: str) -> Issue | None:
    if history.failure_issue:
        return forge.issue(history.failure_issue)
    ours = [
        issue
        for issue in forge.labelled(FAILED, since=history.created_at)
        if issue.author == viewer and _is_failure_of(issue.body, history.run)
    ]
    return keep_oldest(forge, ours, run=history.run) if ours else None


def _is_failure_of(body: str, run: str) -> bool:
    return (run, notice.FAILURE_KIND) in {(one.run, one.kind) for one in read_marks(body)}


def _report(job: Job, closing: Closing, *, viewer: str) -> str:
    """The page of the comment."""
    history = closing.history
    body = tidings.report_comment(
        history,
        closing.verdict,
        speed=closing.speed,
        notes=closing.notes,
    )
    kind = tidings.report_kind(history.round)

    def is_ours(comment: Comment) -> bool:
        marks = {(one.run, one.kind) for one in read_marks(comment.body)}
        return comment.author == viewer and (history.run, kind) in marks

    try:
        return job.forge.put_comment(history.parent, body, is_ours=is_ours).url
    except Locked:
        job.console.note(f"issue #{history.parent} is locked; the report is on the job's page")
        return ""


def _mark_parent(forge: Forge, history: History, parent: Issue) -> None:
    """It closes when every task is done; a parent that somebody closed stays as it is."""
    waits = history.due is not None or any(map(history.waits_for_person, history.tasks))
    wanted = LANDED if history.is_complete else QUEUED if waits else FAILED
    if not history.parent_is_ours and wanted == QUEUED:
        wanted = ""
    states = (LANDED, FAILED, QUEUED, RUNNING)
    remove = [name for name in states if name in parent.labels and name != wanted]
    add = [wanted] if wanted and wanted not in parent.labels else []
    forge.set_labels(parent.number, add=add, remove=remove)
    if history.is_complete and parent.is_open:
        forge.close_issue(parent.number)


def _summary(closing: Closing) -> str:
    return tidings.summary_markdown(
        closing.history,
        closing.verdict,
        speed=closing.speed,
        notes=closing.notes,
    )


def count_by(history: History) -> Mapping[str, list[str]]:
    """The tasks that landed and those that did not, for whoever called the workflow."""
    return {
        "landed": [one.task for one in history.tasks if one.is_done],
        "failed": [one.task for one in history.tasks if one.state.is_lost],
    }

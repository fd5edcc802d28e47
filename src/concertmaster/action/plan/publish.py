"""Publishes a plan as issues and a plan comment, and hands it to the next jobs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from concertmaster.action.artifacts import PLAN
from concertmaster.action.authorize import AuthorizedRequest
from concertmaster.action.child_issues import ChildIssues, create_parent, set_state
from concertmaster.action.job import Job, renew_folder
from concertmaster.action.plan_artifact import digest_plan, write_plan_artifact
from concertmaster.comments import plan_comment, train_comment
from concertmaster.comments.plan_data import PLAN_KIND
from concertmaster.github.labels import RUNNING
from concertmaster.github.models import Comment, Issue
from concertmaster.github.slash_command import CommandVerb
from concertmaster.model import Plan
from concertmaster.planning.build_plan import Planned
from concertmaster.rounds.history import History, begin_history
from concertmaster.text.marks import read_marks

NOTHING = {"count": "0", "shares": "[]", "verify": "false", "run": "", "round": ""}


def publish_plan(job: Job, request: AuthorizedRequest, planned: Planned) -> int:
    """Publish the first round: parent issue, child issues, plan comment and shares.

    A dry run gets no child issues and no shares. Returns the exit code of the job, 0.
    """
    made = plan_comment.without_secrets(planned.plan, job.redact)
    viewer = job.issue_client.viewer()
    parent = request.parent or create_parent(job.issue_client, made, viewer=viewer)
    family = _child_issues(job, made, parent, viewer=viewer)
    if request.order.verb is CommandVerb.PLAN:
        family.publish_plan({}, ("This is a dry run: nothing was started.",))
        job.write_outputs(NOTHING)
        return 0
    issues = family.raise_children()
    notes = (plan_comment.workflow_note(job.workflow_url),)
    family.publish_plan(issues, notes, workflows=(job.settings.workflow_run,))
    children = _numbers(issues)
    history = begin_history(
        planned.plan,
        trigger=request.key,
        parent=parent.number,
        parent_is_ours=request.parent is None,
        children=children,
        # Later rounds go on with the shape that was chosen now.
        options={**dict(request.order.options), "history": str(planned.plan.settings.history)},
        requester=planned.plan.settings.requester,
    )
    summary = plan_comment.plan_comment(made, children=children)
    return _hand_out(job, planned, history, issues=issues, summary=summary)


def publish_train(job: Job, planned: Planned, history: History) -> int:
    """Publish the landing of pull requests: one comment, and nothing for work jobs to do.

    Returns the exit code of the job, 0.
    """
    summary = train_comment.train_summary(planned.plan, history)
    renew_folder(_folder(job))
    _put_train(job, planned.plan, history)
    return _hand_out(job, planned, history, issues={}, summary=summary)


def _put_train(job: Job, plan: Plan, history: History) -> None:
    """Write what is going to land, or edit our comment of this run that is there."""
    viewer = job.issue_client.viewer()
    notes = (*map(job.redact, plan.notes), plan_comment.workflow_note(job.workflow_url))
    workflows = (job.settings.workflow_run,)
    body = train_comment.train_comment(plan, history, notes=notes, workflows=workflows)
    kinds = {PLAN_KIND, plan_comment.REPLY_KIND}

    def is_ours(comment: Comment) -> bool:
        marks = read_marks(comment.body)
        named = any(one.run == history.run and one.kind in kinds for one in marks)
        return comment.author == viewer and named

    job.issue_client.put_comment(history.parent, body, is_ours=is_ours)


def publish_next_round(job: Job, planned: Planned, history: History) -> int:
    """Publish a later round: update the plan comment, hand out the shares.

    A round without tasks changes no issue but the label of the parent issue. Returns the exit code
    of the job, 0.
    """
    if history.is_train:
        return publish_train(job, planned, history)
    made = plan_comment.without_secrets(planned.plan, job.redact)
    viewer = job.issue_client.viewer()
    summary = f"Round {history.round} of run `{history.run}` only lands what is there."
    issues: Mapping[str, Issue] = {}
    if made.tasks:
        parent = job.issue_client.issue(history.parent)
        family = _child_issues(job, made, parent, viewer=viewer)
        issues = family.raise_children()
        children = _numbers(issues)
        notes = (plan_comment.workflow_note(job.workflow_url), f"This is round {history.round}.")
        family.publish_plan(issues, notes, workflows=(job.settings.workflow_run,))
        summary = plan_comment.plan_comment(made, children=children)
        numbered = {
            key: replace(one, issue=children.get(key, one.issue))
            for key, one in history.tasks.items()
        }
        history = replace(history, tasks=numbered)
    return _hand_out(job, planned, history, issues=issues, summary=summary)


def _child_issues(job: Job, made: Plan, parent: Issue, *, viewer: str) -> ChildIssues:
    renew_folder(_folder(job))
    keep = partial(_keep_text, job)
    return ChildIssues(
        issue_client=job.issue_client, plan=made, parent=parent, viewer=viewer, keep=keep
    )


def _numbers(children: Mapping[str, Issue]) -> dict[str, int]:
    return {task: child.number for task, child in children.items()}


def _folder(job: Job) -> Path:
    return job.artifacts / PLAN


def _keep_text(job: Job, name: str, text: str) -> None:
    """Write a text that is too long for GitHub into the artifact."""
    folder = _folder(job) / "texts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")


def _hand_out(
    job: Job, planned: Planned, history: History, *, issues: Mapping[str, Issue], summary: str
) -> int:
    """Write the artifact, the job summary and the job outputs, and label the issues.

    `issues` are those of the tasks in the shares.
    """
    job.write_summary(summary)
    write_plan_artifact(_folder(job), planned.plan, history, planned.texts)
    shares = [*range(len(planned.plan.shares))]
    carries = any(one.head for one in history.tasks.values() if not one.is_done)
    job.write_outputs(
        {
            "run": history.run,
            "round": str(history.round),
            "count": str(len(shares)),
            "shares": json.dumps(shares),
            "verify": json.dumps(bool(shares) or carries),
            "plan_sha256": digest_plan(_folder(job)),
            "max_parallel": str(job.settings.max_parallel),
        }
    )
    if issues:
        set_state(job.issue_client, issues, RUNNING)
    job.issue_client.set_labels(history.parent, add=[RUNNING])
    return 0

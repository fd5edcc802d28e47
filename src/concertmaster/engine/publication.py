"""A plan as people see it, issues and comment, and as the next jobs get it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from concertmaster.adapters.issue import Issue
from concertmaster.core import bulletin
from concertmaster.core.comment import Verb
from concertmaster.core.history import History, begin
from concertmaster.core.model import Plan
from concertmaster.engine.children import LABEL, LABELS, QUEUED, RUNNING, Family, raise_parent
from concertmaster.engine.handout import digest_plan, write_handout
from concertmaster.engine.job import PLAN, Job
from concertmaster.engine.planning import Planned
from concertmaster.engine.reception import Request

NOTHING = {"count": "0", "shares": "[]", "verify": "false", "run": "", "round": ""}


def publish(job: Job, request: Request, planned: Planned) -> int:
    """The first round: parent, children, plan comment, and the shares."""
    made = bulletin.without_secrets(planned.plan, job.redact)
    viewer = job.forge.viewer()
    parent = request.parent or raise_parent(job.forge, made, viewer=viewer)
    family = _family(job, made, parent, viewer=viewer)
    if request.order.verb is Verb.PLAN:
        family.publish_plan({}, ("This is a dry run: nothing was started.",))
        job.write_outputs(NOTHING)
        return 0
    issues = family.raise_children()
    family.publish_plan(issues, (bulletin.workflow_note(job.workflow_url),))
    children = _numbers(issues)
    history = begin(
        planned.plan,
        trigger=key_of(job, request),
        parent=parent.number,
        parent_is_ours=request.parent is None,
        children=children,
        options=dict(request.order.options),
        requester=planned.plan.settings.requester,
    )
    return _hand_out(job, planned, history, summary=bulletin.plan_comment(made, children=children))


def publish_further(job: Job, planned: Planned, history: History) -> int:
    """A later round: its tasks wait again, the plan comment shows it, and the shares."""
    made = bulletin.without_secrets(planned.plan, job.redact)
    viewer = job.forge.viewer()
    summary = f"Round {history.round} of run `{history.run}` only lands what is there."
    if made.tasks:
        parent = job.forge.issue(history.parent)
        family = _family(job, made, parent, viewer=viewer)
        issues = family.raise_children()
        _queue_again(job, issues)
        children = _numbers(issues)
        notes = (bulletin.workflow_note(job.workflow_url), f"This is round {history.round}.")
        family.publish_plan(issues, notes)
        summary = bulletin.plan_comment(made, children=children)
        tasks = (replace(one, issue=children.get(one.task, one.issue)) for one in history.tasks)
        history = replace(history, tasks=tuple(tasks))
    return _hand_out(job, planned, history, summary=summary)


def key_of(job: Job, request: Request) -> str:
    """What names this asking, however often its workflow runs."""
    comment = request.trigger.comment
    return f"c{comment}" if comment else f"w{job.settings.workflow_run}"


def _family(job: Job, made: Plan, parent: Issue, *, viewer: str) -> Family:
    shutil.rmtree(_folder(job), ignore_errors=True)  # of a try of this job before
    keep = partial(_keep_text, job)
    return Family(forge=job.forge, plan=made, parent=parent, viewer=viewer, keep=keep)


def _queue_again(job: Job, children: Mapping[str, Issue]) -> None:
    states = [name for name in LABELS if name not in (LABEL, QUEUED)]
    job.forge.batches.relabel([*children.values()], add=(LABEL, QUEUED), remove=states)


def _numbers(children: Mapping[str, Issue]) -> dict[str, int]:
    return {task: child.number for task, child in children.items()}


def _folder(job: Job) -> Path:
    return job.artifacts / PLAN


def _keep_text(job: Job, name: str, text: str) -> None:
    """What is too long for GitHub, in the artifact."""
    folder = _folder(job) / "texts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")


def _hand_out(job: Job, planned: Planned, history: History, *, summary: str) -> int:
    """The artifact for the other jobs, and the matrix."""
    job.write_summary(summary)
    write_handout(_folder(job), planned.plan, history, planned.texts)
    shares = [*range(len(planned.plan.shares))]
    carries = any(one.head for one in history.tasks if not one.is_done)
    job.write_outputs(
        {
            "run": history.run,
            "round": str(history.round),
            "count": str(len(shares)),
            "shares": json.dumps(shares),
            "verify": json.dumps(bool(shares) or carries),
            "plan_sha256": digest_plan(_folder(job)),
            "runs_on": job.settings.runs_on,
            "max_parallel": str(job.settings.max_parallel),
        }
    )
    job.forge.set_labels(history.parent, add=[RUNNING])
    return 0

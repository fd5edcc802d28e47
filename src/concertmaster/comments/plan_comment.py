"""Writes what a run says on GitHub before it starts: child issues, plan comment, replies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from concertmaster.comments import plan_comment_v1
from concertmaster.comments.plan_data import PLAN_KIND, write_plan_data
from concertmaster.model import Plan, Task
from concertmaster.planning import explain
from concertmaster.text.display import count, duration
from concertmaster.text.markdown import as_cell, as_code, as_line, clip, code_block
from concertmaster.text.marks import data_comment, mark, read_data, read_marks

MOST_TASKS_IN_PICTURE = 100
MOST_REASONS = 40
TASK_KIND, REPLY_KIND, PARENT_KIND = "task", "reply", "parent"
REPORT_KIND, DUPLICATE_KIND = "report", "duplicate"
NOTHING_LEFT = "Nothing was started: of this run nothing is left to do."
PLANNING = "This run is being planned; its plan will take the place of this comment."
CHILD_VERSION = 2  # of the data of a child issue; the first had them only in the visible text
LONGEST_TITLE = 256  # characters; the limit of GitHub


def without_secrets(plan: Plan, redact: Callable[[str], str]) -> Plan:
    """Return the plan with its texts redacted, for others to read.

    Redaction comes before texts are cut and escaped, because it would not recognise a secret
    afterwards.
    """
    return replace(
        plan,
        tasks=tuple(_clean_task(task, redact) for task in plan.tasks),
        needs=tuple(replace(need, reason=redact(need.reason)) for need in plan.needs),
        exclusions=tuple(replace(one, reason=redact(one.reason)) for one in plan.exclusions),
        skipped=tuple(
            replace(one, prompt=redact(one.prompt), reason=redact(one.reason))
            for one in plan.skipped
        ),
        notes=tuple(map(redact, plan.notes)),
    )


def _clean_task(task: Task, redact: Callable[[str], str]) -> Task:
    footprint = tuple(
        replace(entry, path=redact(entry.path), reason=redact(entry.reason))
        for entry in task.footprint
    )
    return replace(task, prompt=redact(task.prompt), title=redact(task.title), footprint=footprint)


def child_title(task: Task) -> str:
    """Return the title of the task's child issue."""
    titles = (as_line(task.title, limit=limit) for limit in (200, 50))
    return next((title for title in titles if 0 < len(title) <= LONGEST_TITLE), task.id)


def child_body(task: Task, plan: Plan, *, parent: int) -> str:
    """Return the body of the task's child issue."""
    needs = [need for need in plan.needs if need.task == task.id]
    lines = [
        mark(run=plan.run, kind=TASK_KIND, task=task.id),
        data_comment({"parent": parent}, kind=TASK_KIND, version=CHILD_VERSION),
        f"Task {as_code(task.id)} of #{parent}, from {as_code(task.prompt)} at {plan.base[:12]}.",
        "",
        f"- estimate: {explain.summarise_estimate(task)}",
        f"- likely to change: {as_line(explain.summarise_footprint(task), limit=400)}",
        *(f"- {as_line(explain.describe_need(need), limit=300)}" for need in needs),
    ]
    return "\n".join(lines)


def task_of_child(body: str, *, parent: int) -> str:
    """Return the task that the body of a child issue names.

    Returns "" for any other body, and for a child of another parent issue than `parent`; 0 accepts
    every parent issue.
    """
    task = next((one.task for one in read_marks(body) if one.kind == TASK_KIND), "")
    if not parent:
        return task
    value = read_data(body, kind=TASK_KIND, version=CHILD_VERSION)
    if value is None:
        return task if plan_comment_v1.is_child_of(body, task=task, parent=parent) else ""
    return task if value.get("parent") == parent else ""


def duplicate_body(run: str, *, of: int) -> str:
    """Return the body of a child issue that was made twice; `of` is the issue that stays."""
    return f"{mark(run=run, kind=DUPLICATE_KIND)}\nDuplicate of #{of}, made at the same time."


def plan_comment(
    plan: Plan,
    *,
    children: Mapping[str, int],
    notes: Sequence[str] = (),
    beside: Sequence[str] = (),
    workflows: Sequence[int] = (),
) -> str:
    """Return the body of the plan comment: the plan with its reasons.

    `children` are the numbers of the child issues by task, if there are any. Those of the tasks
    `beside` are not sub-issues. `notes` are Markdown of ours.
    """
    data = write_plan_data(plan, children, workflows)
    parts = [
        mark(run=plan.run, kind=PLAN_KIND),
        *([data] if data else []),
        f"### Plan of run {as_code(plan.run)}",
        "",
        _headline(plan),
        "",
        *(f"- {note}" for note in notes),
        "",
        *_task_list(children, beside),
        *_table(plan, children),
        "",
        *_picture(plan),
        *_reasons(plan),
    ]
    return "\n".join(parts)


def _headline(plan: Plan) -> str:
    budget = plan.settings.budget_usd
    limit = f"limited to ${budget:.2f}" if budget is not None else "not limited by a budget"
    return (
        f"{count(len(plan.tasks), 'task')} in {count(len(plan.shares), 'share')}, "
        f"from {plan.base[:12]} onto {as_code(plan.target)}. "
        f"Predicted time: {duration(plan.makespan_seconds)} in {count(plan.slots, 'slot')} "
        f"({duration(plan.sequential_seconds)} one after another). "
        f"Predicted cost: {explain.describe_cost(plan)}; {limit}."
    )


def _table(plan: Plan, children: Mapping[str, int]) -> Iterator[str]:
    shares = {task: number for number, share in enumerate(plan.shares) for task in share}
    yield "| task | issue | share | prompt | estimate | waits for |"
    yield "|---|---|---|---|---|---|"
    for task in plan.tasks:
        issue = f"#{children[task.id]}" if task.id in children else ""
        waits = as_cell(explain.summarise_waiting(plan, task.id))
        estimate = explain.summarise_estimate(task)
        cells = (task.id, issue, shares.get(task.id, ""), as_cell(task.prompt), estimate, waits)
        yield f"| {' | '.join(map(str, cells))} |"


def _picture(plan: Plan) -> Iterator[str]:
    """Yield the plan as a diagram; a plan that is too large for one as a list of its shares."""
    if not plan.needs and not plan.exclusions:
        return
    if len(plan.tasks) <= MOST_TASKS_IN_PICTURE:
        yield f"```mermaid\n{explain.mermaid(plan)}\n```\n"
        return
    for number, share in enumerate(plan.shares, 1):
        if len(share) > 1:
            yield f"{number}. {', '.join(share)}"
    yield ""


def _reasons(plan: Plan) -> Iterator[str]:
    found = [
        *explain.describe_sources(plan),
        *(explain.describe_need(need) for need in plan.needs),
        *(explain.describe_exclusion(exclusion) for exclusion in plan.exclusions),
        *(f"skipped {one.prompt}: {one.reason}" for one in plan.skipped),
        *plan.notes,
    ]
    yield from (f"- {as_line(reason, limit=400)}" for reason in found[:MOST_REASONS])
    if len(found) > MOST_REASONS:
        yield f"- and {len(found) - MOST_REASONS} more, in plan.json of the run's artifact"


def workflow_note(url: str) -> str:
    """Return the note of a plan comment that links the workflow run of the plan."""
    return f"[Workflow run]({url})"


def _task_list(children: Mapping[str, int], beside: Sequence[str]) -> Iterator[str]:
    """Yield the child issues `beside` as a task list, in which GitHub shows their state."""
    if beside:
        yield "<details><summary>Child issues that GitHub does not show as sub-issues</summary>"
        yield ""
        yield from (f"- [ ] #{children[task]}" for task in beside)
        yield ""
        yield "</details>"
        yield ""


def parent_body(plan: Plan) -> str:
    """Return the body of the parent issue that we create for a run without one."""
    return "\n".join(
        [
            mark(run=plan.run, kind=PARENT_KIND),
            f"Run {as_code(plan.run)} was started without an issue; this one tells how it goes.",
        ]
    )


def answer_body(text: str, *, run: str) -> str:
    """Return the body of a reply; `text` is Markdown of ours."""
    return clip(f"{mark(run=run, kind=REPLY_KIND)}\n{text}")


def error_text(what: str, why: str, next_step: str) -> str:
    """Return an error as Markdown for people on GitHub; its texts are inert."""
    parts = [("", what), ("Why: ", why), ("Next: ", next_step)]
    lines = "\n".join(f"{word}{text}" for word, text in parts if text)
    return f"Nothing was started.\n\n{code_block(lines, limit=4000)}"

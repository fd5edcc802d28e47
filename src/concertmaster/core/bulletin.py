"""What a run says on GitHub before it starts: child issues, the plan, the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from concertmaster.core import explanation
from concertmaster.core.model import Plan, Task
from concertmaster.core.neutral import as_cell, as_code, as_line, clip, code_block, mark
from concertmaster.core.text import count, duration

MOST_TASKS_IN_PICTURE = 100
MOST_REASONS = 40
PLAN_KIND, TASK_KIND, REPLY_KIND, PARENT_KIND = "plan", "task", "reply", "parent"


def child_title(task: Task) -> str:
    """The title of a task's issue."""
    return as_line(task.title, limit=200)


def child_body(task: Task, plan: Plan, *, parent: int) -> str:
    """The body of a task's issue."""
    needs = [need for need in plan.needs if need.task == task.id]
    lines = [
        mark(run=plan.run, kind=TASK_KIND, task=task.id),
        f"Task {as_code(task.id)} of #{parent}, from {as_code(task.prompt)} at {plan.base[:12]}.",
        "",
        f"- estimate: {duration(task.estimate_seconds)}",
        f"- likely to change: {as_line(explanation.summarise_footprint(task), limit=400)}",
        *(f"- {as_line(explanation.describe_need(need), limit=300)}" for need in needs),
    ]
    return clip("\n".join(lines))


def plan_comment(plan: Plan, *, children: Mapping[str, int], notes: Sequence[str] = ()) -> str:
    """The plan with its reasons. `children` are the numbers of the tasks' issues, if they have
    any; `notes` are Markdown of ours."""
    parts = [
        mark(run=plan.run, kind=PLAN_KIND),
        f"### Plan of run {as_code(plan.run)}",
        "",
        _headline(plan),
        "",
        *_table(plan, children),
        "",
        *_picture(plan),
        *_reasons(plan),
        *(f"- {note}" for note in notes),
    ]
    return clip("\n".join(parts))


def _headline(plan: Plan) -> str:
    budget = plan.settings.budget_usd
    cost = f"at most ${budget:.2f}" if budget is not None else "not limited by a budget"
    return (
        f"{count(len(plan.tasks), 'task')} in {count(len(plan.shares), 'independent share')}, "
        f"from {plan.base[:12]} onto {as_code(plan.target)}. "
        f"Predicted time: {duration(plan.makespan_seconds)} in {count(plan.slots, 'slot')} "
        f"({duration(plan.sequential_seconds)} one after another). Cost: {cost}."
    )


def _table(plan: Plan, children: Mapping[str, int]) -> Iterator[str]:
    yield "| task | issue | prompt | estimate | waits for |"
    yield "|---|---|---|---|---|"
    for task in plan.tasks:
        issue = f"#{children[task.id]}" if task.id in children else ""
        waits = as_cell(explanation.summarise_waiting(plan, task.id))
        prompt = as_cell(task.prompt)
        yield f"| {task.id} | {issue} | {prompt} | {duration(task.estimate_seconds)} | {waits} |"


def _picture(plan: Plan) -> Iterator[str]:
    if not plan.needs and not plan.exclusions:
        return
    if len(plan.tasks) <= MOST_TASKS_IN_PICTURE:
        yield f"```mermaid\n{explanation.mermaid(plan)}\n```\n"
        return
    for number, share in enumerate(plan.shares, 1):
        if len(share) > 1:
            yield f"{number}. {', '.join(share)}"
    yield ""


def _reasons(plan: Plan) -> Iterator[str]:
    found = [
        *(explanation.describe_need(need) for need in plan.needs),
        *(explanation.describe_exclusion(exclusion) for exclusion in plan.exclusions),
        *(f"skipped {one.prompt}: {one.reason}" for one in plan.skipped),
        *plan.notes,
    ]
    yield from (f"- {as_line(reason, limit=400)}" for reason in found[:MOST_REASONS])
    if len(found) > MOST_REASONS:
        yield f"- and {len(found) - MOST_REASONS} more, in plan.json of the run's artifact"


def task_list(plan: Plan, *, children: Mapping[str, int]) -> str:
    """The children as a list of the parent, where they cannot all be its sub-issues."""
    return "\n".join(f"- [ ] #{children[task.id]}" for task in plan.tasks if task.id in children)


def parent_body(plan: Plan) -> str:
    """The issue of a run that no issue asked for."""
    return "\n".join(
        [
            mark(run=plan.run, kind=PARENT_KIND),
            f"Run {as_code(plan.run)} was started without an issue; this one tells how it goes.",
        ]
    )


def answer(text: str, *, run: str, kind: str = REPLY_KIND) -> str:
    """A reply of ours; `text` is Markdown of ours."""
    return clip(f"{mark(run=run, kind=kind)}\n{text}")


def error_text(what: str, why: str, next_step: str) -> str:
    """An error for people on GitHub: nothing in it acts."""
    parts = [("", what), ("Why: ", why), ("Next: ", next_step)]
    lines = "\n".join(f"{word}{text}" for word, text in parts if text)
    return f"Nothing was started.\n\n{code_block(lines, limit=4000)}"

"""Runs attacks on the jobs that can write, and checks what the attacker gets."""

from __future__ import annotations

from typing import Any

from concertmaster.action.control import control
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.plan.publish import NOTHING
from concertmaster.errors import Error
from concertmaster.text.marks import read_marks
from tests.action.repository import Scene
from tests.action.workflow import Workflow
from tests.github.state import Issue


def gets_nothing(scene: Scene, workflow: Workflow, **inputs: Any) -> str:
    """Run the jobs and return the log; check that nothing on GitHub or in the outputs changes."""
    before = scene.everything()
    assert run_plan(workflow.job(**inputs)) == 0
    assert control(workflow.job(**inputs)) == 0
    assert scene.everything() == before
    assert workflow.outputs == NOTHING
    return workflow.said.getvalue()


def gets_a_reply(scene: Scene, workflow: Workflow, issue: Issue, **inputs: Any) -> str:
    """Run the plan job and return its one comment; check that nothing is started."""
    before = len(issue.comments)
    try:
        run_plan(workflow.job(**inputs))
    except Error as error:
        assert error.what  # noqa: PT017 - some refusals also fail the job
    assert [workflow.outputs["count"], scene.children] == ["0", []]
    (reply,) = issue.comments[before:]
    assert read_marks(reply.body)[0].kind == "reply"
    return reply.body


def plan(workflow: Workflow, **inputs: Any) -> dict[str, str]:
    assert run_plan(workflow.job(**inputs)) == 0
    return workflow.outputs


def is_whole(scene: Scene, *, tasks: int = 2) -> bool:
    """Return whether there is one issue for each task, one parent and one plan."""
    bot = scene.double.store.actions_app.bot
    parents = {child.parent for child in scene.children}
    plans = [
        one
        for issue in scene.repository.issues.values()
        for one in issue.comments
        if one.user == bot and read_marks(one.body)[0].kind == "plan"
    ]
    return [len(scene.children), len(parents), len(plans)] == [tasks, 1, 1]

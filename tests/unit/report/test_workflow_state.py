"""The state file of a task, as tools of WorkflowMaster read it."""

from __future__ import annotations

from concertmaster.report.workflow_state import write_workflow_state
from concertmaster.settings.choices import LEAN_PHASES, Phase
from tests import journals
from tests.journals import RUN, make_plan

PLAN = make_plan()


def state_of(number: int) -> str:
    report = journals.tell_story(PLAN, journals.one_lands_two_breaks_the_check())[1]
    return write_workflow_state(report, report.tasks[number])


def test_a_phase_is_ticked_with_its_evidence() -> None:
    told = state_of(0)

    for number, phase in enumerate(Phase):
        box = "x" if phase in LEAN_PHASES else " "
        assert f"- [{box}] Phase {number}: {phase}" in told
    assert "(met its exit condition, 1.0s)" in told


def test_the_file_has_the_parts_that_its_readers_look_for() -> None:
    lines = state_of(1).splitlines()

    assert [line for line in lines if line.startswith("#")] == [
        "# WorkflowMaster State",
        "## Active Workflow",
        "## Phase Completion Status",
        "## Current Phase Details",
        "## Resumption Instructions",
    ]
    assert "- **Prompt File**: `prompts/two.md`" in lines
    assert f"- **Branch**: `concertmaster/{RUN}/two`" in lines
    assert "- **Status**: error" in lines


def test_a_run_that_can_go_on_says_how() -> None:
    begun = (*journals.begin(), journals.succeed("one", at=2)[0])
    report = journals.tell_story(PLAN, begun)[1]

    told = write_workflow_state(report, report.tasks[0])

    assert f"`concertmaster resume {RUN}`" in told
    assert "- [x] Phase 0: prepare" in told
    assert "- **Status**: in_progress" in told

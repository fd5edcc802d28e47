"""Tests runs that a schedule starts, and the issue on a schedule that cannot start one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.errors import UsageError
from tests.action.test_plan import planned
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.state import Issue, Repository

SCHEDULED = "check: sh check.sh\nagent_command: sh agent.sh\nschedule: "


@pytest.fixture
def schedule(
    comment: Callable[..., Workflow], repository: Repository, double: Double
) -> Callable[[str], Workflow]:
    """A function that commits a schedule and returns the workflow that it starts."""
    numbers = iter(range(7001, 8000))

    def start(entries: str) -> Workflow:
        double.commit(repository, "main", {"concertmaster.yml": f"{SCHEDULED}{entries}\n"})
        workflow = comment("unrelated", number=next(numbers))
        workflow.event, workflow.payload = "schedule", {"schedule": "0 3 * * *"}
        return workflow

    return start


def scheduled_issues(repository: Repository) -> list[Issue]:
    return [one for one in repository.issues.values() if "kind=schedule" in (one.body or "")]


@pytest.mark.parametrize(
    ("entries", "wanted"),
    [
        ("[prompts/*.md]", {"apple", "pear", "plum"}),
        ("[prompts/p*.md, 'prompts/**/apple.md']", {"apple", "pear", "plum"}),
        ("['prompts/p?ar.md', prompts/pear.md]", {"pear"}),
        ("[prompts/apple.md, 'later/*.md']", {"apple"}),
        ("['prompts/[a-b]*']", {"apple"}),
    ],
)
def test_globs_of_a_schedule_stand_for_the_prompts_that_they_match(
    schedule: Callable[[str], Workflow], entries: str, wanted: set[str]
) -> None:
    workflow = schedule(entries)
    assert run_plan(workflow.job()) == 0
    assert {task["prompt"] for task in planned(workflow)["tasks"]} == {
        f"prompts/{name}.md" for name in wanted
    }
    notes = " ".join(planned(workflow)["notes"])
    assert ("matches no file" in notes) == ("later" in entries)
    assert scheduled_issues(workflow.repository) == []


def test_a_schedule_that_cannot_start_keeps_one_issue_until_it_can(
    schedule: Callable[[str], Workflow], repository: Repository
) -> None:
    for entries, word in [
        ("[prompts/gone.md]", "prompts/gone.md"),
        ("['later/*.md']", "matches no file"),
        ("[]", "names no prompt"),
        ("[prompts/apple.txt]", "prompts/apple.txt"),
    ]:
        workflow = schedule(entries)
        with pytest.raises(UsageError):
            run_plan(workflow.job())
        (issue,) = scheduled_issues(repository)
        assert word in (issue.body or "")
        assert f"/actions/runs/{workflow.number}" in (issue.body or "")
        assert issue.state == "open"
        assert workflow.outputs["count"] == "0"

    assert run_plan(schedule("[prompts/*.md]").job()) == 0
    assert [one.state for one in scheduled_issues(repository)] == ["closed"]

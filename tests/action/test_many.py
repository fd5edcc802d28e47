"""Tests plans and rounds of many prompts: few calls, inside the limits of GitHub."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from graphql import build_schema

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.github.errors import GivenUp
from concertmaster.model import TaskState
from concertmaster.text.markdown import BODY_LIMIT
from tests.action.rounds import SETTINGS as HOUSE_SETTINGS
from tests.action.rounds import House, Round
from tests.action.workflow import Workflow
from tests.github import tracker
from tests.github.calls import Call
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.people import User
from tests.github.query import execution
from tests.github.query.mutations import MUTATIONS
from tests.github.state import Issue, Repository

pytestmark = pytest.mark.matrix

Start = Callable[..., Workflow]
SCHEMA = (Path(execution.__file__).parent / "schema.graphql").read_text()
LIST = "- prompts/apple.md\n- prompts/pear.md\n- prompts/plum.md\n"
MINUTE = 60.0


def write_prompts(double: Double, repository: Repository, number: int, *, name: str = "p") -> str:
    """Commit prompts of which each needs the one before, and return their list."""
    files: dict[str, str | None] = {}
    for place in range(number):
        head = f"---\nneeds: [{name}{place - 1:03}.md]\n---\n" if place else ""
        files[f"prompts/{name}{place:03}.md"] = f"{head}# Write file {place:03}\n"
    double.commit(repository, "main", files)
    return "".join(f"- {path}\n" for path in files)


def api_calls(double: Double) -> list[Call]:
    return [call for call in double.log if ".git/" not in call.path]


def cost(calls: list[Call]) -> float:
    """Return what the calls cost: 1 for each call, and a fifth for each mutation."""
    return sum(1 + sum(field in MUTATIONS for field in call.fields) / 5 for call in calls)


def children(repository: Repository) -> list[Issue]:
    """Return the child issues in the order of their numbers."""
    return [issue for issue in repository.issues.values() if issue.title.startswith("Write ")]


def below(repository: Repository) -> list[Issue]:
    return [issue for issue in children(repository) if issue.parent]


def plan_comment(repository: Repository) -> str:
    (found,) = (one.body for one in repository.issues[1].comments if "kind=plan" in one.body)
    return found


def listed(text: str) -> list[int]:
    """Return the numbers of the issues in a task list."""
    return [int(number) for number in re.findall(r"^- \[ \] #(\d+)$", text, re.MULTILINE)]


def test_a_plan_of_50_prompts_costs_one_call_for_each(
    comment: Start, repository: Repository, double: Double
) -> None:
    workflow = comment("/orchestrate", issue_body=write_prompts(double, repository, 50))

    run_plan(workflow.job())

    assert len(below(repository)) == 50
    assert sum(len(issue.blocked_by) for issue in children(repository)) == 49
    assert cost(api_calls(double)) <= 50


def test_a_plan_of_256_prompts_meets_no_limit_and_tells_how_far_it_is(
    comment: Start, repository: Repository, double: Double
) -> None:
    workflow = comment("/orchestrate", issue_body=write_prompts(double, repository, 256))
    begin = double.clock.seconds()

    run_plan(workflow.job())

    assert len(children(repository)) == 256
    assert {call.status for call in api_calls(double)} == {200, 201}
    assert cost(api_calls(double)) <= 256
    assert double.clock.seconds() - begin < 15 * MINUTE
    said = workflow.said.getvalue()
    assert "creating child issues: 20 of 256" in said
    assert re.search(r"waiting \S+ to stay inside GitHub's limits", said)
    assert "links left out: GitHub's hour has no room for them" in said


def test_planning_256_prompts_again_in_the_same_hour_is_no_failure(
    comment: Start, repository: Repository, double: Double
) -> None:
    workflow = comment("/orchestrate", issue_body=write_prompts(double, repository, 256))
    run_plan(workflow.job())
    begin = double.clock.seconds()

    run_plan(workflow.job())

    assert len(children(repository)) == 256
    assert double.clock.seconds() - begin < 10 * MINUTE


def test_256_more_prompts_in_the_same_hour_are_planned_by_the_job_that_runs_again_after_it(
    comment: Start, repository: Repository, double: Double
) -> None:
    body = write_prompts(double, repository, 256)
    run_plan(comment("/orchestrate", issue_body=body).job())
    second = comment("/orchestrate", issue_body=body)

    with pytest.raises(GivenUp, match="in the time of this job"):
        run_plan(second.job())
    assert len(children(repository)) < 512
    double.clock.advance(60 * MINUTE)
    run_plan(second.job())

    assert len(children(repository)) == 512


def test_what_is_more_than_a_hundred_is_listed_in_the_plan(
    comment: Start, repository: Repository, double: Double
) -> None:
    workflow = comment("/orchestrate", issue_body=write_prompts(double, repository, 103))

    run_plan(workflow.job())

    beside = [issue for issue in children(repository) if not issue.parent]
    assert len(below(repository)) == 100
    assert listed(plan_comment(repository)) == [issue.number for issue in beside]


def test_planning_again_finds_those_that_are_no_sub_issues(
    comment: Start, repository: Repository, double: Double
) -> None:
    workflow = comment("/orchestrate", issue_body=write_prompts(double, repository, 103))
    run_plan(workflow.job())
    before = plan_comment(repository)

    run_plan(workflow.job())

    assert len(children(repository)) == 103
    assert plan_comment(repository) == before


def test_other_sub_issues_of_the_parent_take_their_room(
    comment: Start, repository: Repository, double: Double, eve: User
) -> None:
    workflow = comment("/orchestrate", issue_body=LIST)
    for number in range(98):
        other = double.open_issue(repository, user=eve, title=f"Other {number}")
        tracker.add_child(double.store, repository.issues[1], child=other)

    run_plan(workflow.job())

    assert len(below(repository)) == 2
    assert listed(plan_comment(repository)) == [children(repository)[2].number]


def test_a_parent_that_takes_less_than_it_should_stops_nothing(
    comment: Start, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "MOST_CHILDREN", 2)
    workflow = comment("/orchestrate", issue_body=LIST)

    run_plan(workflow.job())

    assert len(children(repository)) == 3
    assert len(below(repository)) == 2
    assert listed(plan_comment(repository)) == [children(repository)[2].number]


def without(*lines: str) -> object:
    """Return GitHub's schema without these lines, as an older server has it."""
    return build_schema("\n".join(one for one in SCHEMA.split("\n") if one.strip() not in lines))


def test_on_a_server_without_sub_issues_all_are_listed(
    comment: Start, repository: Repository, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution, "SCHEMA", without("parentIssueId: ID"))
    double.fail(Fault(effect=Effect.NOT_FOUND, path="*/sub_issues"))
    workflow = comment("/orchestrate", issue_body=LIST)

    run_plan(workflow.job())
    run_plan(workflow.job())

    assert [issue.parent for issue in children(repository)] == [None] * 3
    assert listed(plan_comment(repository)) == [issue.number for issue in children(repository)]
    assert {len(issue.labels) for issue in children(repository)} == {2}


def test_on_a_server_without_links_between_issues_there_are_none(
    comment: Start, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = next(one.strip() for one in SCHEMA.split("\n") if one.strip().startswith("blockedBy"))
    monkeypatch.setattr(execution, "SCHEMA", without(field))
    workflow = comment("/orchestrate", issue_body=LIST)

    assert run_plan(workflow.job()) == 0

    assert len(children(repository)) == 3
    assert "issues are not linked" in workflow.said.getvalue()


def test_a_link_that_github_does_not_take_is_told_and_stops_nothing(
    comment: Start, repository: Repository, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracker, "MOST_BLOCKERS", 1)
    double.commit(
        repository,
        "main",
        {"prompts/plum.md": "---\nneeds: [pear.md, apple.md]\n---\n# Write plum.txt\n"},
    )
    workflow = comment("/orchestrate", issue_body=LIST)

    assert run_plan(workflow.job()) == 0

    assert sum(len(issue.blocked_by) for issue in children(repository)) == 1
    said = workflow.said.getvalue()
    assert re.search(r"not linked as blocked: #4 by #\d .*more than 1 issues", said)


def test_of_a_plan_too_long_for_a_comment_the_whole_is_in_the_artifact(
    comment: Start, repository: Repository, double: Double
) -> None:
    name = "a-rather-long-name-for-a-prompt-that-tells-what-it-is-about-in-all-detail-"
    body = write_prompts(double, repository, 256, name=name)
    workflow = comment("/orchestrate", issue_body=body)
    job = workflow.job()

    run_plan(job)

    shown = plan_comment(repository)
    whole = (job.artifacts / "concertmaster-plan" / "texts" / "plan-comment.md").read_text()
    assert len(shown) <= BODY_LIMIT < len(whole)
    assert shown.endswith("The whole text is plan-comment.md in the artifact of the plan.")
    assert whole.startswith(shown[:1000])
    assert len(listed(shown)) == 156


def many(double: Double, folder: Path, number: int, *, landing: str) -> House:
    names = [f"p{place:03}" for place in range(number)]
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt x\n" for name in names}
    settings = f"{HOUSE_SETTINGS}parallel: 8\nlanding: {landing}\n"
    return House.build(double, folder, prompts, settings=settings)


def hold(house: House) -> tuple[Round, dict[str, list[Call]]]:
    """Hold a whole round of all prompts; return it with the calls of each job."""
    names = [issue.rpartition("/")[2].removesuffix(".md") for issue in prompts_of(house)]
    held = house.ask(house.open_issue(*names), max_parallel=1)
    spent: dict[str, list[Call]] = {}
    for name in ("plan", "work", "verify", "finalize"):
        house.double.log.clear()
        began = house.double.clock.seconds()
        getattr(held, name)()
        spent[name] = api_calls(house.double)
        seconds = house.double.clock.seconds() - began
        house.double.clock.advance(60)  # agents take longer, so no two jobs share a minute's limit
        print(
            f"{name}: {cost(spent[name]):.1f} calls, {creations(spent[name])} made, {seconds:.0f}s"
        )
    return held, spent


def prompts_of(house: House) -> list[str]:
    bare = house.double.git(house.repository)
    return bare.text("ls-tree", "--name-only", "main", "prompts/").split()


def creations(calls: list[Call]) -> int:
    """Return how many of the calls count among the 500 of an hour."""
    made = ("createIssue", "addComment", "addSubIssue", "addBlockedBy")
    fields = sum(field in made for call in calls for field in call.fields)
    paths = ("/issues", "/pulls", "/comments", "/reviews", "/sub_issues", "/blocked_by")
    posts = [call for call in calls if call.method == "POST" and call.path.endswith(paths)]
    return fields + len(posts)


def states(house: House, held: Round) -> Counter[TaskState]:
    return Counter(one.state for one in house.history(held.outputs["run"]).tasks.values())


WHOLE = [
    (19, "merge", TaskState.LANDED, 19),
    (50, "pull-requests", TaskState.AWAITING_MERGE, 51),
    (256, "merge", TaskState.LANDED, 1),
]


@pytest.mark.parametrize("case", WHOLE, ids=lambda case: f"{case[0]} by {case[1]}")
def test_a_whole_round_stays_inside_every_limit(
    double: Double, tmp_path: Path, case: tuple[int, str, TaskState, int]
) -> None:
    number, landing, state, pulls = case
    house = many(double, tmp_path, number, landing=landing)

    held, spent = hold(house)

    calls = [call for job in spent.values() for call in job]
    print(f"{number} prompts, {landing}: {cost(calls) / number:.2f} calls each")
    assert states(house, held) == {state: number}
    assert len(house.repository.pulls()) == pulls
    assert {call.status for call in calls} <= {200, 201}
    assert not spent["work"]
    assert not spent["verify"]
    assert cost(calls) <= 6 * number
    assert creations(calls) <= 500

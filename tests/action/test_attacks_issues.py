"""Tests that nothing makes the issues of a run twice, by the number of the case."""

from __future__ import annotations

import io
import threading
from dataclasses import replace

import pytest

from concertmaster.action.job import Job
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.action.plan.publish import NOTHING
from concertmaster.errors import EnvironmentFault
from concertmaster.rounds.documents import read_history_file
from concertmaster.text.markdown import BODY_LIMIT
from concertmaster.text.marks import read_marks
from tests.action.attacks import gets_nothing, is_whole, plan
from tests.action.repository import LIST, Scene
from tests.github.faults import Effect, Fault
from tests.github.state import Pull

pytestmark = pytest.mark.matrix


# --- faults and limits of GitHub ---------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault(effect=Effect.BAD_GATEWAY_AFTER, path="/graphql", nth=2),
        Fault(effect=Effect.BAD_GATEWAY_AFTER, mutation="createIssue", nth=2),
        Fault(effect=Effect.FIELD_ERROR, mutation="createIssue", nth=2),
        Fault(effect=Effect.BAD_GATEWAY_AFTER, method="POST", path="*/comments"),
        Fault(effect=Effect.SECONDARY_LIMIT, method="POST", path="*/comments", nth=1),
    ],
    ids=lambda fault: f"{fault.effect} {fault.mutation or fault.path}",
)
def test_case_25_a_lost_or_partial_answer_makes_nothing_twice(scene: Scene, fault: Fault) -> None:
    workflow = scene.ask()
    scene.double.fail(replace(fault, nth=fault.nth or 1))

    plan(workflow)

    assert is_whole(scene)


def test_case_25_lists_that_lag_make_nothing_twice(scene: Scene) -> None:
    workflow = scene.ask()
    scene.double.clock.advance(60)
    scene.double.lag(8)
    scene.double.fail(Fault(effect=Effect.BAD_GATEWAY_AFTER, mutation="createIssue", nth=2))

    plan(workflow)

    assert is_whole(scene)


def test_case_25_where_issues_are_disabled_the_job_says_so(scene: Scene) -> None:
    workflow = scene.ask()
    scene.repository.has_issues = False

    with pytest.raises(EnvironmentFault) as refused:
        run_plan(workflow.job())

    assert "issues" in refused.value.next_step
    assert scene.children == []


def test_case_25_a_title_is_cut_to_what_github_takes(scene: Scene) -> None:
    wide = "`#1 @ada` <b>\u00e4\U0001f600 " * 40
    plan(scene.ask(listed=scene.write_prompts([f"# {wide}\n", f"---\ntitle: {'y' * 300}\n---\nx"])))

    assert all(0 < len(child.title) <= 256 for child in scene.children)
    assert is_whole(scene)


def test_case_25_a_body_is_cut_to_what_github_takes_and_the_whole_is_kept(scene: Scene) -> None:
    names = [f"{'long-name-' * 30}{n:03}.md" for n in range(240)]
    files: dict[str, str | None] = {f"prompts/{name}": "# Write it\n" for name in names}
    scene.double.commit(scene.repository, "main", files)
    issue = scene.open_issue("".join(f"- prompts/{name}\n" for name in names))
    workflow = scene.ask(issue=issue)

    plan(workflow)

    assert len(scene.children) == 240
    shown = issue.comments[-1].body
    assert BODY_LIMIT - 1000 < len(shown) <= BODY_LIMIT
    whole = (
        workflow.job().artifacts / "concertmaster-plan" / "texts" / "plan-comment.md"
    ).read_text()
    assert all(read_marks(child.body or "")[0].task in whole for child in scene.children)


def test_case_25_ours_is_found_behind_a_hundred_comments_of_others(scene: Scene) -> None:
    issue = scene.open_issue()
    for number in range(130):
        scene.double.comment(scene.repository, issue, user=scene.eve, body=f"Word {number}")
    workflow = scene.ask(issue=issue)

    plan(workflow)
    plan(workflow)

    assert is_whole(scene)


# --- repeated, parallel and cancelled jobs -----------------------------------------------------


def test_case_26_the_same_job_again_makes_nothing_twice(scene: Scene) -> None:
    workflow = scene.ask()
    first = plan(workflow)
    before = scene.everything()
    scene.double.clock.advance(8 * 3600)

    again = plan(workflow)

    assert scene.everything() == before
    assert (again["shares"], again["run"]) == (first["shares"], first["run"])


def test_case_26_two_at_once_leave_one_set(scene: Scene) -> None:
    one = scene.ask()
    other = replace(one, folder=one.folder.with_name("beside"), said=io.StringIO())
    jobs = [run.job() for run in (one, other)]
    start = threading.Barrier(len(jobs))

    def run_beside(job: Job) -> None:
        start.wait()
        run_plan(job)

    threads = [threading.Thread(target=run_beside, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert all(run.outputs["count"] != "0" for run in (one, other))
    assert is_whole(scene)


class Cancelled(BaseException):
    """The end of a job that the runner cancels."""


class Cut(io.StringIO):
    """A log that ends the job when a word is written to it."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self.word = word

    def write(self, text: str) -> int:
        if self.word in text:
            raise Cancelled
        return super().write(text)


@pytest.mark.parametrize("word", ["creating child issues", "linking child issues", "output run"])
def test_case_26_a_job_that_was_cancelled_half_way_is_completed_by_the_next(
    scene: Scene, word: str
) -> None:
    workflow = scene.ask(listed=LIST + "- prompts/plum.md\n")
    cut = replace(workflow, said=Cut(word))
    with pytest.raises(Cancelled):
        run_plan(cut.job())

    plan(workflow)

    assert is_whole(scene, tasks=3)


def test_case_27_no_event_of_ours_asks_github_for_anything(scene: Scene) -> None:
    issue = scene.open_issue()
    plan(scene.ask(issue=issue))
    (ours,) = [one for one in issue.comments if one.user.login == "github-actions[bot]"]
    events = [
        scene.start("issue_comment", scene.double.comment_event(scene.repository, issue, ours))
    ]
    bot = scene.double.store.actions_app.bot
    events += [scene.label(child, by=bot) for child in scene.children]
    events += [scene.label(issue, by=bot, name="concertmaster:queued")]
    scene.double.log.clear()

    for event in events:
        gets_nothing(scene, event)

    assert len(scene.double.log) == 0


# --- unusual parent issues ---------------------------------------------------------------------


def test_case_28_a_parent_that_was_closed_is_planned_as_asked_and_stays_closed(
    scene: Scene,
) -> None:
    issue = scene.open_issue()
    scene.double.close(issue, user=scene.eve)

    plan(scene.ask(issue=issue))

    assert issue.state == "closed"
    assert is_whole(scene)


def test_case_28_a_locked_parent_stops_the_job_and_unlocked_it_is_completed(scene: Scene) -> None:
    issue = scene.open_issue()
    workflow = scene.ask(issue=issue)
    issue.locked = True
    with pytest.raises(EnvironmentFault, match="it is locked") as refused:
        run_plan(workflow.job())
    assert "unlock" in refused.value.next_step
    assert not (workflow.folder / "output").exists() or workflow.outputs == NOTHING

    issue.locked = False
    plan(workflow)

    assert is_whole(scene)


def test_case_28_a_parent_that_is_gone_stops_the_job_before_it_makes_anything(
    scene: Scene,
) -> None:
    workflow = scene.ask()
    del scene.repository.issues[1]

    with pytest.raises(EnvironmentFault):
        run_plan(workflow.job())

    assert scene.repository.issues == {}


def test_case_28_a_pull_request_is_no_parent(scene: Scene) -> None:
    issue = scene.open_issue()
    comment, label = scene.ask(issue=issue), scene.label(issue, by=scene.eve)
    for workflow in (comment, label):
        workflow.payload["issue"]["pull_request"] = {"url": "https://example.org"}
        gets_nothing(scene, workflow)


def test_case_28_a_dispatch_that_names_a_pull_request_makes_nothing(scene: Scene) -> None:
    issue = scene.open_issue()
    tip = scene.double.git(scene.repository).branch("main") or ""
    issue.pull = Pull(id=1, head="x", base="main", head_commit=tip, base_commit=tip)
    workflow = scene.dispatch(by=scene.eve)

    with pytest.raises(EnvironmentFault):
        run_plan(workflow.job(issue=issue.number, prompts="prompts/apple.md"))

    assert [*scene.repository.issues.values()] == [issue]


def test_case_28_a_child_that_was_closed_or_moved_by_hand_is_still_the_only_one(
    scene: Scene,
) -> None:
    issue = scene.open_issue()
    workflow = scene.ask(issue=issue)
    plan(workflow)
    closed, moved = scene.children
    scene.double.close(closed, user=scene.eve)
    other = scene.open_issue("", title="Other")
    issue.children.remove(moved.id)
    other.children.append(moved.id)
    moved.parent = other.id

    plan(workflow)
    plan(scene.ask(issue=issue))

    assert len(scene.children) == 2
    assert moved.parent == other.id


def test_case_28_an_issue_that_somebody_else_marked_as_ours_is_not_taken(scene: Scene) -> None:
    issue = scene.open_issue()
    workflow = scene.ask(issue=issue)
    mallory = scene.double.add_user("mallory")
    run = f"i{issue.number}-c{issue.comments[0].id}"
    plan(workflow)
    ours = next(child for child in scene.children if child.title == "Write apple.txt")
    task = read_marks(ours.body or "")[0].task
    forged = scene.double.open_issue(scene.repository, user=mallory, title="Forged", body=ours.body)
    forged.labels, forged.parent = [*ours.labels], issue.id
    issue.children.insert(0, forged.id)
    scene.double.comment(
        scene.repository,
        issue,
        user=mallory,
        body=f"<!-- concertmaster run={run} kind=plan -->\n[Workflow run](x/actions/runs/666)",
    )

    plan(workflow)

    history = read_history_file(workflow.job().artifacts / "concertmaster-plan")
    assert history.task(task).issue == ours.number
    assert forged.title == "Forged"

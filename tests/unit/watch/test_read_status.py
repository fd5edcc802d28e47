from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from concertmaster.comments import plan_comment
from concertmaster.github import labels
from concertmaster.github.labels import LABEL
from concertmaster.github.models import Comment, Issue, WorkflowJob
from concertmaster.model import Plan
from concertmaster.report.github_run import (
    GitHubState,
    RunView,
    TaskView,
    tell_changes,
    view_headline,
    view_row,
)
from concertmaster.text.marks import mark
from concertmaster.watch.read_status import find_watched_run, view_run
from tests.journals import HOSTILE, RUN, make_plan

US = "us[bot]"
PARENT = Issue(
    number=5,
    id=5000,
    node_id="I_5",
    title="Fruit",
    body="- prompts/one.md\n",
    author="eve",
    is_open=True,
    labels=frozenset(),
    created_at="1970-01-01T00:16:40Z",
)
PLAN = replace(make_plan(), shares=(("one", "two"), ("three",)))
NUMBERS = {"one": 11, "two": 12, "three": 13}
WORKFLOW = "https://github.com/ada/opera/actions/runs/77"


def at(seconds: int) -> str:
    """The time in GitHub's form."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def job(name: str, status: str, conclusion: str = "") -> WorkflowJob:
    return WorkflowJob(name=name, status=status, conclusion=conclusion, started_at="")


def child(task: str, *labels: str, number: int = 0, parent: int = 5, is_open: bool = True) -> Issue:
    found = next(one for one in PLAN.tasks if one.id == task)
    return replace(
        PARENT,
        number=number or NUMBERS[task],
        title=plan_comment.child_title(found),
        body=plan_comment.child_body(found, PLAN, parent=parent),
        author=US,
        is_open=is_open,
        labels=frozenset({LABEL, *(f"{LABEL}:{label}" for label in labels)}),
        created_at=at(2000),
        closed_at="" if is_open else at(2600),
    )


def planned(plan: Plan = PLAN, *, numbers: dict[str, int] = NUMBERS, author: str = US) -> Comment:
    notes = (plan_comment.workflow_note(WORKFLOW),)
    body = plan_comment.plan_comment(plan, children=numbers, notes=notes, workflows=(77,))
    return Comment(id=1, body=body, author=author, created_at=at(2100), url="https://x/plan")


def reported(run: str = RUN, author: str = US) -> Comment:
    body = f"{mark(run=run, kind=plan_comment.REPORT_KIND)}\nDone."
    return Comment(id=1, body=body, author=author, created_at=at(2500), url="https://x/report")


ALL = [child("one"), child("two"), child("three")]


def look(
    *issues: Issue,
    comments: tuple[Comment, ...] = (planned(),),
    jobs: tuple[WorkflowJob, ...] = (),
    parent: Issue = PARENT,
) -> RunView:
    return view_run(find_watched_run(parent, issues=issues, comments=comments), jobs)


def standings(view: RunView) -> list[str]:
    return [task.standing.value for task in view.tasks]


def test_what_the_plan_job_writes_is_read_back() -> None:
    run = find_watched_run(PARENT, issues=ALL, comments=[planned()])

    assert (run.id, run.workflows, run.began_at) == (RUN, (77,), 2100.0)
    assert [(row.task, row.number, row.share) for row in run.rows] == [
        ("one", 11, 0),
        ("two", 12, 0),
        ("three", 13, 1),
    ]
    assert run.is_complete


def test_the_labels_are_those_that_the_jobs_set() -> None:
    assert {LABEL, *(f"{LABEL}:{one}" for one in list(GitHubState)[:4])} == labels.LABELS.keys()


@pytest.mark.parametrize(
    ("labels", "is_open", "standing"),
    [
        (["queued"], True, GitHubState.QUEUED),
        (["running"], True, GitHubState.RUNNING),
        (["landed"], False, GitHubState.LANDED),
        (["failed"], True, GitHubState.FAILED),
        (["failed", "landed"], False, GitHubState.LANDED),
        (["queued", "running"], True, GitHubState.RUNNING),
        (["something"], True, GitHubState.OPEN),
        ([], True, GitHubState.OPEN),
        ([], False, GitHubState.CLOSED),
    ],
)
def test_a_task_stands_as_its_label_says(
    labels: list[str], is_open: bool, standing: GitHubState
) -> None:
    assert look(child("one", *labels, is_open=is_open)).tasks[0].standing is standing


@pytest.mark.parametrize(
    ("job", "told"),
    [
        (job("work (0)", status="queued"), ["queued", "queued", ""]),
        (job("work (1)", status="in_progress"), ["", "", "in progress"]),
        (
            job("orchestrate / work (1)", status="completed", conclusion="timed_out"),
            ["", "", "timed out"],
        ),
        (job("work (2)", status="queued"), ["", "", ""]),
        (job("homework (0)", status="queued"), ["", "", ""]),
        (job("work", status="queued"), ["", "", ""]),
    ],
)
def test_a_task_shows_the_job_of_its_share(job: WorkflowJob, told: list[str]) -> None:
    assert [task.job for task in look(*ALL, jobs=(job,)).tasks] == told


def test_jobs_beside_the_shares_are_named_but_those_that_were_skipped() -> None:
    jobs = (
        job("plan", status="completed", conclusion="success"),
        job("work (0)", status="in_progress"),
        job("verify", status="completed", conclusion="skipped"),
        job("finalize", status="queued"),
    )
    assert look(*ALL, jobs=jobs).jobs == (("plan", "success"), ("finalize", "queued"))


def test_a_deleted_issue_is_missing() -> None:
    run = find_watched_run(PARENT, issues=ALL[:2], comments=[planned()])
    (*_, last) = view_run(run, ()).tasks

    assert not run.is_complete
    assert (last.task, last.number, last.standing) == ("three", 13, GitHubState.MISSING)


@pytest.mark.parametrize(
    ("is_open", "closed", "is_over", "ended_at"),
    [
        (True, [], False, None),
        (True, ["one", "two"], False, None),
        (True, ["one", "two", "three"], True, 2600.0),
        (False, [], True, 3000.0),
    ],
)
def test_a_run_is_over_when_the_parent_or_all_children_are_closed(
    is_open: bool, closed: list[str], is_over: bool, ended_at: float | None
) -> None:
    parent = replace(PARENT, is_open=is_open, closed_at="" if is_open else at(3000))
    issues = [child(task, is_open=task not in closed) for task in NUMBERS]
    view = look(*issues, parent=parent)

    assert (view.is_over, view.ended_at) == (is_over, ended_at)
    assert view.elapsed_seconds(9999.0) == (ended_at or 9999.0) - 2100.0


@pytest.mark.parametrize(
    ("labels", "has_landed"),
    [
        (("landed", "landed", "landed"), True),
        (("landed", "failed", "landed"), False),
        (("landed", "running", "landed"), False),
    ],
)
def test_a_run_has_landed_when_every_task_has(labels: tuple[str, ...], has_landed: bool) -> None:
    issues = [child(task, label) for task, label in zip(NUMBERS, labels, strict=True)]
    assert look(*issues).has_landed is has_landed


def test_an_issue_without_tasks_has_landed_nothing() -> None:
    view = look(parent=replace(PARENT, is_open=False, closed_at=at(3000)), comments=())
    assert view.is_over
    assert not view.has_landed
    assert [*view_headline(view, 0.0)] == ["no run of #5 Fruit is to be seen"]


def test_children_are_shown_before_there_is_a_plan() -> None:
    view = look(*ALL, comments=())
    assert (view.run, view.began_at) == (RUN, 2000.0)
    assert [task.number for task in view.tasks] == [11, 12, 13]


def test_the_newest_plan_counts_but_no_dry_run() -> None:
    newer = replace(PLAN, run="i5-w99", tasks=PLAN.tasks[:1], needs=(), exclusions=())
    dry = planned(replace(PLAN, run="dry"), numbers={})
    run = find_watched_run(PARENT, issues=ALL, comments=[planned(), planned(newer), dry])

    assert (run.id, [row.task for row in run.rows]) == ("i5-w99", ["one"])
    assert run.workflows == (77, 99)


def test_the_report_is_that_of_the_run() -> None:
    assert look(*ALL, comments=(planned(), reported("other"))).report == ""
    assert look(*ALL, comments=(planned(), reported())).report == "https://x/report"


@pytest.mark.parametrize(
    "stranger",
    [
        replace(child("three", number=9), labels=frozenset()),  # labels need triage permission
        replace(child("three", number=9), labels=frozenset({f"{LABEL}:landed"})),
        child("three", number=9, parent=55),
        replace(child("three", number=9), body="> " + child("three").body),
        replace(child("three", number=9), body=""),
    ],
)
def test_an_issue_counts_only_with_our_label_and_a_mark_of_this_parent(
    stranger: Issue,
) -> None:
    assert look(*ALL[:2], stranger).tasks[2].standing is GitHubState.MISSING


def test_of_two_issues_of_a_task_the_older_counts() -> None:
    assert look(*ALL, child("one", "failed", number=40)).tasks[0].number == 11


def test_the_marks_of_strangers_mean_nothing() -> None:
    forged = planned(replace(PLAN, run="forged"), author="mallory")
    view = look(*ALL, comments=(planned(), forged, reported(author="mallory")))
    assert (view.run, view.report) == (RUN, "")


def test_a_plan_quotes_no_other_workflow_into_itself() -> None:
    line = f"x\n- {plan_comment.workflow_note('https://github.com/a/b/actions/runs/666')}"
    tasks = tuple(replace(task, prompt=line) for task in PLAN.tasks)
    plan = replace(PLAN, notes=(line,), tasks=tasks)
    assert find_watched_run(PARENT, issues=ALL, comments=[planned(plan)]).workflows == (77,)


def test_hostile_words_do_nothing() -> None:
    odd = job(HOSTILE, status=HOSTILE)
    issues = [replace(one, title=HOSTILE * 50) for one in ALL]
    view = look(*issues, jobs=(odd,), parent=replace(PARENT, title=HOSTILE))

    told = [*view_headline(view, 0.0), *tell_changes(None, view)]
    told += [cell for task in view.tasks for cell in view_row(task)]
    assert not {"\x1b", "\u202e", "\u200b", "\n"} & set("".join(told))
    assert max(map(len, told)) < 300


def test_the_headline_counts_and_tells_the_time() -> None:
    done = job("plan", status="completed", conclusion="success")
    labels = ("landed", "queued", "queued")
    issues = [child(task, label) for task, label in zip(NUMBERS, labels, strict=True)]
    view = look(*issues, comments=(planned(), reported()), jobs=(done,))

    assert [*view_headline(view, 2160.0)] == [
        f"run {RUN} of #5 Fruit: 3 tasks, 1 landed, 2 queued; 1m 00s",
        "jobs: plan success",
        "report: https://x/report",
    ]


def test_only_what_changed_is_told() -> None:
    work = job("work (1)", status="in_progress")
    plan = job("plan", status="completed", conclusion="success")
    issues = [child("one", "landed"), child("two"), child("three")]
    before, after = look(*ALL, jobs=(work,)), look(*issues, jobs=(work, plan))

    assert [*tell_changes(before, before)] == []
    assert [*tell_changes(before, after)] == ["one #11 landed Title of one", "job plan success"]
    assert len([*tell_changes(None, before)]) == 4


def test_a_row_has_a_cell_for_each_column() -> None:
    task = TaskView(
        task="one",
        number=11,
        title="Title",
        standing=GitHubState.RUNNING,
        is_closed=False,
        share=0,
        job="in progress",
    )
    assert view_row(task) == ("one", "#11", "running", "work (0) in progress", "Title")

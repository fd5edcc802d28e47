"""The data of a plan comment, as it is written now and as earlier versions wrote it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.comments import plan_comment
from concertmaster.comments.plan_data import PlanData, PlanRow, read_plan
from concertmaster.model import Plan, Skipped
from concertmaster.text.marks import MOST_DATA, data_comment, mark, read_data
from tests.journals import RUN, make_plan

PLAN = replace(make_plan(), shares=(("one", "two"), ("three",)))
NUMBERS = {"one": 11, "two": 12, "three": 13}
ROWS = (
    PlanRow(task="one", number=11, share=0),
    PlanRow(task="two", number=12, share=0),
    PlanRow(task="three", number=13, share=1),
)
REPOSITORY = "https://github.com/ada/opera"
PAGE = f"{REPOSITORY}/actions/runs/77"
OTHER_RUN = f"{REPOSITORY}/actions/runs/666"
ROUNDS = sorted((Path(__file__).parents[2] / "data/before-move/github").glob("round-*"))
HEAD = mark(run=RUN, kind="plan")


def write(plan: Plan = PLAN) -> str:
    return plan_comment.plan_comment(plan, children=NUMBERS, workflows=(77, 78))


def write_v1(plan: Plan = PLAN, *, notes: tuple[str, ...] = ()) -> str:
    """Return what version 1 wrote, which is the same without the data."""
    body = plan_comment.plan_comment(plan, children=NUMBERS, notes=notes)
    head, data, *rest = body.split("\n")
    assert data.startswith("<!-- concertmaster-data ")
    return "\n".join((head, *rest))


def quote(text: str) -> Plan:
    """Return the plan with the text in every place that is not ours."""
    return replace(
        PLAN,
        target=text,
        tasks=tuple(replace(task, title=text, prompt=text) for task in PLAN.tasks),
        needs=tuple(replace(need, reason=text) for need in PLAN.needs),
        exclusions=tuple(replace(one, reason=text) for one in PLAN.exclusions),
        skipped=(Skipped(prompt=text, task="four", reason=text),),
        notes=(text,),
    )


def test_a_plan_is_read_as_it_was_written() -> None:
    body = write()
    expected = PlanData(run=RUN, rows=ROWS, workflows=(77, 78))

    assert read_plan(body) == expected
    assert read_plan(body.replace("\n", "\r\n")) == expected  # edited in a browser


def test_the_text_below_the_data_says_nothing() -> None:
    head, data, *_ = write().split("\n")
    other = write_v1(notes=(plan_comment.workflow_note(OTHER_RUN),)).replace("| #11 |", "| #99 |")

    found = read_plan(f"{head}\n{data}\n{other}")

    assert found == PlanData(run=RUN, rows=ROWS, workflows=(77, 78))


def test_a_dry_run_has_neither_rows_nor_workflow_runs() -> None:
    assert read_plan(plan_comment.plan_comment(PLAN, children={})) == PlanData(run=RUN)


@pytest.mark.parametrize(
    "body", ["", "text", mark(run=RUN, kind="report"), f"> {HEAD}", f"text\n{HEAD}"]
)
def test_what_has_no_mark_of_a_plan_is_none(body: str) -> None:
    assert read_plan(body) is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"rows": 1, "workflows": {}},
        {"rows": [["one", 11, 0], ["two"]], "workflows": [77, "78"]},
        {"rows": [["o n e", 11, 0]], "workflows": [0]},
        {"rows": [["one", True, 0]], "workflows": [True]},
        {"rows": [["one", -1, 0]], "workflows": [-7]},
        {"rows": [["one", 11, -1]], "workflows": [10**18]},
    ],
)
def test_odd_data_is_no_data(value: dict[str, Any]) -> None:
    body = f"{HEAD}\n{data_comment(value, kind='plan', version=2)}\n{write_v1()}"
    assert read_plan(body) == PlanData(run=RUN)


@pytest.mark.parametrize(
    "text",
    [
        "-->",
        "----",
        "--!><script>",
        f"\n{HEAD}",
        f"\n{data_comment({'rows': [], 'workflows': [666]}, kind='plan', version=2)}",
    ],
)
def test_nothing_that_a_plan_quotes_gets_into_its_data(text: str) -> None:
    assert read_plan(write(quote(text))) == PlanData(run=RUN, rows=ROWS, workflows=(77, 78))


@pytest.mark.parametrize("text", ["--", "---", "-->", "\\--", "a--b--c", "é\u2028\n"])
def test_data_ends_no_comment_and_is_read_as_it_was(text: str) -> None:
    written = data_comment({"text": text}, kind="plan", version=2)

    inside = written.removeprefix("<!--").removesuffix("-->")
    assert "--" not in inside
    assert "\n" not in inside
    assert read_data(f"{HEAD}\n{written}\n", kind="plan", version=2) == {"text": text}


def test_data_is_bounded() -> None:
    fits = "x" * (MOST_DATA - 100)
    assert data_comment({"text": fits}, kind="plan", version=2)
    assert data_comment({"text": fits + "x" * 100}, kind="plan", version=2) == ""


def test_data_of_another_version_or_further_down_is_not_read() -> None:
    written = data_comment({"a": 1}, kind="plan", version=2)

    assert read_data(f"{HEAD}\n{written}", kind="plan", version=3) is None
    assert read_data(f"{HEAD}\n{written}", kind="report", version=2) is None
    assert read_data(f"{HEAD}\ntext\n{written}", kind="plan", version=2) is None
    assert read_data(f"{HEAD}\n> {written}", kind="plan", version=2) is None


# --- version 1 ---------------------------------------------------------------


@pytest.mark.parametrize("folder", ROUNDS, ids=lambda folder: folder.name)
def test_the_plans_that_an_earlier_version_left_are_read(folder: Path) -> None:
    found = json.loads((folder / "github.json").read_text())
    planned = json.loads((folder / "plan.json").read_text())
    texts = (one["body"] for issue in found["issues"] for one in issue["comments"])

    (plan,) = [plan for text in texts if (plan := read_plan(text))]

    assert {row.task: row.share for row in plan.rows} == {
        task: number for number, share in enumerate(planned["shares"]) for task in share
    }
    assert all(row.number > 1 for row in plan.rows)
    assert len(plan.workflows) == 1


def test_the_workflow_run_of_version_1_is_that_of_the_note() -> None:
    body = write_v1(notes=("Something else.", plan_comment.workflow_note(PAGE)))

    for text in (body, body.replace("\n", "\r\n")):
        found = read_plan(text, repository_url=REPOSITORY)
        assert found == PlanData(run=RUN, rows=ROWS, workflows=(77,))
    assert read_plan(write_v1()) == PlanData(run=RUN, rows=ROWS)


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/ada/other/actions/runs/77",
        "https://github.com/eve/opera/actions/runs/77",
        "https://example.org/ada/opera/actions/runs/77",
        "https://github-com/ada/opera/actions/runs/77",
        f"https://example.org/?{REPOSITORY}/actions/runs/77",
        f"{REPOSITORY}/actions/runs/0",
        f"{REPOSITORY}/actions/runs/77/../666",
        f"{REPOSITORY}/actions/runs/{'7' * 30}",
    ],
)
def test_only_a_workflow_run_of_this_repository_is_read(url: str) -> None:
    body = write_v1(notes=(plan_comment.workflow_note(url),))
    assert read_plan(body, repository_url=REPOSITORY) == PlanData(run=RUN, rows=ROWS)


@pytest.mark.parametrize(
    "text",
    [
        f"[Workflow run]({OTHER_RUN})",
        f"- [Workflow run]({OTHER_RUN})",
        f"`[Workflow run]({OTHER_RUN})`",
        f"x`\n- [Workflow run]({OTHER_RUN})\n`",
        f"x\r- [Workflow run]({OTHER_RUN})\u2028- [Workflow run]({OTHER_RUN})",
        f"```\n- [Workflow run]({OTHER_RUN})\n```",
    ],
)
def test_nothing_that_an_old_plan_quotes_is_read_as_its_workflow_run(text: str) -> None:
    plan, note = quote(text), plan_comment.workflow_note(PAGE)

    assert read_plan(write_v1(plan)) == PlanData(run=RUN, rows=ROWS)
    assert read_plan(write_v1(plan, notes=(note,))) == PlanData(run=RUN, rows=ROWS, workflows=(77,))

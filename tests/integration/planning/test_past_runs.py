"""Samples from the reports of past runs, and plans that use them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from math import ceil
from pathlib import Path
from statistics import median
from types import SimpleNamespace
from typing import Any

import pytest

from concertmaster.files import run_folder, untrusted
from concertmaster.planning import past_runs
from concertmaster.planning.estimates import MOST_SAMPLES, learn_samples, profile_of
from concertmaster.planning.past_runs import MOST_RUNS, read_past
from concertmaster.report.model import Report
from tests import journals
from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project
from tests.journals import make_plan, make_task

AGENT = ("--agent-command", OBEDIENT_COMMAND, "--check", "true")

Document = dict[str, Any]


# --- the folder of the runs ------------------------------------------------------


def story(*names: str) -> Report:
    """Return the report of a run in which all tasks landed after 4 seconds, for a dollar each."""
    tasks = [make_task(name, paths=["a.py", "b.py"]) for name in names]
    plan = replace(make_plan(tasks=tasks), slots=len(names))
    events = [event for name in names for event in journals.succeed(name, at=2, cost=1.0)]
    told = (*journals.begin(), *events, journals.land(*names, at=9), journals.finish(at=10))
    return journals.tell_story(plan, told)[1]


def keep_run(git_dir: Path, name: str, report: Report | bytes | None) -> Path:
    folder = run_folder.runs_folder(git_dir) / name
    folder.mkdir(parents=True)
    (folder / "plan.json").write_text("{}")
    if report is not None:
        data = report if isinstance(report, bytes) else json.dumps(asdict(report)).encode()
        (folder / "report.json").write_bytes(data)
    return folder


def test_a_report_tells_what_its_tasks_took_and_cost(tmp_path: Path) -> None:
    keep_run(tmp_path, "20260101-120000-ab12", story("one", "two"))

    one, two = read_past(tmp_path)

    assert (one.seconds, one.cost_usd, one.at) == (4.0, 1.0, journals.START + 10)
    assert (one.slots, two.slots) == (2, 2)
    plan = make_plan(tasks=[make_task("two", paths=["a.py", "b.py"])])
    assert two.profile == profile_of(plan.tasks[0], plan.settings)


def test_what_failed_or_changed_nothing_teaches_nothing(tmp_path: Path) -> None:
    _, report = journals.tell_story(make_plan(), journals.one_lands_two_breaks_the_check())
    keep_run(tmp_path, "20260101-120000-ab12", report)

    (found,) = read_past(tmp_path)

    assert found.profile.prompt == "prompts/one.md"


def edited(change: Callable[[Document], Any]) -> bytes:
    document = asdict(story("bad"))
    change(document)
    return json.dumps(document).encode()


BROKEN: dict[str, bytes | None] = {
    "never written": None,
    "empty": b"",
    "torn": json.dumps(asdict(story("bad"))).encode()[:-40],
    "no UTF-8": b'{"version": 1, "run": "\xff"}',
    "a list": b"[]",
    "nested": b"[" * 100_000,
    "of another version": edited(lambda report: report.update(version=2)),
    "without profiles": edited(lambda report: report["tasks"][0].pop("profile")),
    "without a number": edited(lambda report: report["tasks"][0].update(seconds=float("nan"))),
    "with words for numbers": edited(lambda report: report["tasks"][0].update(seconds="60")),
    "below zero": edited(lambda report: report["tasks"][0].update(seconds=-60)),
    "beyond all measure": edited(lambda report: report["tasks"][0].update(seconds=10**400)),
    "of an unknown phase": edited(
        lambda report: report["tasks"][0]["profile"].update(phases=["sing"])
    ),
    "huge": b" " * (9 << 20),
}


@pytest.mark.parametrize("data", BROKEN.values(), ids=BROKEN)
def test_a_run_that_cannot_be_understood_is_passed_over(data: bytes | None, tmp_path: Path) -> None:
    keep_run(tmp_path, "20260101-120000-ab12", story("good"))
    keep_run(tmp_path, "20260102-120000-ab12", data)

    (found,) = read_past(tmp_path)

    assert found.profile.prompt == "prompts/good.md"


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir, lambda path: path.symlink_to("/dev/zero")])
def test_a_report_that_is_no_plain_file_is_passed_over(
    make: Callable[[Path], None], tmp_path: Path
) -> None:
    make(keep_run(tmp_path, "20260101-120000-ab12", None) / "report.json")

    assert read_past(tmp_path) == ()


def test_without_any_run_there_is_nothing_to_learn(tmp_path: Path) -> None:
    assert read_past(tmp_path) == ()


def test_no_more_runs_are_read_than_can_teach(tmp_path: Path) -> None:
    names = [f"task{number:02}" for number in range(10)]
    runs = [f"20260101-{number:06}-ab12" for number in range(20)]
    for run in runs:
        keep_run(tmp_path, run, replace(story(*names), run=run))

    found = read_past(tmp_path)

    assert len(found) == MOST_SAMPLES
    assert {one.run for one in found} == {*runs[-6:]}


@pytest.mark.parametrize(
    ("tasks", "opened"),
    [
        pytest.param(0, MOST_RUNS, marks=pytest.mark.matrix),
        (1, MOST_RUNS),
        (8, ceil(MOST_SAMPLES / 8)),
    ],
)
def test_of_two_hundred_old_runs_only_the_newest_are_opened(
    tasks: int, opened: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = story(*(f"task{number}" for number in range(tasks or 20)))
    if not tasks:  # failed tasks, which are read but give no samples
        report = replace(report, tasks=tuple(replace(one, head="") for one in report.tasks))
    for number in range(200):
        keep_run(tmp_path, f"20260101-{number:06}-ab12", report)
    read: list[Path] = []

    def read_file(path: Path, *given: Any, **more: Any) -> Any:
        read.append(path)
        return untrusted.read_file(path, *given, **more)

    monkeypatch.setattr(past_runs, "untrusted", SimpleNamespace(read_file=read_file))
    found = learn_samples(read_past(tmp_path))

    assert len(found) == (min(MOST_RUNS * tasks, MOST_SAMPLES))
    assert [path.parent.name for path in read] == [
        f"20260101-{number:06}-ab12" for number in range(199, 199 - opened, -1)
    ]


# --- through the command line ----------------------------------------------------------


def run(project: Project, *names: str) -> Done:
    prompts = [write_prompt(project, name, f"echo > {name}.txt") for name in names]
    done = concertmaster("run", *prompts, *AGENT, cwd=project.root)
    assert done.code == 0, done.out + done.err
    return done


def plan(project: Project, *prompts: str, form: str = "table") -> Done:
    done = concertmaster("plan", *prompts, *AGENT, "--format", form, cwd=project.root)
    assert done.code == 0, done.out + done.err
    return done


@pytest.fixture
def next_prompts(project: Project) -> list[str]:
    sing = write_prompt(project, "sing", "echo > sing.txt")
    return [sing, write_prompt(project, "dance", "echo > dance.txt", head="estimate: 3m")]


def test_the_third_plan_says_what_it_has_learned_of_two_runs(
    project: Project, next_prompts: list[str]
) -> None:
    first = run(project, "apple", "pear")
    run(project, "plum")
    for number, data in enumerate(BROKEN.values()):
        keep_run(project.root / ".git", f"99990101-{number:06}-ab12", data)

    past = [sample.seconds for sample in read_past(project.root / ".git")]
    told = plan(project, *next_prompts).out
    made = json.loads(plan(project, *next_prompts, form="json").out)

    assert "2 by the size of the footprint (nothing is measured yet)" in first.out
    reason = "the median of 3 tasks of 2 past runs ("
    assert f"1 by {reason}" in told
    assert "; 1 by front matter" in told
    assert "predicted cost: unknown" in told
    sing, dance = made["tasks"]
    assert sing["estimate_reason"].startswith(reason)
    assert sing["estimate_seconds"] == pytest.approx(median(past), abs=1)  # by size: 600
    assert (dance["estimate_seconds"], dance["estimate_reason"]) == (180, "front matter")
    assert made["predicted_cost_usd"] is None


@pytest.mark.matrix
def test_a_report_shows_the_estimate_beside_what_was_measured(project: Project) -> None:
    run(project, "apple", "pear", "plum")
    past = [sample.seconds for sample in read_past(project.root / ".git")]
    run(project, "fig")

    report = json.loads(concertmaster("report", "--json", cwd=project.root).out)

    (fig,) = report["tasks"]
    assert "3 tasks of 1 past run" in fig["estimate_reason"]
    assert fig["estimate_seconds"] == pytest.approx(median(past), abs=1)
    assert fig["profile"]["agent"] == "command"

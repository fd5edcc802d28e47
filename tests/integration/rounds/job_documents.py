"""Holds valid documents of all jobs, and helpers that write, read and refuse them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.landing.fault import LandingFault
from concertmaster.model import (
    Built,
    Need,
    Outcome,
    Plan,
    RunSettings,
    Skipped,
    Task,
    TaskState,
    Usage,
)
from concertmaster.rounds.documents import read_results
from concertmaster.rounds.history import Due, History, TaskHistory, by_name
from concertmaster.rounds.result import Result, ShareResults
from concertmaster.rounds.verdict import LeftOutTask, Verdict, VerdictStep

AT = 1_700_000_000
RUN = "issue-7"
FRUIT, BREAD, WINE = "fruit-ab12", "bread-cd34", "wine-ef56"
BASE, ONE, TWO, TREE = (digit * 40 for digit in "1234")
SHA256 = "5" * 64


def task(name: str) -> Task:
    return Task(id=name, prompt=f"{name}.md", blob=ONE, title=name, estimate_seconds=60.0)


PLAN = Plan(
    run=RUN,
    base=BASE,
    target="main",
    slots=2,
    settings=RunSettings(agent="command"),
    tasks=(task(FRUIT), task(BREAD), task(WINE)),
    shares=((FRUIT, BREAD), (WINE,)),
)
SUCCEEDED = Result(
    task=FRUIT,
    state=TaskState.SUCCEEDED,
    outcome=Outcome.SUCCEEDED,
    attempts=1,
    base=BASE,
    built_on=(Built(task=BREAD, head=TWO),),
    head=ONE,
    bundle=f"bundles/{FRUIT}.bundle",
    sha256=SHA256,
    seconds=12.5,
    usage=Usage(cost_usd=0.25, input_tokens=3, output_tokens=4),
)
FAILED = Result(
    task=BREAD, state=TaskState.FAILED, outcome=Outcome.FAILED, reason="red", evidence="log"
)
RESULTS = ShareResults(
    run=RUN, round=2, share=0, base=BASE, base_green=True, tasks=(SUCCEEDED, FAILED)
)
HISTORY = History(
    run=RUN,
    round=2,
    trigger="comment 1",
    parent=7,
    base=BASE,
    target="main",
    options=(("agent", "codex"),),
    tasks=by_name(
        TaskHistory(task=name, title=name, prompt=f"{name}.md", blob=ONE)
        for name in (FRUIT, BREAD, WINE)
    ),
    needs=(Need(task=BREAD, on=FRUIT, hard=True, reason="names it"),),
    skipped=(Skipped(prompt="old.md", task="old-0000", reason="done"),),
    due=Due(round=3, at=float(AT), reason="limit"),
)
VERDICT = Verdict(
    run=RUN,
    round=2,
    target="main",
    tip=BASE,
    git_version="git version 2.39.5 (Apple Git-154)",
    base_green=True,
    steps=(
        VerdictStep(tasks=(FRUIT,), tip=BASE, commit=ONE, tree=TREE),
        VerdictStep(tasks=(BREAD,), tip=ONE, commit=TWO, tree=TREE, reapplied=(BREAD,)),
    ),
    left_out=(LeftOutTask(task=WINE, fault=LandingFault.CULPRIT, reason="red"),),
    flaky=(FRUIT, FRUIT),
    finished=True,
)


def put(folder: Path, name: str, content: object) -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / name).write_bytes(data)
    return folder


def read_share(folder: Path) -> ShareResults:
    return read_results(folder, plan=PLAN, round=2, share=0)


def refuses(read: Callable[[], object]) -> str:
    """Return why the document is refused; it has to be."""
    with pytest.raises(EnvironmentFault) as caught:
        read()
    assert type(caught.value) is EnvironmentFault
    assert caught.value.next_step
    return caught.value.why

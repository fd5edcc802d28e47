"""Keeps what people look at after a test: threads, history, summaries, logs and reports."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from concertmaster.engine.recorded_run import read_run
from concertmaster.files import run_folder
from concertmaster.planning.shares import take_share
from concertmaster.report.html import render_report
from tests.e2e.engine import ROOT
from tests.e2e.repository import Stage
from tests.e2e.runner import Ran
from tests.github.state import Issue

KEPT = ROOT / "build" / "e2e"


def keep(stage: Stage, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = {one.id: one.name for one in stage.repository.labels}
    for issue in stage.repository.issues.values():
        kind = "pull" if issue.pull else "issue"
        (folder / f"{kind}-{issue.number}.md").write_text("".join(_thread(issue, names)))
    (folder / "git-log.txt").write_text(_history(stage))
    for number, ran in enumerate(stage.runs, 1):
        _keep_run(ran, folder / f"run-{number}")


def _thread(issue: Issue, names: dict[int, str]) -> Iterator[str]:
    labels = ", ".join(names[one] for one in issue.labels)
    yield f"# {issue.title} (#{issue.number})\n\n"
    yield f"{issue.state}, by {issue.user.login}, labels: {labels or 'none'}\n\n"
    yield f"{issue.body or ''}\n"
    for comment in issue.comments:
        yield f"\n---\n\n**{comment.user.login}** at {comment.created_at:%H:%M:%S}\n\n"
        yield f"{comment.body}\n"


def _history(stage: Stage) -> str:
    command = ("git", "log", "--graph", "--all", "--stat", "--format=%h %an%d%n%B")
    folder = stage.double.git(stage.repository).folder
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout


def _keep_run(ran: Ran, folder: Path) -> None:
    folder.mkdir()
    (folder / "log.txt").write_text(ran.log)
    for summary in sorted((ran.artifacts / ".kept").glob("*.md")):
        shutil.copyfile(summary, folder / f"summary-{summary.name}")
    for share in sorted(ran.artifacts.glob("concertmaster-work-*")):
        (folder / f"{share.name}-report.html").write_text(_report(ran.artifacts, share))


def _report(artifacts: Path, share: Path) -> str:
    """Return the HTML report of a share, as a run on one machine would show it."""
    plan = run_folder.read_plan(artifacts / "concertmaster-plan")
    number = int(share.name.rpartition("-")[2])
    with TemporaryDirectory() as place:
        run_folder.write_plan(Path(place), take_share(plan, number, slots=plan.slots))
        shutil.copyfile(share / "journal.jsonl", Path(place) / "journal.jsonl")
        return render_report(read_run(Path(place)).report)

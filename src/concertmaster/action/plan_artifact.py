"""Reads and writes the artifact of the plan job."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from concertmaster.action.artifacts import PLAN, digest_files
from concertmaster.action.job import Job
from concertmaster.engine.run_context import PROMPTS
from concertmaster.errors import EnvironmentFault
from concertmaster.files import run_folder
from concertmaster.model import Plan
from concertmaster.rounds.documents import HISTORY_FILE, read_history_file, write_history
from concertmaster.rounds.history import History


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanArtifact:
    """The plan of this round, the history as it begins, and the prompts by blob id."""

    plan: Plan
    history: History
    texts: Mapping[str, bytes]


def read_plan_artifact(job: Job) -> PlanArtifact:
    """Return the plan job's artifact.

    Raises EnvironmentFault if its digest differs from the output of the plan job or a prompt is
    missing.
    """
    folder = job.artifacts / PLAN
    wanted = job.settings.plan_sha256
    if not wanted or digest_plan(folder) != wanted:
        raise EnvironmentFault(
            "the plan of the artifact is not the plan that was made",
            why="its sha256 differs from the output `plan_sha256` of the plan job",
            next_step="run the whole workflow again",
        )
    plan = run_folder.read_plan(folder)
    texts = {task.blob: _read_prompt(folder, task.blob) for task in plan.tasks}
    return PlanArtifact(plan=plan, history=read_history_file(folder), texts=texts)


def write_plan_artifact(
    folder: Path, plan: Plan, history: History, texts: Mapping[str, bytes]
) -> None:
    """Write the artifact of the plan job, over that of an earlier try."""
    (folder / PROMPTS).mkdir(parents=True, exist_ok=True)
    for task in plan.tasks:
        (folder / PROMPTS / task.blob).write_bytes(texts[task.blob])
    run_folder.write_plan(folder, plan)
    (folder / HISTORY_FILE).write_bytes(write_history(history))


def digest_plan(folder: Path) -> str:
    """Return the digest of plan and history together; "" if one is missing."""
    return digest_files(folder / "plan.json", folder / HISTORY_FILE)


def _read_prompt(folder: Path, blob: str) -> bytes:
    try:
        return (folder / PROMPTS / blob).read_bytes()
    except OSError as error:
        raise EnvironmentFault(
            f"the artifact lacks the prompt {blob}",
            why=str(error.strerror),
            next_step="run the whole workflow again",
        ) from error

"""Reads what the other jobs of a round left, and the saved state of the run."""

from __future__ import annotations

from dataclasses import dataclass

from concertmaster.action.accept_results import (
    AcceptedResults,
    ResultChecker,
    ShareFiles,
    read_shares,
)
from concertmaster.action.artifacts import VERIFY, digest_files
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.job import Job, renew_folder
from concertmaster.action.plan_artifact import PlanArtifact, read_plan_artifact
from concertmaster.errors import EnvironmentFault
from concertmaster.git.run_repository import RunRepository
from concertmaster.rounds import documents, kept_work, state_branch
from concertmaster.rounds.state_branch import SavedState
from concertmaster.rounds.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundInputs:
    """The plan that was handed out, what came back of it, and the state of earlier rounds."""

    plan_artifact: PlanArtifact
    shares: ShareFiles
    accepted: AcceptedResults
    verdict: Verdict | None
    state: SavedState | None


def read_round_inputs(job: Job) -> tuple[FinalizeContext, RoundInputs]:
    """Read and check the artifacts of the other jobs and the saved state of the run.

    The verdict is None when the run was cancelled or the verify job left none. Raises
    EnvironmentFault when an artifact is not the one that its job wrote.
    """
    plan_artifact = read_plan_artifact(job)
    history = plan_artifact.history
    context = _prepare(job, plan_artifact)
    shares = read_shares(plan_artifact.plan, job.artifacts, round_number=history.round)
    state = state_branch.read(context.repository, job.remote, history.run)
    carried = {one.task: one.head for one in history.tasks.values() if one.head and not one.is_done}
    fetched = dict(job.remote.fetch(context.objects, [*carried.values()]))
    missing = kept_work.find_missing(carried, fetched)
    fetched |= kept_work.take_back(context.objects, state, missing)
    checker = ResultChecker(
        plan_artifact=plan_artifact,
        shares=shares,
        artifacts=job.artifacts,
        objects=context.objects,
        fetched=fetched,
    )
    held = RoundInputs(
        plan_artifact=plan_artifact,
        shares=shares,
        accepted=checker.accept(),
        verdict=None if job.settings.cancelled else _read_verdict(job, plan_artifact),
        state=state,
    )
    return context, held


def _prepare(job: Job, plan_artifact: PlanArtifact) -> FinalizeContext:
    """Clone the repository and create the run's objects beside the clone."""
    folder, plan = renew_folder(job.folder / "finalize"), plan_artifact.plan
    repository = job.remote.clone(folder / "clone")
    job.remote.fetch(repository, [plan.base])
    repository.resolve(plan.base)
    objects = RunRepository.create(folder / "repository.git", user=repository, base=plan.base)
    viewer = job.issue_client.viewer()
    return FinalizeContext(
        job=job, plan=plan, repository=repository, objects=objects, viewer=viewer
    )


def _read_verdict(job: Job, plan_artifact: PlanArtifact) -> Verdict | None:
    """Return the verdict, None when the verify job left none; then nothing lands.

    Raises EnvironmentFault when its sha256 is not that of the job's output.
    """
    folder, wanted = job.artifacts / VERIFY, job.settings.verdict_sha256
    if not wanted:
        return None
    if digest_files(folder / documents.VERDICT_FILE) != wanted:
        raise EnvironmentFault(
            "the verdict of the artifact is not the verdict that was given",
            why="its sha256 differs from the output `verdict_sha256` of the verify job",
            next_step="run the whole workflow again",
        )
    return documents.read_verdict(folder, history=plan_artifact.history)

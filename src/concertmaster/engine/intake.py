"""What a round brought: all that the other jobs left, and what was known before."""

from __future__ import annotations

import shutil
from dataclasses import dataclass

from concertmaster.adapters import parcel, remote, statebranch
from concertmaster.adapters.remote import clone
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.adapters.statebranch import State
from concertmaster.core.verdict import Verdict
from concertmaster.engine.acceptance import (
    Accepted,
    Gate,
    Shares,
    read_shares,
)
from concertmaster.engine.ground import Ground
from concertmaster.engine.handout import Handout, read_handout
from concertmaster.engine.job import VERIFY, Job, digest
from concertmaster.errors import EnvironmentFault


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All that this round brought: what was handed out, and what came back of it."""

    handout: Handout
    shares: Shares
    accepted: Accepted
    verdict: Verdict | None
    state: State | None


def gather(job: Job) -> tuple[Ground, Round]:
    """All that the other jobs left, and what was known before."""
    handout = read_handout(job)
    history = handout.history
    ground = _prepare(job, handout)
    url, token = job.clone_url, job.token
    shares = read_shares(handout.plan, job.artifacts, round_number=history.round)
    carried = [one.head for one in history.tasks if one.head and not one.is_done]
    gate = Gate(
        handout=handout,
        shares=shares,
        artifacts=job.artifacts,
        objects=ground.objects,
        fetched=remote.fetch(ground.objects, url, carried, token=token),
    )
    held = Round(
        handout=handout,
        shares=shares,
        accepted=gate.accept(),
        verdict=None if job.settings.cancelled else _read_verdict(job, handout),
        state=statebranch.read(ground.repository, url, history.run, token=token),
    )
    return ground, held


def _prepare(job: Job, handout: Handout) -> Ground:
    folder, plan = job.folder / "finalize", handout.plan
    shutil.rmtree(folder, ignore_errors=True)  # of a try of this job before
    folder.mkdir(parents=True)
    repository = clone(job.clone_url, folder / "clone", token=job.token)
    remote.fetch(repository, job.clone_url, [plan.base], token=job.token)
    repository.resolve(plan.base)
    objects = RunRepository.create(folder / "repository.git", user=repository, base=plan.base)
    viewer = job.forge.viewer()
    return Ground(job=job, plan=plan, repository=repository, objects=objects, viewer=viewer)


def _read_verdict(job: Job, handout: Handout) -> Verdict | None:
    """None where the verify job left none, which is no reason to land anything."""
    folder, wanted = job.artifacts / VERIFY, job.settings.verdict_sha256
    if not wanted:
        return None
    if digest(folder / parcel.VERDICT_FILE) != wanted:
        raise EnvironmentFault(
            "the verdict of the artifact is not the verdict that was given",
            why="its sha256 differs from the output `verdict_sha256` of the verify job",
            next_step="run the whole workflow again",
        )
    return parcel.read_verdict(folder, history=handout.history)

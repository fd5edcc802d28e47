"""Maps the names that `concertmaster action` takes to the jobs of the workflow."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from concertmaster.action.control import control
from concertmaster.action.finalize.job import finalize
from concertmaster.action.job import Job
from concertmaster.action.plan.job import plan
from concertmaster.action.single_job import run_single_job
from concertmaster.action.verify import verify
from concertmaster.action.work import work

JOBS: Mapping[str, Callable[[Job], int]] = {
    "plan": plan,
    "work": work,
    "verify": verify,
    "finalize": finalize,
    "control": control,
    "run": run_single_job,
}

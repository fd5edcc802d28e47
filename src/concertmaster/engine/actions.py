"""The jobs of the workflow by name, as `concertmaster action` knows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from concertmaster.engine.control import control
from concertmaster.engine.finalize import finalize
from concertmaster.engine.job import Job
from concertmaster.engine.plan import plan
from concertmaster.engine.verify import verify
from concertmaster.engine.whole import run
from concertmaster.engine.work import work

JOBS: Mapping[str, Callable[[Job], int]] = {
    "plan": plan,
    "work": work,
    "verify": verify,
    "finalize": finalize,
    "control": control,
    "run": run,
}

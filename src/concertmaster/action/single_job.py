"""Runs plan, work, verify and finalize as one job of one workflow.

Agents run here on the machine that holds the token, so each attempt needs a user of its own.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

from concertmaster.action.finalize.job import finalize
from concertmaster.action.job import Job
from concertmaster.action.plan.job import plan
from concertmaster.action.verify import verify
from concertmaster.action.work import work
from concertmaster.errors import EnvironmentFault, Error, Interrupted
from concertmaster.sandbox.users import disable_ptrace, is_root
from concertmaster.settings.action_inputs import Isolation

FINALIZE_SHARE = 0.1  # the part of the job's time
VERIFY_SHARE = 0.3  # the part of the remaining time

_Part = Callable[[Job], int]


def run_single_job(job: Job) -> int:
    """Run all four jobs in order and return the first exit code that is not 0.

    Verify and finalize run whatever became of the jobs before them, as with `if: always()`.
    """
    _protect(job)
    whole = _SingleJob(job)
    with whole.until_cancelled():
        # Several shares would run one after the other here, so there is only one.
        code = plan(whole.part(max_parallel=1, job_minutes=whole.minutes_for_work()))
        if not job.outputs.get("run"):
            return code
        with ExitStack() as rest:
            rest.callback(whole.finalize)
            rest.callback(whole.verify)
            whole.work()
    return whole.code


def _protect(job: Job) -> None:
    """Close this process to agents, because it holds the token that can write.

    Raises EnvironmentFault if agents would run as the same user.
    """
    disable_ptrace()
    wanted = job.settings.isolation
    if wanted is Isolation.AUTO and not is_root():
        raise EnvironmentFault(
            "agents would run as the user who holds the token of this job",
            why="only root can give them users of their own, and this job is not root",
            next_step="run it in the container of the action, or take the workflow of four jobs; "
            "`isolation: none` is for machines where every agent is trusted",
        )


@dataclass
class _SingleJob:
    """A process that does all four jobs and hands the outputs of each to the next."""

    job: Job
    began: float = field(default_factory=time.monotonic)
    codes: list[int] = field(default_factory=list)
    cancelled: bool = False

    @contextmanager
    def until_cancelled(self) -> Iterator[None]:
        """Note SIGTERM instead of exiting: a running part ends itself, later ones are skipped."""

        def cancel(number: int, frame: FrameType | None) -> None:
            self.cancelled = True

        before = signal.signal(signal.SIGTERM, cancel)
        try:
            yield
        finally:
            signal.signal(signal.SIGTERM, before)

    @property
    def code(self) -> int:
        """The first exit code that is not 0."""
        if self.cancelled:
            return Interrupted.exit_code
        return next((code for code in self.codes if code), 0)

    def work(self) -> None:
        for share in json.loads(self.job.outputs.get("shares")):
            if not self.cancelled:
                self._hold(work, share=share, job_minutes=self.minutes_for_work())

    def verify(self) -> None:
        """Run the verify job if there is anything to land and the run is not cancelled."""
        if not self.cancelled and json.loads(self.job.outputs.get("verify")):
            self._hold(verify, job_minutes=self._minutes_left())

    def finalize(self) -> None:
        self._hold(finalize, cancelled=self.cancelled or self.job.settings.cancelled)

    def part(self, **more: Any) -> Job:
        """Return the job with the settings that this part of the workflow gets."""
        handed = {name: self.job.outputs.get(name) for name in ("plan_sha256", "verdict_sha256")}
        settings = self.job.settings.model_copy(update={**handed, **more})
        return replace(self.job, settings=settings, is_single=True)

    def minutes_for_work(self) -> float:
        return self._minutes_left() * (1.0 - VERIFY_SHARE)

    def _minutes_left(self) -> float:
        """Return the minutes until finalize has to begin."""
        minutes = self.job.settings.job_minutes * (1.0 - FINALIZE_SHARE)
        return max(minutes - (time.monotonic() - self.began) / 60.0, 0.0)

    def _hold(self, part: _Part, **more: Any) -> None:
        """Run one part. An error is shown and does not skip the next part."""
        try:
            self.codes.append(part(self.part(**more)))
        except (Interrupted, KeyboardInterrupt):
            self.cancelled = True
        except (Error, OSError) as error:
            told = error if isinstance(error, Error) else EnvironmentFault(str(error))
            self.job.console.error(told)
            self.codes.append(told.exit_code)

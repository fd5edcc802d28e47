"""Decides whether a result that did not land is mended in the same run."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.landing.fault import Fault, LandingFault
from concertmaster.landing.merge_queue import Landing, PendingStep
from concertmaster.model import REPAIRING_VERSION, Outcome, Plan, Repair, TaskState
from concertmaster.run.task_record import Attempt, TaskRecord

# The next repair of the same result would fail alike.
_HOPELESS = frozenset({Outcome.REFUSED})


def repair_or_leave_out(
    plan: Plan, record: TaskRecord, fault: Fault, *, evidence: str = ""
) -> TaskRecord:
    """Return the record of a task whose result did not land.

    It waits for a repair, or is left out: where no agent worked on it, and after `repairs` of them.
    `evidence` is what the check wrote, which may be nothing.
    """
    attempt, reason = record.attempt, fault.describe()
    evidence = evidence or (reason if fault.kind is LandingFault.CULPRIT else "")
    record = replace(record, fault=fault)
    is_ours = attempt is not None and attempt.folder != "" and attempt.head != ""
    if not is_ours or attempt is None or not can_repair(plan, record):
        return replace(record, state=TaskState.LEFT_OUT, reason=reason)
    order = Repair(base=attempt.base, head=attempt.head, reason=reason, evidence=evidence)
    return replace(record, state=TaskState.WAITING, reason=reason, repair=order)


def repair_again(plan: Plan, record: TaskRecord, attempt: Attempt) -> TaskRecord:
    """Return the record after a repair, its last attempt, that has failed."""
    assert attempt.repair is not None, "only repairs are repeated"
    order = replace(attempt.repair, tip="")
    if not counts_as_repair(attempt):
        return replace(record, state=TaskState.WAITING, reason=attempt.reason, repair=order)
    if attempt.outcome not in _HOPELESS and can_repair(plan, record):
        return replace(record, state=TaskState.WAITING, reason=attempt.reason, repair=order)
    reason = f"{order.reason}; its repair failed: {attempt.reason}"
    return replace(record, state=TaskState.LEFT_OUT, reason=reason)


def find_next_tip(landing: Landing) -> str:
    """Return the commit that a repair starts from: the tip, or the commit that is landing now."""
    return landing.commit if landing.asked is PendingStep.LAND else landing.tip


def awaits_repair(record: TaskRecord) -> bool:
    """Return whether a repair of the task is to begin or to go on with its next phase."""
    if record.repair is not None:
        return record.state is TaskState.WAITING
    attempt = record.attempt if record.state is TaskState.RUNNING else None
    return attempt is not None and attempt.repair is not None and attempt.asked is None


def give_up_repair(record: TaskRecord, *, why: str) -> TaskRecord:
    """Return the record of a task that is left out because no repair may go on."""
    reason = f"{record.reason}; it was not mended: {why}" if record.reason else why
    return replace(record, state=TaskState.LEFT_OUT, reason=reason, repair=None)


def can_repair(plan: Plan, record: TaskRecord) -> bool:
    """Return whether the task has a repair left."""
    spent = sum(1 for attempt in record.attempts if counts_as_repair(attempt))
    is_new = plan.version >= REPAIRING_VERSION
    return is_new and not record.task.branch and spent < plan.settings.repairs


def counts_as_repair(attempt: Attempt) -> bool:
    """Return whether the attempt counts among the repairs; limits and cancellations do not."""
    is_over = attempt.outcome is not None
    stopped = (Outcome.LIMITED, Outcome.OVER_BUDGET, Outcome.NO_ACCESS, Outcome.CANCELLED)
    return attempt.repair is not None and is_over and attempt.outcome not in stopped

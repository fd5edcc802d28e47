"""Says in words how the machine was when a task failed, and what a person can do about it."""

from __future__ import annotations

from collections.abc import Iterator

from concertmaster.landing.fault import LandingFault
from concertmaster.model import MachineState, Outcome, TaskState
from concertmaster.rounds.history import TaskHistory
from concertmaster.text.display import count, size
from concertmaster.text.markdown import as_line

_MOST_VERSIONS = 6
_VERSION = 80  # characters of one

_BY_OUTCOME = {
    Outcome.TIMED_OUT: "give it more time with `timeout` in concertmaster.yml, or split its prompt",
    Outcome.LIMITED: "wait for the end of the limit",
    Outcome.OVER_BUDGET: "raise `budget` in concertmaster.yml, or name one in the comment",
    Outcome.NO_ACCESS: "mend the key in the secrets of the repository, its balance or the model",
    Outcome.CANCELLED: "look at what was done so far",
    Outcome.LOST: "read the end of its job's log",
    Outcome.REFUSED: "make this change by hand, or name its paths in `touches` of the prompt",
}
_BY_FAULT = {
    LandingFault.CULPRIT: "read why the check fails; its agent goes on from this work",
    LandingFault.CONFLICT: "read what conflicts; its agent goes on from this work",
    LandingFault.REFUSED: _BY_OUTCOME[Outcome.REFUSED],
    LandingFault.CLOSED: "say in the prompt what was wrong with its pull request",
    LandingFault.STUCK: "mend what stops it, as named above",
}


def describe_machine(machine: MachineState | None) -> str:
    """Return free memory and disk, load and versions in one line (Markdown)."""
    if machine is None:
        return "not known"
    told = as_line("; ".join(filter(None, (", ".join(_free(machine)), _load(machine)))))
    versions = [as_line(one, limit=_VERSION) for one in machine.versions[:_MOST_VERSIONS]]
    return "; ".join(filter(None, (told, ", ".join(versions)))) or "not known"


def _free(machine: MachineState) -> Iterator[str]:
    if machine.memory_bytes is not None:
        yield f"{size(machine.memory_bytes)} of memory free"
    if machine.disk_bytes is not None:
        yield f"{size(machine.disk_bytes)} of disk free"


def _load(machine: MachineState) -> str:
    if machine.load is None:
        return ""
    on = f" on {count(machine.processors, 'processor')}" if machine.processors else ""
    return f"load {machine.load:.1f}{on}"


def advise(one: TaskHistory) -> str:
    """Return what a person can do before the task is tried again."""
    if one.state is TaskState.BLOCKED:
        return "mend the task that it needs"
    if one.fault in _BY_FAULT:
        return _BY_FAULT[one.fault]
    if one.outcome in _BY_OUTCOME:
        return _BY_OUTCOME[one.outcome]
    return "read the reason and the log; say in the prompt what the agent missed"

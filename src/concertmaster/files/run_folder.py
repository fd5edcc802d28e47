"""Reads and writes the folder of a run: its plan, its lock and its owner."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from concertmaster.errors import UsageError
from concertmaster.files.atomic import write_atomically
from concertmaster.model import PLAN_VERSION, Plan

_PLACE = "attempts-folder"
_CANCELLATIONS = "cancellations"
_TRIES, _SECONDS_BETWEEN = 5, 0.02


def write_plan(folder: Path, plan: Plan) -> None:
    """Write the plan to plan.json, as a whole or not at all."""
    write_atomically(folder / "plan.json", json.dumps(asdict(plan), indent=1) + "\n")


def read_plan(folder: Path) -> Plan:
    """Return the run's plan. Raises UsageError when this version cannot read it."""
    from pydantic import TypeAdapter  # noqa: PLC0415  slow to load, and only readers need it

    path = folder / "plan.json"
    try:
        found = json.loads(path.read_text())
        if found.get("version") not in range(1, PLAN_VERSION + 1):
            raise ValueError(f"version {found.get('version')} instead of {PLAN_VERSION}")
        plan: Plan = TypeAdapter(Plan).validate_python(found)
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the plan of run {folder.name} cannot be read",
            why=f"{path}: {error}",
            next_step=f"mend it: concertmaster repair {folder.name}",
        ) from error
    return plan


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Hold the lock of the run. Raises UsageError when another process holds it."""
    with (folder / "lock").open("a+") as lock:
        try:
            _lock(lock.fileno())
        except OSError as error:
            owner = read_owner(folder)
            raise UsageError(
                f"run {folder.name} is being worked on by "
                + (f"process {owner}" if owner else "a process that has just begun"),
                next_step=f"wait for it, or stop it with `concertmaster cancel {folder.name}`",
            ) from error
        (folder / "owner").unlink(missing_ok=True)
        try:
            yield
        finally:
            (folder / "owner").unlink(missing_ok=True)


def _lock(descriptor: int) -> None:
    """Lock the file. Raises OSError when another process holds it.

    Whoever only asks whether it is locked holds it for a moment, so it is tried more than once.
    """
    for _ in range(_TRIES):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_SECONDS_BETWEEN)
    return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def lock_start(folder: Path) -> Iterator[None]:
    """Hold the lock under which runs begin, one after the other; `folder` holds all runs."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / "starting").open("a+") as lock:  # `folder` holds runs and nothing else
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_owner(folder: Path) -> None:
    """Record this process as the run's owner; from now on `cancel` may send it a signal."""
    (folder / "owner").write_text(str(os.getpid()))


def is_locked(folder: Path) -> bool:
    """Return whether a process holds the lock of the run."""
    try:
        with (folder / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_owner(folder: Path) -> int | None:
    """Return the process id of the run's owner, or None; only valid while the run is locked."""
    try:
        return int((folder / "owner").read_text())
    except (OSError, ValueError):
        return None


def request_cancellation(folder: Path, task: str) -> None:
    """Ask the process that works on the run, now or later, to cancel this task."""
    (folder / _CANCELLATIONS).mkdir(exist_ok=True)
    (folder / _CANCELLATIONS / task).touch()


def list_cancellations(folder: Path) -> tuple[str, ...]:
    """Return the names of the tasks whose cancellation is asked for; none may be a task."""
    try:
        return tuple(sorted(path.name for path in (folder / _CANCELLATIONS).iterdir()))
    except OSError:
        return ()


def forget_cancellation(folder: Path, task: str) -> None:
    """Remove the request, as the journal has it now."""
    (folder / _CANCELLATIONS / task).unlink(missing_ok=True)


def write_place(folder: Path, place: Path) -> None:
    """Record the folder that holds the attempts of the run."""
    write_atomically(folder / _PLACE, str(place.absolute()))


def read_place(folder: Path) -> Path | None:
    """Return the folder that holds the attempts of the run, None if it was not recorded."""
    try:
        found = (folder / _PLACE).read_text("utf-8", errors="surrogateescape")
    except OSError:
        return None
    return Path(found) if found.startswith("/") and "\0" not in found else None


def runs_folder(git_dir: Path) -> Path:
    """Return the folder that holds all runs of a repository."""
    return git_dir / "concertmaster" / "runs"


def list_runs(folder: Path) -> tuple[Path, ...]:
    """Return the folders of all runs below `folder`, oldest first."""
    found: Iterable[Path] = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(path for path in found if (path / "plan.json").is_file()))

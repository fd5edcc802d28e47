"""The folder of a run: its plan, its lock and its owner."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from concertmaster.errors import UsageError
from concertmaster.files.atomic import write_atomically
from concertmaster.model import PLAN_VERSION, Plan

if TYPE_CHECKING:
    pass


def write_plan(folder: Path, plan: Plan) -> None:
    """Freeze the plan as plan.json; written whole or not at all."""
    write_atomically(folder / "plan.json", json.dumps(asdict(plan), indent=1) + "\n")


def read_plan(folder: Path) -> Plan:
    """Raises UsageError when the folder holds no plan that this version can read."""
    from pydantic import TypeAdapter  # noqa: PLC0415  slow to load, and only readers need it

    path = folder / "plan.json"
    try:
        found = json.loads(path.read_text())
        if found.get("version") != PLAN_VERSION:
            raise ValueError(f"version {found.get('version')} instead of {PLAN_VERSION}")
        plan: Plan = TypeAdapter(Plan).validate_python(found)
    except (OSError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the plan of run {folder.name} cannot be read",
            why=f"{path}: {error}",
            next_step="see `concertmaster status` for the runs of this repository",
        ) from error
    return plan


@contextmanager
def lock_run(folder: Path) -> Iterator[None]:
    """Own the run while the block runs. Raises UsageError when another process does."""
    with (folder / "lock").open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
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


def write_owner(folder: Path) -> None:
    """Say who owns the run; from now on a signal to this process must be understood."""
    (folder / "owner").write_text(str(os.getpid()))


def is_locked(folder: Path) -> bool:
    """Some process owns the run right now."""
    try:
        with (folder / "lock").open("r") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def read_owner(folder: Path) -> int | None:
    """The process that says it owns the run; only meaningful while the run is held."""
    try:
        return int((folder / "owner").read_text())
    except (OSError, ValueError):
        return None


def runs_folder(git_dir: Path) -> Path:
    """All runs of a repository."""
    return git_dir / "concertmaster" / "runs"


def list_runs(folder: Path) -> tuple[Path, ...]:
    """The folders of all runs below `folder`, oldest first."""
    found: Iterable[Path] = folder.iterdir() if folder.is_dir() else ()
    return tuple(sorted(path for path in found if (path / "plan.json").is_file()))

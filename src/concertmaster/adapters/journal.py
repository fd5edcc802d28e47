"""The append-only record of a run: one file of JSON lines, on disk before anything is acted on."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from concertmaster.core.events import Event
from concertmaster.core.model import PLAN_VERSION, Plan
from concertmaster.errors import EnvironmentFault, UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Journal:
    """One run's events. Only the process that holds the run's lock may append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, new: Sequence[Event]) -> None:
        """Write the events as one piece and wait until the disk has them."""
        data = b"".join(map(dump_event, new))
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> tuple[Event, ...]:
        """All whole events; a torn last line, written while the power went, is not one."""
        if not self.path.exists():
            return ()
        lines = self.path.read_bytes().split(b"\n")
        return tuple(self._parse(line, number) for number, line in enumerate(lines[:-1], 1))

    def repair(self) -> None:
        """Cut a torn last line off, so that the next event starts on a line of its own."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)

    def _parse(self, line: bytes, number: int) -> Event:
        try:
            return load_event(line)
        except (ValueError, KeyError, AttributeError) as error:
            raise EnvironmentFault(
                f"line {number} of the journal cannot be read",
                why=f"{self.path}: {error}",
                next_step="restore the file, or start a new run",
            ) from error


def dump_event(event: Event) -> bytes:
    """One line of the journal."""
    fields = {"event": event.tag, **asdict(event)}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def load_event(line: bytes) -> Event:
    """The event of one line. Raises ValueError or KeyError for what is none."""
    fields = json.loads(line)
    event: Event = _adapters()[fields.pop("event")].validate_python(fields)
    return event


@cache
def _adapters() -> dict[str, TypeAdapter[Event]]:
    from pydantic import TypeAdapter  # noqa: PLC0415  slow to load, and only readers need it

    return {kind.tag: TypeAdapter(kind) for kind in get_args(Event)}


def write_plan(folder: Path, plan: Plan) -> None:
    """Freeze the plan as plan.json; written whole or not at all."""
    write_whole(folder / "plan.json", json.dumps(asdict(plan), indent=1) + "\n")


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


def write_whole(path: Path, text: str) -> None:
    """Replace a file in one step, so that no reader ever sees half of it."""
    new = path.with_name(path.name + ".new")
    with new.open("w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@contextmanager
def hold_run(folder: Path) -> Iterator[None]:
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


def sign_run(folder: Path) -> None:
    """Say who owns the run; from now on a signal to this process must be understood."""
    (folder / "owner").write_text(str(os.getpid()))


def is_held(folder: Path) -> bool:
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

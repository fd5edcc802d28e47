"""Describes failed commands by the last lines of their logs."""

from __future__ import annotations

from pathlib import Path

from concertmaster.model import RunSettings
from concertmaster.sandbox.exit_status import Exit

LOG_TAIL_BYTES = 4096


def describe_failure(what: str, ended: Exit, log: Path) -> str:
    """One line on how a command failed, with the last words it said."""
    words = last_lines(log)
    return f"{what} failed ({ended.describe()})" + (f": {words}" if words else "")


def describe_setup_failure(settings: RunSettings, ended: Exit, log: Path) -> str:
    """The same of the setup; of one that nobody gave, how to give another."""
    told = describe_failure(f"setup `{settings.setup}`", ended, log)
    if not settings.setup_reason:
        return told
    way = "name another with `setup:` in concertmaster.yml or --setup, '' for none"
    return f"{told}; nobody gave it, it was found ({settings.setup_reason}): {way}"


def read_end(log: Path) -> str:
    """The end of a log, for whoever has to mend what it tells of."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def last_lines(log: Path, *, count: int = 3) -> str:
    """The last lines of a log that say something, joined to one line."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    told = [line.strip() for line in lines if line.strip(" -=.\t")]
    return " | ".join(told[-count:])

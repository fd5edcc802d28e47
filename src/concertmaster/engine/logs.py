"""Describes failed commands by the last lines of their logs."""

from __future__ import annotations

from pathlib import Path

from concertmaster.model import RunSettings
from concertmaster.sandbox.exit_status import Exit
from concertmaster.text.failing_tests import (
    find_failing_tests,
    list_failing_tests,
    name_failing_tests,
)

LOG_TAIL_BYTES = 4096
_NAMED_WITHIN_BYTES = 256 << 10  # of the end; programs name the tests that failed there


def describe_failure(what: str, ended: Exit, log: Path) -> str:
    """Return one line on how the command `what` failed.

    It names the tests that failed, or has the last lines of the log where no test is named.
    """
    words = name_failing_tests(read_failing_tests(ended, log)) or last_lines(log)
    return f"{what} failed ({ended.describe()})" + (f": {words}" if words else "")


def describe_setup_failure(settings: RunSettings, ended: Exit, log: Path) -> str:
    """Return one line on how the setup failed, and how to replace a setup that was detected."""
    told = describe_failure(f"setup `{settings.setup}`", ended, log)
    if not settings.setup_reason:
        return told
    way = "name another with `setup:` in concertmaster.yml or --setup, '' for none"
    return f"{told}; nobody gave it, it was found ({settings.setup_reason}): {way}"


def read_last(log: Path, *, most_bytes: int = LOG_TAIL_BYTES, start: int = 0) -> str:
    """Return the last `most_bytes` of a log as text, "" if there is no log.

    What stands before the byte `start` is left out.
    """
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(start, log.stat().st_size - most_bytes))
        return file.read().decode(errors="replace")


def read_end(log: Path) -> str:
    """Return the last LOG_TAIL_BYTES of a log without blanks around them, "" if there is none."""
    return read_last(log).strip()


def read_failing_tests(ended: Exit, log: Path) -> tuple[str, ...]:
    """Return the names of the tests that failed.

    They are those of the command's part of the log, else those of the reports that it left.
    """
    if ended.ok:
        return ()
    part = read_last(log, most_bytes=_NAMED_WITHIN_BYTES, start=ended.log_start)
    return find_failing_tests(part) or ended.failing


def read_evidence(ended: Exit, log: Path) -> str:
    """Return the tests that failed and the end of the log, for an agent that mends the failure."""
    return f"{list_failing_tests(read_failing_tests(ended, log))}\n{read_end(log)}".strip()


def last_lines(log: Path, *, count: int = 3) -> str:
    """Return the last `count` lines of a log that are not blank or ruled, joined by " | "."""
    told = [line.strip() for line in read_last(log).splitlines() if line.strip(" -=.\t")]
    return " | ".join(told[-count:])

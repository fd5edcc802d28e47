"""Writes the files of a job's artifact without the secrets in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from concertmaster.action.job import Job
from concertmaster.engine.logs import read_last
from concertmaster.files import atomic
from concertmaster.text.display import writable
from concertmaster.text.redaction import redact_lines

MOST_LOG_BYTES = 4 << 20  # for each log, of which the end is kept
TAIL_CHARACTERS = 4000

T = TypeVar("T")


def write_document(job: Job, path: Path, fields: Mapping[str, Any]) -> None:
    """Write the redacted fields as JSON, atomically.

    Characters that are not valid Unicode, as in some file names, are replaced.
    """
    atomic.write_atomically(path, json.dumps(_clean(job, fields), indent=1) + "\n")


def _clean(job: Job, value: Any) -> Any:
    """Redact each string of a JSON value before it is encoded.

    JSON escapes would hide a secret from a redaction of the encoded text.
    """
    match value:
        case str():
            return job.redact(writable(value))
        case list() | tuple():
            return [_clean(job, one) for one in value]
        case dict():
            return {key: _clean(job, one) for key, one in value.items()}
        case _:
            return value


def redacted(job: Job, value: T) -> T:
    """Return the value with each string in it redacted."""
    clean: T = _redacted(job, value)
    return clean


def _redacted(job: Job, value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        parts = {field.name: _redacted(job, getattr(value, field.name)) for field in fields(value)}
        return replace(value, **parts)
    if isinstance(value, tuple):
        return tuple(_redacted(job, one) for one in value)
    return _clean(job, value) if not isinstance(value, Enum) else value


def read_tail(job: Job, path: Path) -> str:
    """Return the redacted end of a log; "" if there is no log."""
    # More is read than is kept, because redaction misses a secret whose beginning is cut off.
    text = read_last(path, most_bytes=4 * TAIL_CHARACTERS)
    return job.redact(text)[-TAIL_CHARACTERS:].strip()


def copy_logs(job: Job, run_folder: Path, folder: Path) -> None:
    """Copy the journal, transcripts and check logs of the run to `folder`, redacted."""
    for source, name in _logs(run_folder):
        _copy_redacted(job, source, folder / name)


def _logs(run_folder: Path) -> Iterator[tuple[Path, str]]:
    if (run_folder / "journal.jsonl").is_file():
        yield run_folder / "journal.jsonl", "journal.jsonl"
    for path in sorted((run_folder / "tasks").rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path, f"tasks/{path.relative_to(run_folder / 'tasks').as_posix()}"


def _copy_redacted(job: Job, source: Path, copy: Path) -> None:
    """Copy a log line by line without secrets; only its end if it is too long."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    with source.open("rb") as lines, copy.open("wb") as file:
        left_out = source.stat().st_size - MOST_LOG_BYTES
        if left_out > 0 and source.name != "journal.jsonl":
            lines.seek(left_out)
            lines.readline()
        file.writelines(redact_lines(lines, secrets=job.secrets))

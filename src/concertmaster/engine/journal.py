"""Reads and writes the journal of a run: an append-only file with one JSON object per line."""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from concertmaster.errors import EnvironmentFault
from concertmaster.events import Event
from concertmaster.files.atomic import write_atomically

_CHECKSUM = b',"checksum":"'  # 8 hexadecimal digits and the end of the line follow

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Journal:
    """The journal of one run; only the process that holds the run's lock may append."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def append(self, new: Sequence[Event]) -> None:
        """Append the events in one write and wait until the disk has them."""
        data = b"".join(_seal(dump_event(event)) for event in new)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            while data:
                data = data[os.write(descriptor, data) :]
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)

    def read(self) -> tuple[Event, ...]:
        """Return all events, without a torn last line. Raises EnvironmentFault for a bad line."""
        if not self.path.exists():
            return ()
        lines = self.path.read_bytes().split(b"\n")
        return tuple(self._parse(line, number) for number, line in enumerate(lines[:-1], 1))

    def read_whole(self) -> tuple[tuple[Event, ...], tuple[Event, ...], tuple[int, ...]]:
        """Return the events before the first damaged line, those after it, and the damaged lines.

        Lines are counted from 1. A torn last line is not damaged.
        """
        lines = self.path.read_bytes().split(b"\n")[:-1] if self.path.exists() else []
        before, after, damaged = list[Event](), list[Event](), list[int]()
        for number, line in enumerate(lines, 1):
            try:
                (after if damaged else before).append(self._parse(line, number))
            except EnvironmentFault:
                damaged.append(number)
        return tuple(before), tuple(after), tuple(damaged)

    def rewrite(self, events: Sequence[Event]) -> None:
        """Replace the journal by these events in one step."""
        text = b"".join(_seal(dump_event(event)) for event in events).decode()
        write_atomically(self.path, text)

    def repair(self) -> None:
        """Cut off a torn last line, so that the next event starts on a line of its own."""
        if not self.path.exists():
            return
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)

    def _parse(self, line: bytes, number: int) -> Event:
        try:
            return load_event(_unseal(line))
        except (ValueError, KeyError, RecursionError) as error:
            raise EnvironmentFault(
                f"line {number} of the journal cannot be read",
                why=f"{self.path}: {error}",
                next_step=f"mend it: concertmaster repair {self.path.parent.name}",
            ) from error


def _seal(line: bytes) -> bytes:
    """Return the line with a checksum as its last field."""
    return line[:-2] + _CHECKSUM + b'%08x"}\n' % zlib.crc32(line[:-1])


def _unseal(line: bytes) -> bytes:
    """Return the line without its checksum. Raises ValueError when it does not fit.

    Lines of earlier versions have none.
    """
    start, mark, _ = line.rpartition(_CHECKSUM)
    whole = start + b"}"
    if not mark:
        return line
    if line + b"\n" != _seal(whole + b"\n"):
        raise ValueError("its checksum does not fit")
    return whole


def dump_event(event: Event) -> bytes:
    """Return the event as one line of the journal."""
    fields = {"event": event.tag, **asdict(event)}
    return json.dumps(fields, separators=(",", ":")).encode() + b"\n"


def load_event(line: bytes) -> Event:
    """Return the event of one line. Raises ValueError or KeyError if the line holds none."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or not isinstance(fields.get("event"), str):
        raise ValueError("it holds no event")
    event: Event = _adapters()[fields.pop("event")].validate_python(fields)
    return event


@cache
def _adapters() -> dict[str, TypeAdapter[Event]]:
    from pydantic import TypeAdapter  # noqa: PLC0415  slow to load, and only readers need it

    return {kind.tag: TypeAdapter(kind) for kind in get_args(Event)}

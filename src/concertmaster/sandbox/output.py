"""Writes the output of a command to its log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LOG_LIMIT_BYTES = 64 << 20  # applies to the piped output of one command
LINE_LIMIT_BYTES = 1 << 20
READ_BYTES = 1 << 20  # the largest capacity of a pipe, so that one read empties it


class Output:
    """The output of one command, written straight to files or read line by line from a pipe."""

    def __init__(self, log: Path, on_line: Callable[[bytes], None] | None) -> None:
        self._path = log
        self._on_line = on_line
        self._files = ExitStack()
        self._room = LOG_LIMIT_BYTES
        self._dropped = 0
        self._line = bytearray()
        self.pipe: int | None = None

    def __enter__(self) -> Output:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._files.enter_context(self._path.open("ab"))
        return self

    def __exit__(self, *_: object) -> None:
        with self._files:
            if self._dropped:
                self._log.write(b"\n[%d more bytes of output were dropped]\n" % self._dropped)

    @contextmanager
    def far_ends(self) -> Iterator[tuple[int, int]]:
        """Yield descriptors for the command's stdout and stderr; close them on leaving.

        They must be closed here so that the pipe ends when the command ends.
        """
        if self._on_line is None:
            yield self._log.fileno(), self._log.fileno()
            return
        self.pipe, far_end = os.pipe()
        self._files.callback(os.close, self.pipe)
        os.set_blocking(self.pipe, False)
        with os.fdopen(far_end), self._path.with_suffix(".stderr").open("ab") as stderr:
            yield far_end, stderr.fileno()

    def pump(self) -> bool:
        """Log what the pipe holds and pass on its lines; return False if it held nothing."""
        data = b""
        if self.pipe is not None:
            with suppress(BlockingIOError):
                data = os.read(self.pipe, READ_BYTES)
        self._write(data)
        *ends, rest = data.split(b"\n")
        for end in ends:
            self._hold(end)
            self._give_line()
        self._hold(rest)
        return bool(data)

    def finish(self) -> None:
        """Pass on the rest after the command has ended, including an unterminated last line."""
        self.pump()
        if self._line:
            self._give_line()

    def _write(self, data: bytes) -> None:
        kept = data[: self._room]
        self._room -= len(kept)
        self._dropped += len(data) - len(kept)
        self._log.write(kept)
        self._log.flush()

    def _hold(self, piece: bytes) -> None:
        self._line += piece[: LINE_LIMIT_BYTES - len(self._line)]

    def _give_line(self) -> None:
        assert self._on_line is not None
        line = bytes(self._line)
        self._line.clear()
        self._on_line(line)

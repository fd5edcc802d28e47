"""Collects the output of a command in its log."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LOG_LIMIT_BYTES = 64 << 20  # for the piped output of one command
LINE_LIMIT_BYTES = 1 << 20
READ_BYTES = 1 << 20  # as much as a pipe can hold, so that one read empties it


class Output:
    """Where the output of one command goes: straight to files, or through us line by line."""

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
        """The command's stdout and stderr; closed on leaving, for the pipe has to end with it."""
        if self._on_line is None:
            yield self._log.fileno(), self._log.fileno()
            return
        self.pipe, far_end = os.pipe()
        self._files.callback(os.close, self.pipe)
        os.set_blocking(self.pipe, False)
        with os.fdopen(far_end), self._path.with_suffix(".stderr").open("ab") as stderr:
            yield far_end, stderr.fileno()

    def pump(self) -> bool:
        """Pass on what the pipe holds. False when no more will come."""
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
        """Pass on the rest, once the command is gone: also a last line without a line feed."""
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

"""Writes the output of a command to its logs, each up to a limit."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

LOG_LIMIT_BYTES = 64 << 20  # of one stream of one command
TAIL_BYTES = 64 << 10  # the end of a longer stream is kept as well, since it has the result
LINE_LIMIT_BYTES = 1 << 20
READ_BYTES = 1 << 20  # the largest capacity of a pipe, so that one read empties it


class Output:
    """The output of one command, read from pipes.

    With `on_line` the lines of stdout are passed on, and stderr has a log of its own.
    """

    def __init__(self, log: Path, on_line: Callable[[bytes], None] | None) -> None:
        self._path = log
        self._on_line = on_line
        self._files = ExitStack()
        self._line = bytearray()
        self._logs: dict[int, _LimitedLog] = {}
        self._lines_from = -1

    @property
    def pipes(self) -> tuple[int, ...]:
        """Return the descriptors to read from."""
        return tuple(self._logs)

    def __enter__(self) -> Output:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        with self._files:
            pass

    @contextmanager
    def far_ends(self) -> Iterator[tuple[int, int]]:
        """Yield descriptors for the command's stdout and stderr; close them on leaving.

        They must be closed here so that the pipes end when the command ends.
        """
        with ExitStack() as ends:
            if self._on_line is None:
                both = self._open(ends, self._path, tail_bytes=TAIL_BYTES)
                yield both, both
                return
            stdout = self._open(ends, self._path, tail_bytes=0)
            (self._lines_from,) = self._logs
            errors = self._path.with_suffix(".stderr")
            yield stdout, self._open(ends, errors, tail_bytes=TAIL_BYTES)

    def _open(self, ends: ExitStack, path: Path, *, tail_bytes: int) -> int:
        """Return the far end of a new pipe whose data goes to the log at `path`."""
        pipe, far_end = os.pipe()
        self._files.callback(os.close, pipe)
        ends.callback(os.close, far_end)
        os.set_blocking(pipe, False)
        self._logs[pipe] = self._files.enter_context(_LimitedLog(path, tail_bytes=tail_bytes))
        return far_end

    def pump(self, pipe: int) -> bool:
        """Log what the pipe holds and pass on its lines; return False if it held nothing."""
        data = b""
        with suppress(BlockingIOError):
            data = os.read(pipe, READ_BYTES)
        self._logs[pipe].write(data)
        if pipe == self._lines_from:
            *ends, rest = data.split(b"\n")
            for end in ends:
                self._hold(end)
                self._give_line()
            self._hold(rest)
        return bool(data)

    def finish(self) -> None:
        """Pass on the rest after the command has ended, including an unterminated last line."""
        for pipe in self.pipes:
            self.pump(pipe)
        if self._line:
            self._give_line()

    def _hold(self, piece: bytes) -> None:
        self._line += piece[: LINE_LIMIT_BYTES - len(self._line)]

    def _give_line(self) -> None:
        assert self._on_line is not None
        line = bytes(self._line)
        self._line.clear()
        self._on_line(line)


class _LimitedLog:
    """A log that keeps the first LOG_LIMIT_BYTES of what is written, and the last few bytes."""

    def __init__(self, path: Path, *, tail_bytes: int) -> None:
        self._path = path
        self._tail_bytes = tail_bytes
        self._tail = b""
        self._room = LOG_LIMIT_BYTES
        self._dropped = 0

    def __enter__(self) -> _LimitedLog:
        self._file = self._path.open("ab")
        return self

    def __exit__(self, *_: object) -> None:
        with self._file:
            if self._dropped:
                told = b"\n[%d more bytes of output were dropped]\n"
                self._file.write(told % (self._dropped - len(self._tail)) + self._tail)

    def write(self, data: bytes) -> None:
        kept, rest = data[: self._room], data[self._room :]
        self._room -= len(kept)
        self._dropped += len(rest)
        if rest and self._tail_bytes:
            self._tail = (self._tail + rest)[-self._tail_bytes :]
        self._file.write(kept)
        self._file.flush()

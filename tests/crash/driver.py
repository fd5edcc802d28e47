"""`driver.py AFTER HOW ARGUMENTS...`: the command line, killed right after event number AFTER.

The event is on disk, but nothing has acted on it yet. With HOW = torn only half of its line is.
It kills its own process group, so start it in one of its own. It counts its own events only.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

from concertmaster.cli import main as command_line
from concertmaster.engine.journal import Journal, dump_event
from concertmaster.events import Event

Append = Callable[[Journal, Sequence[Event]], None]


def main() -> int:
    after, how, *arguments = sys.argv[1:]
    append_some = killing(Journal.append, after=int(after), torn=how == "torn")
    Journal.append = append_some  # type: ignore[method-assign, assignment]
    return command_line.main(arguments)


def killing(append: Append, *, after: int, torn: bool) -> Append:
    """Append one by one, and no further than `after`."""
    left = after

    def append_some(journal: Journal, events: Sequence[Event]) -> None:
        nonlocal left
        for event in events:
            left -= 1
            if left == 0 and torn:
                write_half(journal, event)
            else:
                append(journal, [event])
            if left == 0:
                os.killpg(0, signal.SIGKILL)

    return append_some


def write_half(journal: Journal, event: Event) -> None:
    line = dump_event(event)
    with journal.path.open("ab") as file:
        file.write(line[: len(line) // 2])


if __name__ == "__main__":
    sys.exit(main())

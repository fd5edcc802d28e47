"""Runs the command line and kills it: `driver.py AFTER HOW ARGUMENTS...`.

It is killed after event number AFTER of this process has been written and before it is acted on.
With HOW = torn only half of that event's line is written. Observed footprints do not count, because
their number depends on the machine; with HOW = every they do. It kills its own process group, so it
must be started in a new one.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence

from concertmaster.cli import main as command_line
from concertmaster.engine.journal import Journal, dump_event
from concertmaster.events import Event, FootprintObserved

Append = Callable[[Journal, Sequence[Event]], None]


def main() -> int:
    after, how, *arguments = sys.argv[1:]
    kinds = (FootprintObserved,) if how != "every" else ()
    append_some = killing(Journal.append, after=int(after), torn=how == "torn", uncounted=kinds)
    Journal.append = append_some  # type: ignore[method-assign, assignment]
    return command_line.main(arguments)


def killing(
    append: Append, *, after: int, torn: bool, uncounted: tuple[type[Event], ...]
) -> Append:
    """Return an `append` that kills the process group at event number `after`."""
    left = after

    def append_some(journal: Journal, events: Sequence[Event]) -> None:
        nonlocal left
        for event in events:
            if isinstance(event, uncounted):
                append(journal, [event])
                continue
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

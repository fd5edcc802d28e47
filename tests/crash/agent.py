"""A scripted agent, `agent.py OUTSIDE`, whose work depends on the heading of the prompt.

It writes notes for the tests to the folder OUTSIDE, which lies outside every worktree.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

OUTSIDE = Path(sys.argv[1])
MARK = os.environ["CONCERTMASTER_MARK"]


def note(name: str, words: str = MARK) -> None:
    """Append a line to the note; many agents may do so at once."""
    with (OUTSIDE / name).open("a") as file:
        file.write(f"{words}\n")


def wait_for(name: str) -> None:
    """Wait until the note exists."""
    while not (OUTSIDE / name).exists():
        time.sleep(0.01)


def write_alpha() -> None:
    Path("alpha.txt").write_text("alpha\n")


def write_beta() -> None:
    """Write beta.txt, which contains alpha.txt of the task that it needs."""
    Path("beta.txt").write_text(f"{Path('alpha.txt').read_text().strip()} beta\n")


def change_top() -> None:
    change_line(0)


def change_bottom() -> None:
    change_line(-1)


def change_line(number: int) -> None:
    lines = Path("shared.txt").read_text().splitlines()
    lines[number] += " changed"
    Path("shared.txt").write_text("\n".join(lines) + "\n")


def fail() -> None:
    Path("stubborn.txt").write_text("as far as it came\n")
    sys.exit("it cannot be done")


def find_nothing() -> None:
    print('```json\n{"no_op": "all of it is there"}\n```')


def leave_a_daemon() -> None:
    """Start a process outside the agent's session, parent and pipes; write delta.txt."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            for number in range(3):
                os.close(number)
            note("daemons")
            time.sleep(600)
        os._exit(0)
    os.wait()
    wait_for("daemons")
    Path("delta.txt").write_text("delta\n")


def work_slowly() -> None:
    """Write half of the work, wait for the note `daemons`, then write the rest."""
    Path("half.txt").write_text("half\n")
    note("halves")
    wait_for("daemons")
    Path("whole.txt").write_text("whole\n")


def write_elsewhere() -> None:
    """Change y.txt, while the prompt promises x.txt."""
    Path("y.txt").write_text("wide\n")


def write_x() -> None:
    note("held")
    Path("x.txt").write_text("held\n")


def write_y() -> None:
    with Path("y.txt").open("a") as file:
        file.write("late\n")


def fill() -> None:
    wait_until_a_change_is_known()
    Path("z.txt").write_text("filler\n")


def wait_until_a_change_is_known() -> None:
    """Wait until the journal tells what a phase of another task has changed."""
    (journal,) = (OUTSIDE.parent / "project/.git/concertmaster/runs").glob("*/journal.jsonl")
    for _ in range(6000):
        if b'"sighting":"changed"' in journal.read_bytes():
            break
        time.sleep(0.01)
    else:
        sys.exit("nobody has told what another task has changed")


def write_first() -> None:
    change_the_same_line("first")


def write_second() -> None:
    wait_until_a_change_is_known()
    note("second")
    change_the_same_line("second")


def change_the_same_line(word: str) -> None:
    """Add the word to line 0 of shared.txt; where that conflicts, take both words."""
    lines = Path("shared.txt").read_text().splitlines()
    if not lines[0].startswith("<<<<<<<"):
        lines[0] += f" {word}"
    else:
        end = next(number for number, line in enumerate(lines) if line.startswith(">>>>>>>"))
        lines[: end + 1] = ["line 0 first second"]
    Path("shared.txt").write_text("\n".join(lines) + "\n")


WORK: dict[str, Callable[[], None]] = {
    "# Alpha": write_alpha,
    "# Beta": write_beta,
    "# Top": change_top,
    "# Bottom": change_bottom,
    "# Stubborn": fail,
    "# Nothing": find_nothing,
    "# Daemon": leave_a_daemon,
    "# Slow": work_slowly,
    "# Wide": write_elsewhere,
    "# Held": write_x,
    "# Late": write_y,
    "# Filler": fill,
    "# First": write_first,
    "# Second": write_second,
}


if __name__ == "__main__":
    note("starts")
    prompt = sys.stdin.read()
    WORK[next(line for line in prompt.splitlines() if line in WORK)]()

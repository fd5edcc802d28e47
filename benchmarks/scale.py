"""Measures whether a task costs more in a large run than in a small one, with instant agents.

Fails when a task of the largest run costs more than 1.3 times a task of the smallest, when not
all tasks land, or when the report's page is larger than 1 kB per task.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from trial import Trial, Work

SIZES = (100, 400, 1000, 3000)
SLOTS = 8
MOST_RATIO = 1.3
PAGE_BYTES_PER_TASK = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """The measurements of one size; `memory_mb` is the peak of the largest process."""

    tasks: int
    seconds: float
    processor_seconds: float
    memory_mb: float
    page_kb: float
    load: float

    @property
    def milliseconds_each(self) -> float:
        return 1000 * self.seconds / self.tasks


def measure(folder: Path, count: int) -> Scale:
    """Run `count` tasks; exits if not all of them land."""
    trial = Trial(folder, [Work(name=f"task{number:04}") for number in range(count)])
    os.sync()
    result = trial.run(SLOTS)
    if result.landed != count:
        sys.exit(f"{result.landed} of {count} tasks landed")
    (page,) = (trial.repository / ".git" / "concertmaster" / "runs").glob("*/report.html")
    return Scale(
        tasks=count,
        seconds=result.seconds,
        processor_seconds=result.processor_seconds,
        memory_mb=result.memory_bytes / 1e6,
        page_kb=page.stat().st_size / 1e3,
        load=result.load,
    )


def show(rows: Sequence[Scale], ratio: float) -> None:
    print(f"instant agents, {SLOTS} slots, {len(os.sched_getaffinity(0))} cores, all tasks landed")
    print("tasks   total   each task   its processor time   peak memory   report.html   load")
    for row in rows:
        print(
            f"{row.tasks:5}{row.seconds:7.1f} s{row.milliseconds_each:9.1f} ms"
            f"{1000 * row.processor_seconds / row.tasks:18.1f} ms"
            f"{row.memory_mb:11.0f} MB{row.page_kb:11.0f} kB{row.load:7.1f}"
        )
    verdict = "holds" if ratio <= MOST_RATIO else "MISSED"
    print(f"{rows[-1].tasks} to {rows[0].tasks} tasks: {ratio:.2f} <= {MOST_RATIO}  {verdict}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--folder", help="where to work, such as a disk in memory")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        measure(Path(scratch, "warm"), 1)
        rows = [measure(Path(scratch, str(count)), count) for count in options.sizes]
    ratio = rows[-1].milliseconds_each / rows[0].milliseconds_each
    if options.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "ratio": ratio}, indent=2))
    else:
        show(rows, ratio)
    pages_fit = all(row.page_kb * 1e3 <= PAGE_BYTES_PER_TASK * row.tasks for row in rows[1:])
    return 0 if ratio <= MOST_RATIO and pages_fit else 1


if __name__ == "__main__":
    sys.exit(main())

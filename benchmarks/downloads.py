"""Measures copying the kept downloads to a new home against a download of the same size.

Fails when copying takes longer than a line of 100 Mbit/s, without its requests and unpacking.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from concertmaster.sandbox import download_cache

LINES = {"100 Mbit/s": 12.5e6, "1 Gbit/s": 125e6}  # bytes per second


def fill(home: Path, *, megabytes: int, kilobytes: int) -> int:
    """Write files as a package manager caches them; return their number."""
    count = megabytes * 1024 // kilobytes
    for number in range(count):
        folder = home / ".cache" / "uv" / "archive-v0" / f"{number % 200:03}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.py").write_bytes(os.urandom(kilobytes * 1024))
    return count


def measure(scratch: Path, options: argparse.Namespace) -> bool:
    """Return whether copying is fast enough."""
    homes = [scratch / f"home{number}" for number in range(options.rounds + 1)]
    for home in homes:
        home.mkdir()
    count = fill(homes[0], megabytes=options.megabytes, kilobytes=options.kilobytes)
    os.sync()
    begin = time.perf_counter()
    note = download_cache.keep(homes[0], scratch / "kept")
    kept = time.perf_counter() - begin
    seconds = []
    for home in homes[1:]:
        begin = time.perf_counter()
        note = note or download_cache.hand_out(scratch / "kept", home, account=None)
        seconds.append(time.perf_counter() - begin)
    lines = {name: options.megabytes * (1 << 20) / speed for name, speed in LINES.items()}
    typical = sorted(seconds)[len(seconds) // 2]
    print(f"{options.megabytes} MiB in {count} files; {note or 'all well'}")
    print(f"kept once      {kept:6.2f} s")
    print(f"copied to each {typical:6.2f} s (the slowest {max(seconds):.2f} s)")
    for name, line in lines.items():
        print(f"by a line      {line:6.2f} s at {name}")
    return not note and typical < max(lines.values())


def find_memory() -> str | None:
    """Return a file system in memory: on a shared disk the same copy takes 1 s or 11 s."""
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--kilobytes", type=int, default=10, help="of one file")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", default=find_memory(), help="where to work (default: memory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
        return 0 if measure(Path(scratch), options) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Runs `init`, `doctor` and `run` on clones of real repositories: `make real DIR=folder`.

Each entry of the folder is a repository, with or without files. The agent is scripted: it adds a
file. Nothing is set by hand but what `init` wrote. Prints one line for each repository, and ends
with 1 if one of them did not land.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

PROMPT = "# Add a note\n\nAdd the file concertmaster-note.txt.\n"
AGENT = "cat > /dev/null; echo note > concertmaster-note.txt"
WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
LONGEST = 400  # characters of a message


def main(folder: Path) -> int:
    failed = 0
    for source in sorted(path for path in folder.iterdir() if path.is_dir()):
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="cm-real-") as scratch:
            clone = Path(scratch) / source.name.removesuffix(".git")
            problem = next(try_repository(source, clone), "")
        seconds = time.monotonic() - began
        failed += bool(problem)
        print(f"{source.name}: {problem or 'landed'} ({seconds:.0f} s)", flush=True)
    return 1 if failed else 0


def try_repository(source: Path, clone: Path) -> Iterator[str]:
    """Yield the first step that does not work, with the end of what it said."""
    for name, words, here in steps(source, clone):
        done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)
        if name in ("init", "doctor"):
            print(f"  {name}: {shorten(done.stdout)}", flush=True)
        if done.returncode != 0:
            yield f"{name} failed ({done.returncode}): {shorten(done.stdout + done.stderr)}"


def steps(source: Path, clone: Path) -> Iterator[tuple[str, list[str], Path]]:
    us = [sys.executable, "-m", "concertmaster"]
    yield "clone", ["git", "clone", "--quiet", str(source), str(clone)], clone.parent
    yield "init", [*us, "init"], clone
    yield "commit", ["git", "add", "concertmaster.yml"], clone
    yield "commit", ["git", *WHO, "commit", "--quiet", "-m", "Settings"], clone
    yield "doctor", [*us, "doctor", "--no-try"], clone
    prompt = clone.parent / "note.md"
    yield "prompt", ["sh", "-c", f"printf '%s' '{PROMPT}' > '{prompt}'"], clone
    yield "run", [*us, "run", str(prompt), "--agent-command", f"sh -c '{AGENT}'"], clone
    yield "landed", ["git", "cat-file", "-e", "HEAD:concertmaster-note.txt"], clone
    yield "clean", [*us, "clean"], clone


def shorten(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= LONGEST else f"... {words[-LONGEST:]}"


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

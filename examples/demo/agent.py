"""The demo's agent. It is no model: it replays edits that people wrote down in `edits/`.

Concertmaster starts it as any other agent: the prompt comes on stdin, the worktree is the
working directory, exit status 0 and a diff mean done. Which edits to replay follows from the
prompt's heading; a prompt that it does not know is an error, since it cannot think of anything.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

EDITS = Path(__file__).resolve().parent / "edits"
PLACES = ("above", "below", "instead_of")


class Stuck(Exception):
    """The recorded edits do not fit what the agent finds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """Put `text` into `file`: at `anchor` as `place` says, or as the whole of a new file."""

    file: str
    text: str
    place: str
    anchor: str
    only_if: dict[str, str]  # file -> text that it must hold


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """What one edit file says. `seconds` is how long the agent pretends to think."""

    title: str
    seconds: float
    edits: tuple[Edit, ...]


def main() -> int:
    pace = arguments().parse_args().pace
    prompt = sys.stdin.buffer.read().decode("utf-8", errors="replace")
    try:
        recording = find_recording(prompt)
        say(f'I am no model. I replay the edits recorded for "{recording.title}".')
        replay(recording, Path.cwd().resolve(), pace=pace)
    except Stuck as error:
        say(f"stuck: {error}")
        return 1
    return 0


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="agent.py", description="Replays the demo's edits.")
    parser.add_argument("--pace", type=float, default=1.0, help="0 = do not pretend to think")
    return parser


def find_recording(prompt: str) -> Recording:
    """The recording whose title is the first known heading, wherever it stands in the prompt."""
    recordings = [load_recording(path) for path in sorted(EDITS.glob("*.toml"))]
    by_title = {recording.title: recording for recording in recordings}
    rows = [row.strip() for row in prompt.splitlines()]
    for heading in (row.lstrip("# ") for row in rows if row.startswith("#")):
        if heading in by_title:
            return by_title[heading]
    raise Stuck(f"no heading of this prompt is one I have edits for; I know {list(by_title)}")


def load_recording(path: Path) -> Recording:
    raw = tomllib.loads(path.read_text(encoding="utf-8"))
    edits = tuple(load_edit(entry) for entry in raw["edit"])
    return Recording(title=raw["title"], seconds=raw["seconds"], edits=edits)


def load_edit(raw: dict[str, Any]) -> Edit:
    place = next((place for place in PLACES if place in raw), "")
    anchor = raw.get(place, "").strip("\n") + "\n"
    only_if = raw.get("only_if", {})
    return Edit(file=raw["file"], text=raw["put"], place=place, anchor=anchor, only_if=only_if)


def replay(recording: Recording, worktree: Path, *, pace: float) -> None:
    """Write nothing before every edit is known to fit."""
    texts: dict[str, str] = {}
    for edit in recording.edits:
        if all(part in read(worktree, file, texts) for file, part in edit.only_if.items()):
            texts[edit.file] = apply(edit, read(worktree, edit.file, texts))
    changed = {file: text for file, text in texts.items() if text != read(worktree, file, {})}
    for file, text in changed.items():
        time.sleep(pace * recording.seconds / len(changed))
        write(worktree / file, text)
        say(f"wrote {file}")
    say(f"done, {len(changed)} files changed" if changed else "all of it is there already")


def apply(edit: Edit, before: str) -> str:
    """The file's text after the edit; the same text where it was made before."""
    if edit.text in before:
        return before
    if not edit.place:
        return edit.text
    if before.count(edit.anchor) != 1:
        raise Stuck(f"{edit.file} does not hold exactly one {edit.anchor!r}")
    after = {
        "above": edit.text + edit.anchor,
        "below": edit.anchor + edit.text,
        "instead_of": edit.text,
    }
    return before.replace(edit.anchor, after[edit.place])


def read(worktree: Path, file: str, texts: dict[str, str]) -> str:
    """The text with the edits made so far, "" for a file that is not there."""
    path = (worktree / file).resolve()
    if not path.is_relative_to(worktree):
        raise Stuck(f"{file} leads out of the worktree")
    if file in texts:
        return texts[file]
    return path.read_text(encoding="utf-8") if path.exists() else ""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def say(line: str) -> None:
    print(f"demo agent: {line}", flush=True)


if __name__ == "__main__":
    sys.exit(main())

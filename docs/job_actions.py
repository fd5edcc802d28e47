"""Makes the actions of the single jobs from action.yml: `make docs`.

GitHub documents `uses: $/FOLDER` for an action at the commit of the workflow itself, so these have
a folder each. They differ from action.yml in their name and in their image.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "action.yml"
# Name of the action, by its folder.
FOLDERS: Mapping[str, str] = {
    "trusted": "Concertmaster for jobs that write",
    "agents": "Concertmaster for jobs that run agents and checks",
}
HEAD = "# Made from action.yml by `make docs`; change that one.\n"
NAME = "name: Concertmaster\n"
IMAGE = "  image: Dockerfile\n"
EXCEPTION = "# zizmor: ignore[unpinned-images] it is the file of an image"
BUILT = f"  image: ../Dockerfile {EXCEPTION}\n"


def make_job_action(text: str, *, name: str) -> str:
    """Return the action of this name. Raises ValueError if the source has changed too much."""
    for place in (NAME, IMAGE):
        if text.count(place) != 1:
            raise ValueError(f"action.yml no longer has this once: {place}")
    named = text.replace(NAME, f"name: {name}\n")
    return HEAD + named.replace(IMAGE, BUILT)


def write_job_actions() -> None:
    """Write the actions anew."""
    text = SOURCE.read_text("utf-8")
    for folder, name in FOLDERS.items():
        path = ROOT / folder / "action.yml"
        path.write_text(make_job_action(text, name=name), "utf-8")

"""Names the released images in the actions: what the release commit changes, and all of it.

    python3 -m docs.release_references IMAGE AGENTS_IMAGE

It needs nothing but Python's own library, because the job that calls it can write.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
# Which of the two images an action gets, by its file. `job: run` of action.yml runs agents.
ACTIONS: Mapping[str, int] = {"action.yml": 1, "trusted/action.yml": 0, "agents/action.yml": 1}
BUILT = re.compile(r"^  image: (?:\.\./)?Dockerfile(?: #.*)?$", re.MULTILINE)
IMAGE = re.compile(r"ghcr\.io/[a-z0-9._/-]+@sha256:[0-9a-f]{64}")


def refer(root: Path, images: tuple[str, str]) -> None:
    """Write the images into the actions below `root`.

    The images are that without agents and that with them. Raises ValueError if one is not named
    by a digest, or if an action does not build its image.
    """
    for image in images:
        if not IMAGE.fullmatch(image):
            raise ValueError(f"{image!r} is no image of ghcr.io with a digest")
    texts = {name: (root / name).read_text("utf-8") for name in ACTIONS}
    for name, text in texts.items():
        if len(BUILT.findall(text)) != 1:
            raise ValueError(f"{name} does not build its image; is this a released commit?")
    for name, text in texts.items():
        named = BUILT.sub(f"  image: docker://{images[ACTIONS[name]]}", text)
        (root / name).write_text(named, "utf-8")


if __name__ == "__main__":
    _, small, large = sys.argv
    refer(ROOT, (small, large))

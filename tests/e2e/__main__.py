"""Builds the images for `make image` and prints their sizes by layer."""

from __future__ import annotations

import sys

from tests.e2e.engine import ROOT, CannotRun, running
from tests.e2e.image_size import layers, tabulate

# The image of each target of the Dockerfile.
NAMES = {one: f"localhost/{one}:latest" for one in ("concertmaster", "concertmaster-agents")}

if __name__ == "__main__":
    try:
        with running() as engine:
            for target, name in NAMES.items():
                engine.build(ROOT, name, "--target", target)
                sys.stdout.write(f"{target}\n{tabulate(layers(engine, name))}\n")
    except CannotRun as reason:
        sys.exit(str(reason))

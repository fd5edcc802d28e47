"""Builds the image for `make image` and prints its size by layer."""

from __future__ import annotations

import sys

from tests.e2e.engine import ROOT, CannotRun, running
from tests.e2e.image_size import layers, tabulate

NAME = "localhost/concertmaster:latest"

if __name__ == "__main__":
    try:
        with running() as engine:
            engine.build(ROOT, NAME)
            sys.stdout.write(tabulate(layers(engine, NAME)))
    except CannotRun as reason:
        sys.exit(str(reason))

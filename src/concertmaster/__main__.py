"""The entry point of `concertmaster` and `python -m concertmaster`."""

from __future__ import annotations

import sys

from concertmaster.cli import main

if __name__ == "__main__":
    sys.exit(main())

"""An agent without any judgement: it runs the last fenced shell block of its prompt."""

from __future__ import annotations

import os
import re
import sys

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

if __name__ == "__main__":
    script = BLOCK.findall(sys.stdin.read())[-1]
    os.execv("/bin/sh", ["sh", "-eu", "-c", script])

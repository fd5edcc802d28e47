"""Runs the last fenced shell block of its prompt, as the agent of a test."""

from __future__ import annotations

import os
import re
import sys

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)

if __name__ == "__main__":
    script = BLOCK.findall(sys.stdin.read())[-1]
    os.execv("/bin/sh", ["sh", "-eu", "-c", script])

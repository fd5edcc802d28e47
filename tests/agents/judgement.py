"""Builds the answers of a model to the research and review phases."""

from __future__ import annotations

import json
import re
from typing import Any


def make_plan(*paths: str) -> str:
    """Return the final text of a research phase."""
    plan = {"steps": [f"write {path}" for path in paths], "paths": paths}
    return f"```json\n{json.dumps(plan)}\n```"


def judge(prompt: str, verdict: str, *comments: str, path: str = "answer.txt") -> dict[str, Any]:
    """Return a verdict on the task and the tree that the prompt names."""
    found = re.search(r'"task": "([^"]+)", "tree": "([0-9a-f]+)"', prompt)
    assert found, prompt
    remarks = [{"file": path, "line": 1, "comment": text, "severity": "major"} for text in comments]
    return {"task": found[1], "tree": found[2], "verdict": verdict, "comments": remarks}

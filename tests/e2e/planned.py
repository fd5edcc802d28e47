"""A repository with one prompt, and what is seen when the plan job of its workflow has run."""

from __future__ import annotations

import re

from tests.e2e.runner import Ran

FILES = {
    "concertmaster.yml": "check: sh check.sh\nphases: lean\nschedule: [prompts/apple.md]\n",
    "check.sh": "true\n",
    "Makefile": "test:\n\ttrue\n",
    "prompts/apple.md": "# Write apple.txt\n",
}
PLAN = frozenset({"plan", "control"})


def outputs(ran: Ran) -> dict[str, str]:
    """Return the outputs of the plan job, as the log shows them."""
    found = (re.search(r"/plan *\].*\| output (\w+) = (.*)", line.text) for line in ran.lines)
    return {one[1]: one[2] for one in found if one}


def check_planned(ran: Ran) -> None:
    assert ran.code == 0, ran.log
    said = outputs(ran)
    assert said["run"]
    assert (said["shares"], said["verify"]) == ("[0]", "true")
    assert ran.artifact("concertmaster-plan/plan.json")["run"] == said["run"]

"""The real claude mends results that do not merge or break the check together.

One run holds all cases, because each start of the program is dear. Every task adds to the same
list of changes, which no agent may be asked about.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.agents.endpoint import Endpoint, Reply, Say, Use, prompt_of, turns_of
from tests.commandline import concertmaster, write_prompt
from tests.conftest import Project

pytest_plugins = ["tests.agents.fixtures"]
pytestmark = pytest.mark.agents

REPAIR = "You changed a git repository for the task below."
FUNCTION = "def f(x):\n    return {}\n"
SETTINGS = "fix_attempts: 0\nrepairs: 2\n"
PEACE = "test -e peace.txt || ! test -e left.txt || ! test -e right.txt"
# What the model does for each task at first, and when it mends. The names of files are written so
# that the plan does not see that tasks meet.
FIRST = {
    "add": r"printf 'def f(x):\n    return x + 1\n' > $(ls ap*)",
    "double": r"printf 'def f(x):\n    return x * 2\n' > $(ls ap*)",
    "left": "echo > left.txt",
    "right": "echo > right.txt",
    "up": "echo up > $(ls way*)",
    "down": "echo down > $(ls way*)",
    "seven": "echo > seven.txt",
    "eight": "echo > eight.txt",
}
MENDED = FUNCTION.format("(x + 1) * 2")
MEND = {
    **dict.fromkeys(("add", "double"), f"cat > app.py <<'END'\n{MENDED}END"),
    **dict.fromkeys(("left", "right"), "echo > peace.txt"),
    **dict.fromkeys(("up", "down"), "echo > tried.txt"),  # the markers stay
}


def task_of(prompt: str) -> str:
    names: list[str] = re.findall(r"^# Task (\w+)$", prompt, re.MULTILINE)
    return names[-1]


def work(body: dict[str, Any]) -> Reply:
    """Return what the model does next in the conversation."""
    prompt = prompt_of(body)
    task = task_of(prompt)
    if turns_of(body) > 0:
        return Say("Done.")
    is_repair = REPAIR in prompt
    listed = f"sed -i '/- old/a - {task}' CHANGES.md"
    command = MEND[task] if is_repair else f"{FIRST[task]}\n{listed}"
    return Use("Bash", {"command": command, "description": "work"})


def asked_for_repairs(endpoint: Endpoint) -> Mapping[str, list[dict[str, Any]]]:
    """Return the first turn of each repair, by task."""
    found: dict[str, list[dict[str, Any]]] = {}
    for body in endpoint.turns:
        prompt = prompt_of(body)
        if REPAIR in prompt and turns_of(body) == 0:
            found.setdefault(task_of(prompt), []).append(body)
    return found


def test_conflicts_and_a_broken_union_are_mended_and_added_lines_need_no_agent(
    project: Project, tmp_path: Path, endpoint: Endpoint, claude_program: Path
) -> None:
    files = {
        "app.py": FUNCTION.format("x"),
        "ways.txt": "none\n",
        "CHANGES.md": "# Unreleased\n\n- old\n\n# 1.0\n\n- first\n",
        "concertmaster.yml": SETTINGS,
        ".gitignore": "prompts/\n",
    }
    project.commit("Files", files)
    prompts = [write_prompt(project, name, "true", head=f"touches: [{name}.txt]") for name in FIRST]
    endpoint.script = work

    done = concertmaster(
        *("run", *prompts, "--agent", "claude", "--check", PEACE, "--json"),
        *("--parallel", "3", "--phases", "lean"),
        cwd=project.root,
        env=endpoint.environment(tmp_path / "home"),
    )

    assert done.out, done.err
    rows = {Path(row["prompt"]).stem: row for row in done.document["tasks"]}
    lost = [name for name, row in rows.items() if row["state"] != "landed"]
    assert lost in (["up"], ["down"]), done.out
    assert rows[lost[0]]["state"] == "left_out"
    assert "its repair failed: conflicts are left in ways.txt" in rows[lost[0]]["reason"]
    assert project.git("show", f"{rows[lost[0]]['branch']}:ways.txt") in ("up", "down")
    assert project.git("show", "main:app.py") == MENDED.rstrip()
    at_end = project.git("ls-tree", "--name-only", "main").split("\n")
    assert {"left.txt", "right.txt", "peace.txt"} <= {*at_end}

    repairs = asked_for_repairs(endpoint)
    assert sorted(len(turns) for turns in repairs.values()) == [1, 1, 2]
    assert len(repairs.keys() & {"add", "double"}) == len(repairs.keys() & {"left", "right"}) == 1
    assert len(repairs[lost[0]]) == 2
    changes = project.git("show", "main:CHANGES.md")
    assert {name for name in FIRST if f"- {name}\n" in changes} == {*FIRST} - {*lost}
    for task, turns in repairs.items():
        for body in turns:
            assert "- CHANGES.md" not in prompt_of(body)
            earlier = str(body["messages"][:-1])
            assert f"# Task {task}" in earlier, "the session of the task goes on"

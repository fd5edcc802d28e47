"""Writes the files of the smoke test into a folder.

    .venv/bin/python -m docs.smoke_test OWNER/NAME@REF FOLDER

See docs/smoke-test.md.
"""

from __future__ import annotations

import sys
from pathlib import Path

from concertmaster.settings.action_source import find_action_source

ROOT = Path(__file__).parents[1]
PROBES = Path(__file__).parent / "smoke"
WORKFLOWS = ".github/workflows"
# The agent needs no account; it takes long enough for a person to do something meanwhile.
AGENT = 'sh -c "sleep 90; date > $(date +%s%N).txt"'
INPUTS = "    with:\n      run: ${{ inputs.run }}\n"
FILES = {
    "concertmaster.yml": "check: 'true'\nattempts: 1\nphases: lean\n",
    "prompts/apple.md": "# Write an apple\n",
    "prompts/pear.md": "# Write a pear\n",
    "prompts/plum.md": "---\nneeds: [pear.md]\n---\n# Write a plum\n",
}


def make_files(action: str) -> dict[str, str]:
    """Return content by path. Raises UsageError for an action of another form.

    Raises ValueError if the example has changed too much.
    """
    caller = (ROOT / "examples/minimal.yml").read_text("utf-8")
    if caller.count(INPUTS) != 1:
        raise ValueError("examples/minimal.yml no longer has the inputs of the smoke test")
    agent = f"    with:\n      agent: command\n      agent_command: '{AGENT}'\n"
    filled = find_action_source(action).fill(caller)
    probes = {f"{WORKFLOWS}/{path.name}": path.read_text("utf-8") for path in PROBES.glob("*.yml")}
    orchestrate = filled.replace(INPUTS, agent + INPUTS.removeprefix("    with:\n"))
    return {**FILES, **probes, f"{WORKFLOWS}/orchestrate.yml": orchestrate}


def write_files(action: str, folder: Path) -> None:
    for path, text in make_files(action).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, "utf-8")


if __name__ == "__main__":
    _, given, place = sys.argv
    write_files(given, Path(place))

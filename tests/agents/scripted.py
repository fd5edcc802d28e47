"""Implements an agent that does what its prompt says, for the scripted command lines beside it.

The agent runs the last fenced shell block of its prompt, or the one that its session remembers.
The block gets the prompt in the file $PROMPT_FILE, the options in $OPTIONS, the session in
$SESSION and the number of the turn in that session in $TURN, from 1. Its output is the agent's
final text. Lines that it writes to $ORDERS make the command line imitate rarer behaviour:

    limit TEXT      end at a usage limit with this error text or the usual one (claude: TEXT is
                    the reset time in epoch seconds)
    reject          end as if the key were rejected (claude)
    cost USD        report this cost of the turn (claude)
    overload        end as if the service were overloaded
    silent          exit with 0 but without the final event
    empty           end a turn in which nothing was done (codex)
    noise           print unknown events and lines that are no events, also after the final one
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 1000, 400, 50  # for each turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The result of one prompt: the script, its output and its orders."""

    prompt: str
    script: str
    text: str
    orders: dict[str, str]
    session: str
    number: int


class Sessions:
    """The sessions that a command line keeps below its home, with their numbers of turns."""

    def __init__(self, name: str, *, home: str = "HOME") -> None:
        self.folder = Path(os.environ.get(home) or os.environ["HOME"]) / f".scripted-{name}"

    def has(self, session: str) -> bool:
        return (self.folder / session).is_file()

    def ask(self, session: str, prompt: str) -> tuple[int, str]:
        """Record a turn; return its number, from 1, and the script to run."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / session
        turn, script = json.loads(file.read_text()) if file.is_file() else (0, "true\n")
        script = (BLOCK.findall(prompt) or [script])[-1]
        file.write_text(json.dumps([turn + 1, script]))
        return turn + 1, script


def play(sessions: Sessions, session: str, *, prompt: str | None = None) -> Turn:
    """Run the script of the prompt (default: standard input); exit with its code if it fails."""
    prompt = sys.stdin.read() if prompt is None else prompt
    session = session or str(uuid.uuid4())
    number, script = sessions.ask(session, prompt)
    with tempfile.TemporaryDirectory() as folder:
        orders, file = Path(folder) / "orders", Path(folder) / "prompt"
        orders.touch()
        file.write_text(prompt, encoding="utf-8")
        told = {
            "ORDERS": str(orders),
            "PROMPT_FILE": str(file),
            "OPTIONS": " ".join(sys.argv[1:]),
            "TURN": str(number),
            "SESSION": session,
        }
        done = subprocess.run(
            ["/bin/sh", "-eu", "-c", script],
            env={**os.environ, **told},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        lines = [line.partition(" ") for line in orders.read_text(encoding="utf-8").splitlines()]
    if done.returncode:
        sys.exit(done.returncode)
    return Turn(
        prompt=prompt,
        script=script,
        text=done.stdout.strip(),
        orders={name: words for name, _, words in lines},
        session=session,
        number=number,
    )


def emit(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def emit_noise() -> None:
    print("npm warn: this line is no event\n\n[1, 2]", flush=True)
    emit({"type": "event.of.tomorrow", "status": "error", "item": {"type": "agent_message"}})

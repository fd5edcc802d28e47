"""What the scripted command lines beside this file share: an agent that does as its prompt says.

It runs the last fenced block of shell in its prompt, or where there is none the one that its
session remembers. The block finds the prompt in the file $PROMPT_FILE, its options in $OPTIONS,
its session in $SESSION and in $TURN how often that was asked, from 1. What it prints is the
agent's last word. Lines that it writes to $ORDERS make the command line do what the real ones do
at times:

    limit WORDS     end at a usage limit, told in these words or in its own (claude: its reset,
                    in epoch seconds)
    cost USD        tell that this turn cost so much (claude)
    overload        end as when the service is overloaded
    silent          end well, but without the final event
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
INPUT_TOKENS, CACHED_TOKENS, OUTPUT_TOKENS = 1000, 400, 50  # of each turn


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One prompt that was carried out: what was run, said and ordered."""

    prompt: str
    script: str
    text: str
    orders: dict[str, str]
    session: str
    number: int


class Sessions:
    """The sessions that a command line has kept below its home, and how often each was asked."""

    def __init__(self, name: str, *, home: str = "HOME") -> None:
        self.folder = Path(os.environ.get(home) or os.environ["HOME"]) / f".scripted-{name}"

    def has(self, session: str) -> bool:
        return (self.folder / session).is_file()

    def ask(self, session: str, prompt: str) -> tuple[int, str]:
        """The number of this turn, from 1, and what is to be run in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = self.folder / session
        turn, script = json.loads(file.read_text()) if file.is_file() else (0, "true\n")
        script = (BLOCK.findall(prompt) or [script])[-1]
        file.write_text(json.dumps([turn + 1, script]))
        return turn + 1, script


def play(sessions: Sessions, session: str, *, prompt: str | None = None) -> Turn:
    """Carry out the prompt, by default from standard input; a failing block ends us as it did."""
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

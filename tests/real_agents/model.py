"""Decides what the scripted model does in each phase; the same for every API.

The prompt says what to do: a line `WRITE path := words` for each file, then a line `RUN command`
for each command. Words that change the
behaviour: NO_CHANGE (it changes nothing), PROSE (its review is prose, also when asked again),
REJECT_ONCE (the first review requests changes).
"""

from __future__ import annotations

import json
import re
import threading
from dataclasses import dataclass
from typing import Any

PHASES = {
    "again": "Your answer cannot be read",
    "mend": "What you did so far lies in the working tree",
    "research": "Find out how the task below is best",
    "document": "Now bring the documentation up to date",
    "review": "Review a change that somebody else made",
    "implement": "Do the task below completely",
}
SO_FAR = "What was done so far lies in the working tree"  # told to an agent without the session
LGTM = "The change looks good to me. Ship it!"


@dataclass(frozen=True, slots=True)
class Say:
    """A text, which ends the turn; `value` is the JSON object that it consists of, if any."""

    text: str
    value: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Write:
    """A call of the tool that writes a file."""

    path: str
    content: str


@dataclass(frozen=True, slots=True)
class Run:
    """A call of the shell; an agent without one looks around instead."""

    command: str


Action = Say | Write | Run
LOOK = Run("ls")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """What an API read from a request.

    `prompt` is the latest prompt of Concertmaster, `turn` the number of tools that were used
    since, `history` all earlier prompts.
    """

    prompt: str
    turn: int
    history: str = ""

    @property
    def phase(self) -> str:
        return phase_of(self.prompt)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """The files that the task wants, with their content."""
        found = _writes_in(self.prompt) or _writes_in(self.history)
        return list(dict.fromkeys(found))


def phase_of(text: str) -> str:
    """Return the phase whose opening words come last in the text, "" if there are none."""
    at = {name: text.rfind(words) for name, words in PHASES.items() if words in text}
    return max(at, key=lambda name: at[name]) if at else ""


def _writes_in(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^WRITE (\S+) := (.*)$", text, re.MULTILINE)


class Model:
    """The scripted model; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rejected: set[str] = set()

    def decide(self, given: Conversation) -> Action:
        """Return the next action in the conversation."""
        phase, whole = given.phase, given.history + given.prompt
        if phase == "again":
            phase = phase_of(given.history) or phase_of(given.prompt.replace(PHASES[phase], ""))
        match phase:
            case "research":
                paths = [path for path, _ in given.writes]
                steps = {"steps": [f"write {path}" for path in paths], "paths": paths}
                return LOOK if given.turn == 0 else _fenced(steps)
            case "review":
                return LOOK if given.turn == 0 else self._review(whole)
            case "implement" | "mend":
                return _work(given, whole)
            case "document":
                return _fenced({"no_docs": "nothing that a reader sees has changed"})
            case _:
                return Say("Hello.")

    def _review(self, whole: str) -> Action:
        if "PROSE" in whole:
            return Say(LGTM)
        task, tree = re.findall(r'"task": "([^"]+)", "tree": "([0-9a-f]+)"', whole)[-1]
        with self._lock:
            is_first = task not in self._rejected
            self._rejected.add(task)
        verdict = {"task": task, "tree": tree, "verdict": "approve", "comments": []}
        if "REJECT_ONCE" in whole and is_first:
            comment = {"file": "a.txt", "line": 1, "comment": "say more", "severity": "major"}
            verdict |= {"verdict": "request_changes", "comments": [comment]}
        return _fenced(verdict)


def _work(given: Conversation, whole: str) -> Action:
    if "NO_CHANGE" in whole:
        return Say("I looked around and left all as it was.")
    if given.turn < len(given.writes):
        path, words = given.writes[given.turn]
        is_mending = given.phase == "mend" or SO_FAR in given.prompt
        return Write(path, f"{words}{' # mended' * is_mending}\n")
    commands = re.findall(r"^RUN (.*)$", given.prompt, re.MULTILINE)
    if given.turn < len(given.writes) + len(commands):
        return Run(commands[given.turn - len(given.writes)])
    return Say("Done.")


def _fenced(value: dict[str, Any]) -> Say:
    return Say(f"```json\n{json.dumps(value)}\n```", value)

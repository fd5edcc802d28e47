"""Reads an agent's answer that improves a prompt.

The answer is accepted only if the new prompt file reads back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.answers import UnreadableAnswer, find_json_objects
from concertmaster.errors import UsageError
from concertmaster.prompts.parser import parse_prompt, write_front_matter
from concertmaster.text import globs
from concertmaster.text.display import display, writable

LONGEST_TEXT = 60_000  # characters
LONGEST_REASON = 500
MOST_TOUCHES = 20
_TEXTS = {"type": "array", "items": {"type": "string"}}
IMPROVE_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["text", "touches", "check", "reason"],
    "properties": {
        "text": {"type": "string"},
        "touches": _TEXTS,
        "check": {"type": "string"},
        "reason": {"type": "string"},
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImprovedPrompt:
    """A better prompt file. `content` is "" if the agent found nothing to change."""

    content: str
    reason: str
    notes: tuple[str, ...] = ()


def read_improvement(answer: str, *, old: str, path: str) -> ImprovedPrompt:
    """Return the improved prompt file.

    The settings of the old file stay as they are; a file without any gets `touches`. A check is
    only proposed in a note, because it is a command. Raises UnreadableAnswer.
    """
    fields = next(find_json_objects(answer), None)
    if fields is None:
        raise UnreadableAnswer("it holds no JSON object")
    text, check = fields.get("text"), fields.get("check", "")
    reason = display(str(fields.get("reason", "")), limit=LONGEST_REASON)
    if not isinstance(text, str) or len(text) > LONGEST_TEXT or not isinstance(check, str):
        raise UnreadableAnswer("its text is no text, or too long")
    if not text.strip():
        return ImprovedPrompt(content="", reason=reason or "nothing has to be changed")
    if text.lstrip().startswith("---"):
        raise UnreadableAnswer("its text begins with settings, which are not asked for")
    head = _settings_of(old)
    touches = _read_touches(fields.get("touches"))
    if not head and touches:
        head = write_front_matter({"touches": list(touches)})
    content = f"{head}{writable(text).strip()}\n"
    try:
        prompt = parse_prompt(content.encode(), path=path)
    except UsageError as error:
        raise UnreadableAnswer(f"it makes no prompt file: {error.why}") from error
    if prompt.completed:
        raise UnreadableAnswer(f"it is marked {prompt.completed}")
    notes = (f"proposed check, not written: {display(check)}",) if check.strip() else ()
    return ImprovedPrompt(content=content, reason=reason, notes=notes)


def _settings_of(old: str) -> str:
    """Return the front matter of a prompt file with both its lines, "" without one."""
    lines = old.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    if lines[0].rstrip() != "---":
        return ""
    end = next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() == "---"), 0)
    return "\n".join(lines[: end + 1]) + "\n\n" if end else ""


def _read_touches(found: object) -> tuple[str, ...]:
    """Return the usable paths of an answer, at most MOST_TOUCHES."""
    listed = found if isinstance(found, list) else []
    paths = [one.removeprefix("./") for one in listed if isinstance(one, str)]
    plain = [p for p in paths if p and p.isprintable() and ".." not in p.split("/")]
    return tuple(dict.fromkeys(p for p in plain if globs.is_literal(p)))[:MOST_TOUCHES]

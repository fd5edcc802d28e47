"""Says in words what a line of an agent's transcript tells."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

_TEXTS = ("text", "result", "content", "delta", "summary", "output", "error")
_TOOLS = ("name", "tool", "tool_name", "command")
_INPUTS = ("input", "arguments", "parameters", "args")
_MOST_DEPTH = 12
_LONGEST = 500  # characters of an input


def say_transcript_line(line: str) -> Iterator[str]:
    """Yield the texts and the uses of tools in a line; a line that is no JSON stands as it is.

    Lines of all agents are read alike: texts lie under a few usual names.
    """
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        yield line
        return
    if not isinstance(event, dict):
        yield line
        return
    for text in _find(event, depth=0):
        yield from filter(str.strip, text.splitlines())


def _find(value: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    if depth > _MOST_DEPTH:
        return
    tool = next((value[key] for key in _TOOLS if isinstance(value.get(key), str)), "")
    given = next((value[key] for key in _INPUTS if value.get(key)), None)
    if tool and (given is not None or "command" in value):
        shown = given if isinstance(given, str) else json.dumps(given) if given else ""
        yield f"[{tool}] {shown[:_LONGEST]}".rstrip()
        return
    for key, inner in value.items():
        if isinstance(inner, str):
            if key in _TEXTS:
                yield inner
        elif isinstance(inner, dict):
            yield from _find(inner, depth=depth + 1)
        elif isinstance(inner, list):
            for item in inner:
                if isinstance(item, dict):
                    yield from _find(item, depth=depth + 1)

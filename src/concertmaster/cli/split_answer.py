"""Reads an agent's answer that splits a prompt into pieces.

A piece is accepted only if its prompt file reads back as it was meant.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concertmaster import graph
from concertmaster.agents.answers import UnreadableAnswer, find_json_objects
from concertmaster.errors import UsageError
from concertmaster.landing.path_policy import PathRules, RunPlace, judge_paths
from concertmaster.model import PathChange
from concertmaster.prompts.parser import MAX_SLUG, as_title, parse_prompt
from concertmaster.prompts.writer import render_prompt
from concertmaster.text import globs
from concertmaster.text.display import count, display, writable

LONGEST_PROMPT = 48_000  # characters; an answer repeats all of them
FEWEST_PIECES, MOST_PIECES = 2, 50
LONGEST_TEXT = 20_000
MOST_TEXT = 60_000
MOST_TOUCHES = 20
LONGEST_TOUCH = 200
LONGEST_REASON = 500
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_WIDTH = 1000  # characters; the console would cut a longer line and hide its end

_TEXTS = {"type": "array", "items": {"type": "string"}}
SPLIT_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "required": ["whole", "pieces"],
    "properties": {
        "whole": {"type": "string"},
        "pieces": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["name", "title", "text", "needs", "touches"],
                "properties": {
                    "name": {"type": "string"},
                    "title": {"type": "string"},
                    "text": {"type": "string"},
                    "needs": _TEXTS,
                    "touches": _TEXTS,
                },
            },
        },
    },
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitPart:
    """A piece of a prompt, to become a prompt file.

    `needs` are files beside it. `content` is the whole content of the file.
    """

    file: str
    title: str
    needs: tuple[str, ...]
    touches: tuple[str, ...]
    content: str
    completed: str = ""  # the mark in its text that makes a plan skip it


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitAnswer:
    """The pieces of a prompt, or in `whole` the reason not to split it."""

    pieces: tuple[SplitPart, ...] = ()
    whole: str = ""
    notes: tuple[str, ...] = ()


def read_split(text: str, *, opened: Collection[str] = ()) -> SplitAnswer:
    """Return the split of an answer. Raises UnreadableAnswer.

    `opened` are the `touches` of the prompt itself. Of the paths that only a person may open to a
    task, a piece keeps these.
    """
    objects = find_json_objects(text)
    found = next((one for one in objects if "pieces" in one or "whole" in one), None)
    if found is None:
        raise UnreadableAnswer("it holds no JSON object with pieces")
    pieces, whole = found.get("pieces"), found.get("whole")
    if whole and pieces:
        raise UnreadableAnswer("it holds pieces, and a reason why there are none")
    if whole:
        return SplitAnswer(whole=_text(whole, "the reason in `whole`", limit=LONGEST_REASON))
    if not isinstance(pieces, list):
        raise UnreadableAnswer("its pieces are no list")
    if not FEWEST_PIECES <= len(pieces) <= MOST_PIECES:
        number = count(len(pieces), "piece")
        raise UnreadableAnswer(f"it has {number}, not {FEWEST_PIECES} to {MOST_PIECES}")
    return _read_pieces(pieces, opened=opened)


def describe_part(piece: SplitPart) -> Iterator[str]:
    """Yield the content of the file, in lines of at most 1000 characters."""
    for line in piece.content.rstrip("\n").split("\n"):
        for start in range(0, max(len(line), 1), _WIDTH):
            yield line[start : start + _WIDTH]


def _read_pieces(found: Sequence[Any], *, opened: Collection[str]) -> SplitAnswer:
    fields = [one if isinstance(one, dict) else {} for one in found]
    names = [_name(one.get("name")) for one in fields]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise UnreadableAnswer(f"two pieces have the name {twice}")
    needs = {
        name: _needs(one.get("needs"), name, names=names)
        for name, one in zip(names, fields, strict=True)
    }
    _refuse_cycle(needs)
    pieces: list[SplitPart] = []
    notes: list[str] = []
    for name, one in zip(names, fields, strict=True):
        touches, left_out = _touches(one.get("touches"), name, opened=opened)
        piece = _piece(name, one, needs=needs[name], touches=touches)
        pieces.append(piece)
        notes += [f"{name}.md: `touches: {path}` is left out; that is yours" for path in left_out]
        if piece.completed:
            notes.append(f"{name}.md is marked {piece.completed}, so a plan would skip it")
    length = sum(len(piece.content) for piece in pieces)
    if length > MOST_TEXT:
        raise UnreadableAnswer(f"its texts have {length} characters, more than {MOST_TEXT}")
    return SplitAnswer(pieces=tuple(pieces), notes=tuple(notes))


def _piece(
    name: str, fields: Mapping[str, Any], *, needs: Sequence[str], touches: Sequence[str]
) -> SplitPart:
    title = as_title(_text(fields.get("title"), f"the title of {name}", limit=LONGEST_TEXT))
    text = _text(fields.get("text"), f"the text of {name}", limit=LONGEST_TEXT)
    content = render_prompt(title=title, text=text, needs=needs, touches=touches)
    try:
        prompt = parse_prompt(content.encode(), path=f"{name}.md")
    except UsageError as error:
        raise UnreadableAnswer(f"the piece {name} makes no prompt file: {error.why}") from error
    if prompt.title != title:
        raise UnreadableAnswer(f"the title of {name} is empty")
    return SplitPart(
        file=f"{name}.md",
        title=title,
        needs=prompt.needs,
        touches=prompt.touches,
        content=content,
        completed=prompt.completed,
    )


def _name(found: Any) -> str:
    if not (isinstance(found, str) and len(found) <= MAX_SLUG and _NAME.fullmatch(found)):
        raise UnreadableAnswer(
            f"{display(str(found), limit=80)!r} is no name: lower-case letters, digits and single"
            f" hyphens, at most {MAX_SLUG}"
        )
    return found


def _needs(found: Any, name: str, *, names: Collection[str]) -> tuple[str, ...]:
    """Return the files that the piece needs, which lie beside it."""
    needs = _texts(found, f"the needs of {name}")
    strange = next((need for need in needs if need not in names), None)
    if strange is not None:
        raise UnreadableAnswer(f"{name} needs {display(strange, limit=80)!r}, which is no piece")
    return tuple(f"{need}.md" for need in dict.fromkeys(needs))


def _refuse_cycle(needs: Mapping[str, Sequence[str]]) -> None:
    """Raise UnreadableAnswer if the needs of the pieces form a cycle."""
    edges = [(name, file.removesuffix(".md")) for name in needs for file in needs[name]]
    cycle = graph.find_cycle(graph.build(needs, edges))
    if cycle:
        raise UnreadableAnswer(f"its needs go round in a circle: {' before '.join(cycle)}")


def _touches(
    found: Any, name: str, *, opened: Collection[str]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the touches to keep and those to leave out.

    An agent must not open paths that are closed to tasks.
    """
    touches = _texts(found, f"the touches of {name}")
    if len(touches) > MOST_TOUCHES or any(len(one) > LONGEST_TOUCH for one in touches):
        raise UnreadableAnswer(f"the touches of {name} are too many or too long")
    left_out = tuple(one for one in touches if one not in opened and _opens(one))
    return tuple(one for one in touches if one not in left_out), left_out


def _opens(touch: str) -> bool:
    """Return whether the glob would let a task change what else waits for a person."""
    path = touch.strip().removeprefix("./")
    change = PathChange(path=path, old_mode="100644", new_mode="100644")
    judged = judge_paths([change], PathRules(place=RunPlace.GITHUB))
    return globs.is_literal(path) and bool(judged.sensitive or judged.refused)


def _texts(found: Any, what: str) -> tuple[str, ...]:
    """Return the list of texts, () if there is none."""
    items = [] if found is None else found
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise UnreadableAnswer(f"{what} are no list of texts")
    return tuple(writable(item) for item in items)


def _text(found: Any, what: str, *, limit: int) -> str:
    if not isinstance(found, str) or not found.strip():
        raise UnreadableAnswer(f"{what} is missing or empty")
    if len(found) > limit:
        raise UnreadableAnswer(f"{what} has {len(found)} characters, more than {limit}")
    return writable(found)

"""Makes paragraphs for a commit's message of what an agent said.

Whatever the agent wrote, nothing in them reads as a trailer, a mark, a reference, a mention, a
revert or a patch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from concertmaster.git.commit_message import inert
from concertmaster.text.display import display

LONGEST_BODY = 1500  # characters
MOST_LINES = 20

_READ = 8 * LONGEST_BODY  # characters of the text
_LONGEST_LINE = 1000
_FENCES = ("```", "~~~")
_RULE = re.compile(r"[-=*_\s]*")
# `git am` takes these for the end of the message or the start of a patch.
_PATCH = re.compile(r">?From |---|diff -|Index: ")


def inert_body(text: str) -> str:
    """Return the text as at most MOST_LINES lines with at most LONGEST_BODY characters.

    Blocks of code are left out, and so are the marks of headings and the indentation of lines.
    """
    return "\n".join(_cut(_join(_without_code(text[:_READ].splitlines())))).strip()


def _without_code(lines: Iterable[str]) -> Iterator[str]:
    """Yield the lines outside of code, each of them inert."""
    is_code = False
    for line in lines:
        plain = display(line, limit=_LONGEST_LINE).strip().lstrip("# ")
        is_fence = plain.startswith(_FENCES)
        if not (is_code or is_fence):
            yield _inert_line(plain)
        is_code = is_code != is_fence


def _inert_line(plain: str) -> str:
    if _RULE.fullmatch(plain):
        return ""
    line = inert(plain, limit=_LONGEST_LINE).replace("<!--", "< !--")
    return f"> {line}" if _PATCH.match(line) else line


def _join(lines: Iterable[str]) -> list[str]:
    """Return the lines with one empty line between paragraphs, and none at both ends."""
    kept: list[str] = []
    for line in lines:
        if line or (kept and kept[-1]):
            kept.append(line)
    return kept[:-1] if kept and not kept[-1] else kept


def _cut(lines: list[str]) -> list[str]:
    if len(lines) <= MOST_LINES and len("\n".join(lines)) <= LONGEST_BODY:
        return lines
    kept = lines[: MOST_LINES - 1]
    while len("\n".join(kept)) > LONGEST_BODY - len("\n…"):
        kept.pop()
    return [*_join(kept), "…"]

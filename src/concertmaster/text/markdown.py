"""Writes untrusted text as Markdown that has no effect on GitHub.

Mentions, references, tags and addresses are written as code, in which GitHub interprets nothing. A
parser reads the structure and this module writes it again, so that no fence, quote or tag of the
text reaches beyond it. All other modules write untrusted text through this one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, groupby, takewhile

from concertmaster.text.display import REPLACEMENT, display, keep_checks, visible
from concertmaster.text.markdown_parser import Block, BlockKind, Span, read_blocks, read_spans

BODY_LIMIT = 65_000  # characters; GitHub refuses a body above 65,536
SHORTENED = "… (shortened)"

_LEAST_HEADING = 4  # below all headings of our own
_WORDS = re.compile(r"\s+|\[ \]|\S+")
_BEFORE = "\"'(*_~"  # punctuation around an active word
_BEHIND = "\"')*_~,.;:!?"
_ACTS = re.compile(
    r"[`<\[\\$|@]"  # code, tags, links, escapes, formulas, tables, mentions
    r"|&#?\w"  # entities
    r"|#\d|(?<![a-z0-9])gh-\d|(?<![a-z0-9])[0-9a-f]{7,}(?![a-z0-9])"  # issues, commits
    r"|://|www\."  # addresses
    r"|::|##\[|(?<!\w)/[a-z]",  # commands to a runner or a bot
    re.IGNORECASE,
)
_OPENS_BLOCK = re.compile(r"[-+*_=~#:]+$|>|~~~|\d{1,9}[.)]$")
# Code markers do not protect the message of a merge or a log, so closing words are changed.
_CLOSES = re.compile(
    r"\b((?:close|fixe?|resolve)[sd]?:?\s{1,9})"
    r"(?=#\d|gh-\d|https?://|[\w.-]{1,99}/[\w.-]{1,99}#\d)",
    re.IGNORECASE,
)
_RUNNER_COMMAND = re.compile(r"^(\s*):(?=:)")
_OLD_RUNNER_COMMAND = re.compile(r"##(?=\[)")
_CLOSING_HASHES = re.compile(r"(?<![ #])(?: +#+)+$")
_BACKTICKS = re.compile(r"`+")
_FENCE = re.compile(r"((?:[ >]|[-+*] |\d{1,9}[.)] )*)(`{3,})[^`]*$")


def neutralise(text: str, *, limit: int) -> str:
    """Return Markdown that reads as `text` does but has no effect, in at most `limit` characters.

    Paragraphs, lists, quotes, headings and code stay. Links become text.
    """
    length = limit if len(text) <= limit else max(0, limit - len(SHORTENED) - 2)
    while True:
        part = text[:length]
        cut = len(part) < len(text)
        ending = f"\n\n{SHORTENED}" if cut else ""
        written = "\n".join(_write(read_blocks(part, html=False))) + ending
        if len(written) <= limit or not length:
            return written[:limit].strip()
        length = max(0, length * limit // len(written) - len(ending) - 1)


def as_line(text: str, *, limit: int = 200) -> str:
    """Return one line of inert Markdown, for a heading or a list item.

    Code and emphasis stay. A longer line ends with an ellipsis.
    """
    return _write_line(read_spans(display(text, limit=limit)))


def as_cell(text: str, *, limit: int = 200) -> str:
    """Return the text as inert Markdown for one cell of a table."""
    return as_line(text, limit=limit).replace("|", r"\|")


def as_code(text: str, *, limit: int = 120) -> str:
    """Return the text in one line, as inline code."""
    return _code(display(text, limit=limit).strip() or REPLACEMENT)


def code_block(text: str, *, limit: int, tail: bool = False) -> str:
    """Return a fenced block that shows `text` and that the text cannot close.

    A text longer than `limit` characters is cut to its beginning, or with `tail` to its end.
    """
    if len(text) > limit:
        text = f"{SHORTENED}\n{text[-limit:]}" if tail else f"{text[:limit]}\n{SHORTENED}"
    return "\n".join(_fence(text))


def clip(body: str, *, limit: int = BODY_LIMIT) -> str:
    """Return the body, or as many of its first lines as fit within `limit` characters.

    A shortened body ends with a note that says so. A code block that was cut is closed.
    """
    if len(body) <= limit:
        return body
    room = limit - len(SHORTENED) - 1
    kept: list[str] = []
    fence = ""
    for line in body.split("\n"):
        closing = _fence_after(line, fence)
        room -= len(line) + 1
        if room < len(closing) + 1:
            break
        kept.append(line)
        fence = closing
    return "\n".join([*kept, *([fence] if fence else []), "", SHORTENED])


def inert_log_line(line: str) -> str:
    """Return the line without workflow commands of GitHub Actions.

    The runner takes `::` at the start of a line, and `##[` anywhere in it, as commands.
    """
    return _OLD_RUNNER_COMMAND.sub("# #", _RUNNER_COMMAND.sub(r"\1: ", visible(line)))


def _fence_after(line: str, fence: str) -> str:
    """Return the line that would close the code block open after `line`, or "" outside code."""
    found = _FENCE.match(line)
    if not found:
        return fence
    if not fence:
        return re.sub(r"[^ >]", " ", found[1]) + found[2]
    return "" if len(found[2]) >= fence.count("`") else fence


def _write(blocks: Iterable[Block], *, is_tight: bool = False) -> list[str]:
    written: list[str] = []
    for block in blocks:
        lines = list(_write_block(block))
        if written and lines and not is_tight:
            written.append("")
        written += lines
    return written


def _write_block(block: Block) -> Iterator[str]:
    match block.kind:
        case BlockKind.PARAGRAPH:
            yield from filter(None, map(_write_line, block.lines))
        case BlockKind.HEADING:
            marker = block.marker if block.marker.startswith("#") else ""
            title = " ".join(filter(None, map(_write_line, block.lines)))
            yield f"{marker:#<{_LEAST_HEADING}} {_CLOSING_HASHES.sub('', title)}".rstrip()
        case BlockKind.CODE:
            yield from _fence(block.code)
        case BlockKind.RULE:
            yield "___"
        case BlockKind.QUOTE:
            yield from (f"> {line}".rstrip() for line in _write(block.blocks) or [""])
        case BlockKind.LIST:
            yield from _write(block.blocks, is_tight=block.is_tight)
        case BlockKind.ITEM:
            yield from _indent(_write(block.blocks, is_tight=True), marker=block.marker)
        case BlockKind.HTML:
            yield from _fence(block.code)


def _indent(lines: Sequence[str], *, marker: str) -> Iterator[str]:
    yield f"{marker} {lines[0]}" if lines else marker
    yield from ((" " * (len(marker) + 1) + line).rstrip() for line in lines[1:])


def _fence(code: str) -> Iterator[str]:
    lines = [_inert(visible(line.expandtabs(4))) for line in code.removesuffix("\n").split("\n")]
    longest = max((len(run) for line in lines for run in _BACKTICKS.findall(line)), default=0)
    fence = "`" * max(3, longest + 1)
    # GitHub renders some languages (mermaid, math, suggestion); it does not render `text`.
    yield f"{fence}text"
    yield from lines
    yield fence


def _inert(code: str) -> str:
    """Return the code without closing keywords, workflow commands and markers that skip checks."""
    return keep_checks(_CLOSES.sub(r"\1- ", inert_log_line(code)))


@dataclass(frozen=True, slots=True)
class _Piece:
    """A word, the spaces between words, or code."""

    text: str
    is_code: bool = False


def _write_line(spans: Iterable[Span]) -> str:
    pieces = list(dropwhile(_is_blank, _split(_flatten(spans))))
    first_word = "".join(piece.text for piece in takewhile(lambda p: not _is_blank(p), pieces))
    if _OPENS_BLOCK.match(first_word):
        pieces[0] = _Piece(pieces[0].text, is_code=True)
    return "".join(_join(pieces)).strip()


def _is_blank(piece: _Piece) -> bool:
    return not piece.text.strip()


def _flatten(spans: Iterable[Span]) -> Iterator[_Piece]:
    """Yield the spans as text and code; a link becomes its text and its address."""
    for span in spans:
        yield _Piece(visible(span.text).strip() if span.is_code else span.text, span.is_code)
        if span.target and span.target != span.text:
            yield from (_Piece(" ("), _Piece(visible(span.target), is_code=True), _Piece(")"))


def _split(pieces: Iterable[_Piece]) -> Iterator[_Piece]:
    """Yield the text in words.

    A word may consist of several pieces: `#[1](x)` shows `#1`.
    """
    for is_code, group in groupby(pieces, key=lambda piece: piece.is_code):
        text = "".join(piece.text for piece in group)
        if is_code:
            yield _Piece(text, is_code=True)
        else:
            yield from (part for word in _WORDS.findall(visible(text)) for part in _judge(word))


def _judge(word: str) -> Iterator[_Piece]:
    """Yield the word, as code if it is active, and separately the punctuation around it."""
    if not _ACTS.search(word):
        yield _Piece(word)
        return
    rest = word.lstrip(_BEFORE)
    core = rest.rstrip(_BEHIND)
    if not core or _ACTS.search(rest[len(core) :]):
        core = rest
    parts = (_Piece(word[: -len(rest)]), _Piece(core, is_code=True), _Piece(rest[len(core) :]))
    yield from (part for part in parts if part.text)


def _join(pieces: Iterable[_Piece]) -> Iterator[str]:
    """Yield the pieces as Markdown.

    Adjacent pieces of code become one, because their backticks would run together.
    """
    code = ""
    for piece in pieces:
        if piece.is_code:
            code += piece.text
        else:
            yield _code(code)
            yield piece.text
            code = ""
    yield _code(code)


def _code(text: str) -> str:
    if not text:
        return ""
    text = _inert(text)
    fence = "`" * (max(map(len, _BACKTICKS.findall(text)), default=0) + 1)
    pad = " " if "`" in (text[0], text[-1]) else ""
    return f"{fence}{pad}{text}{pad}{fence}"

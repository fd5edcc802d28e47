"""Finds the lines of a comment or an issue that are entries of a list of prompts, or look so.

Only visible items of a list are entries. A line that names a prompt file elsewhere is passed over
with a reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto

from concertmaster.text.markdown_parser import Block, BlockKind, Span

_BOX = re.compile(r"\s*\[([ xX])\](?:\s+|$)")
_STRUCK = re.compile(r"\s*~~")
_OLDER_FORM = re.compile(
    r"\bexecute (?:these|the following)\b.{0,99}\bprompts?\b|\bprompts in parallel\b", re.IGNORECASE
)
_NO_RESPONSE = "_No response_"  # the answer that an issue form writes for an empty field
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_TAG = re.compile(r"<[^<>]{0,200}>")
_MARKER = r"[\s|>*+\-\u2010-\u2015\u2022\u2023\u2043\u2219\u25aa\u25cf\u25e6\u00b7]"
_LIKE_ITEM = re.compile(
    rf"{_MARKER}{{0,20}}+(?:\d{{1,4}}[.)]\s?)?(?:\[.?\]\s?)?[`*_(\"'\[<]{{0,4}}"
    r"[^\s`()\[\]<>|]{1,400}\.md\b",
    re.IGNORECASE,
)
_ROW = re.compile(r"\s*(?:\||[\u2022\u2023\u2043\u2219\u25aa\u25cf\u25e6\u00b7]|[-*+]\S)")

CONTINUED = "it continues the item above; give it a bullet of its own"
_NO_ITEM = "it is no item of a list; write `- ` before the path"
_QUOTED = "it stands in a quote"
_IN_CODE = "it stands in a code block"
_HEADING = "it is a heading; write `- ` before the path"
_IN_HTML = "it stands between HTML tags; put a blank line before the list"


class BoxMeaning(Enum):
    """What the check box or strike-through of an item says."""

    NONE = auto()
    DONE = auto()  # ticked by hand, or struck out
    CHOSEN = auto()  # [X] in the answer of an issue form
    NOT_CHOSEN = auto()
    UNCLEAR = auto()  # [x] beside [X] in the answer of an issue form


@dataclass(frozen=True, slots=True, kw_only=True)
class ListLine:
    """A line that names a prompt, or may; `spans` hold its text without the check box.

    `passed` says why the line is no entry of the list, "" if it is one.
    """

    number: int
    spans: tuple[Span, ...]
    mark: BoxMeaning = BoxMeaning.NONE
    passed: str = ""

    @property
    def text(self) -> str:
        """The text as readers see it."""
        return "".join(span.text for span in self.spans)

    @property
    def text_with_targets(self) -> str:
        """The text with the addresses of its links."""
        return "".join(f" {s.text} {s.target} " if s.target else s.text for s in self.spans)

    @property
    def looks_listed(self) -> bool:
        """Whether a reader would take the line for an entry of a list of files."""
        text = "".join(span.target or span.text for span in self.spans)
        return bool(_LIKE_ITEM.match(text) or _ROW.match(text))


def find_lines(blocks: Sequence[Block]) -> Iterator[ListLine]:
    """Yield the entries of all lists, the plain lines after "Execute these prompts" among them.

    Between them are the lines that look like entries and are none.
    """
    yield from _find(blocks, form=_read_form(blocks))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """Whether a text is the answer of an issue form, in which [X] means chosen."""

    is_possible: bool = False
    is_certain: bool = False


def _read_form(blocks: Sequence[Block]) -> _Form:
    headings = [block.marker for block in blocks if block.kind is BlockKind.HEADING]
    starts = bool(blocks) and blocks[0].kind is BlockKind.HEADING
    is_possible = starts and set(headings) == {"###"}
    answers = (b for b in blocks if b.kind is BlockKind.PARAGRAPH)
    empty = any(_plain(line) == _NO_RESPONSE for block in answers for line in block.lines)
    return _Form(is_possible=is_possible, is_certain=is_possible and empty)


def _find(blocks: Iterable[Block], *, form: _Form, passed: str = "") -> Iterator[ListLine]:
    is_list = False
    for block in blocks:
        match block.kind:
            case BlockKind.LIST:
                yield from _find_list(block, form=form, passed=passed)
            case BlockKind.PARAGRAPH:
                for line in _lines_of(block):
                    is_list = is_list and line.looks_listed
                    why = passed or ("" if is_list else _NO_ITEM)
                    if is_list or line.looks_listed:
                        yield replace(line, passed=why)
                    is_list = is_list or bool(_OLDER_FORM.search(line.text))
            case BlockKind.QUOTE:
                yield from _find(block.blocks, form=_Form(), passed=passed or _QUOTED)
            case BlockKind.HEADING:
                yield from _find_passed(_lines_of(block), why=passed or _HEADING)
            case BlockKind.CODE | BlockKind.HTML:
                why = _IN_CODE if block.kind is BlockKind.CODE else _IN_HTML
                yield from _find_passed(_lines_of_code(block), why=passed or why)
            case _:
                pass


def _find_passed(lines: Iterable[ListLine], *, why: str) -> Iterator[ListLine]:
    yield from (replace(line, passed=why) for line in lines if line.looks_listed)


def _find_list(block: Block, *, form: _Form, passed: str) -> Iterator[ListLine]:
    boxes = [_read_box(item) for item in block.blocks]
    is_answer = form.is_possible and all(boxes) and ("X" in boxes or form.is_certain)
    for item in block.blocks:
        rest = item.blocks
        if rest and rest[0].kind is BlockKind.PARAGRAPH:
            first, *further = _lines_of(rest[0])
            yield replace(_without_box(first, is_answer=is_answer), passed=passed)
            yield from _find_passed(further, why=passed or CONTINUED)
            rest = rest[1:]
        yield from _find(rest, form=form, passed=passed)


def _read_box(item: Block) -> str:
    """Return what stands in the item's check box: "x", "X" or " "; "" without a box."""
    if not item.blocks or item.blocks[0].kind is not BlockKind.PARAGRAPH:
        return ""
    first = item.blocks[0].lines[0][:1]
    box = _BOX.match(first[0].text) if first and not first[0].is_code else None
    return box[1] if box else ""


def _without_box(line: ListLine, *, is_answer: bool) -> ListLine:
    """Remove check box and strike-through, and keep what they say as the line's mark."""
    if not line.spans or line.spans[0].is_code or line.spans[0].target:
        return line
    first, *rest = line.spans
    box = _BOX.match(first.text)
    text = first.text[box.end() :] if box else first.text
    struck = _STRUCK.match(text)
    text = text[struck.end() :].replace("~~", "") if struck else text
    answers = {"X": BoxMeaning.CHOSEN, "x": BoxMeaning.UNCLEAR, " ": BoxMeaning.NOT_CHOSEN}
    ticks = {"X": BoxMeaning.DONE, "x": BoxMeaning.DONE, " ": BoxMeaning.NONE}
    mark = (answers if is_answer else ticks)[box[1]] if box else BoxMeaning.NONE
    return replace(
        line, spans=(replace(first, text=text), *rest), mark=BoxMeaning.DONE if struck else mark
    )


def _lines_of(block: Block) -> list[ListLine]:
    return [ListLine(number=n, spans=spans) for n, spans in enumerate(block.lines, block.number)]


def _lines_of_code(block: Block) -> Iterator[ListLine]:
    """Yield the lines of a code or an HTML block without tags and comments."""
    is_html = block.kind is BlockKind.HTML
    # A comment keeps its line breaks, so that the numbers of the lines after it stay right.
    code = _COMMENT.sub(lambda m: "\n" * m[0].count("\n"), block.code) if is_html else block.code
    start = block.number if is_html or not block.is_fenced else block.number + 1
    for number, text in enumerate(code.split("\n"), start=start):
        plain = _TAG.sub(" ", text) if is_html else text
        yield ListLine(number=number, spans=(Span(text=plain),))


def _plain(spans: Iterable[Span]) -> str:
    return "".join(span.text for span in spans)

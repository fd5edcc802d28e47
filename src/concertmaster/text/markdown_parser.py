"""Parses Markdown into plain values; the only module that imports markdown-it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.tree import SyntaxTreeNode

_PERCENT = re.compile(rb"%([0-9A-Fa-f]{2})")
_HTML_RULES = ("html_block", "html_inline")


class BlockKind(StrEnum):
    """The kind of a block."""

    PARAGRAPH = "paragraph"
    HEADING = "heading"
    CODE = "code"
    RULE = "rule"
    QUOTE = "quote"
    LIST = "list"
    ITEM = "item"
    HTML = "html"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A piece of a line.

    `target` is the decoded address of a link. Emphasis markers stay in the text.
    """

    text: str
    is_code: bool = False
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A block and the blocks in it.

    `number` is its first line, from 1. `marker` is `-` or `1.` of an item and `##` of a heading.
    `lines` are those of a paragraph or heading. `code` is the content of a code or HTML block.
    """

    kind: BlockKind
    number: int
    marker: str = ""
    lines: tuple[tuple[Span, ...], ...] = ()
    code: str = ""
    blocks: tuple[Block, ...] = ()
    is_tight: bool = False
    is_fenced: bool = False


_KINDS = {
    "paragraph": BlockKind.PARAGRAPH,
    "heading": BlockKind.HEADING,
    "fence": BlockKind.CODE,
    "code_block": BlockKind.CODE,
    "hr": BlockKind.RULE,
    "blockquote": BlockKind.QUOTE,
    "bullet_list": BlockKind.LIST,
    "ordered_list": BlockKind.LIST,
    "list_item": BlockKind.ITEM,
    "html_block": BlockKind.HTML,
}


def read_blocks(text: str, *, html: bool) -> tuple[Block, ...]:
    """Return the blocks of a document. Without `html`, tags and comments are plain text."""
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415 - 43 ms

    return tuple(_read_blocks(SyntaxTreeNode(_parser(html=html).parse(text))))


def read_spans(line: str) -> tuple[Span, ...]:
    """Return the pieces of a single line.

    Block syntax has no meaning here: `# x` is no heading and `- x` is no item.
    """
    from markdown_it.tree import SyntaxTreeNode  # noqa: PLC0415 - 43 ms

    root = SyntaxTreeNode(_parser(html=False).parseInline(line))
    return tuple(span for inline in root.children for part in _read_lines(inline) for span in part)


def find_heading(text: str, *, limit: int) -> tuple[tuple[str, str], ...]:
    """Return kind and content of the parts of the first heading, () if there is none.

    Only the heading's first `limit` characters are read. The kinds are the parser's: `text`,
    `code_inline`, `softbreak` and so on.
    """
    from markdown_it import MarkdownIt  # noqa: PLC0415 - 43 ms

    markdown = MarkdownIt("commonmark")
    tokens = iter(markdown.disable("inline").parse(text))
    if not any(token.type == "heading_open" and token.level == 0 for token in tokens):
        return ()
    heading = next(tokens).content[:limit]
    inline = markdown.enable("inline").parseInline(heading)
    return tuple((part.type, part.content) for part in inline[0].children or ())


@cache
def _parser(*, html: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt  # noqa: PLC0415 - 43 ms

    # Emphasis is off: names such as a/__init__/b.md would lose their underscores.
    off = ("emphasis",) if html else ("emphasis", *_HTML_RULES)
    return MarkdownIt("commonmark").disable(off)


def _read_blocks(parent: SyntaxTreeNode) -> Iterator[Block]:
    for node in parent.children:
        kind = _KINDS.get(node.type)
        if kind is None:
            continue
        block = Block(kind=kind, number=node.map[0] + 1 if node.map else 1)
        match kind:
            case BlockKind.PARAGRAPH | BlockKind.HEADING:
                lines = tuple(_read_lines(node.children[0]))
                yield replace(block, marker=node.markup, lines=lines)
            case BlockKind.CODE | BlockKind.HTML:
                yield replace(block, code=node.content, is_fenced=node.type == "fence")
            case _:
                marker = node.info + node.markup if kind is BlockKind.ITEM else ""
                blocks = tuple(_read_blocks(node))
                yield replace(block, marker=marker, blocks=blocks, is_tight=_is_tight(node))


def _is_tight(node: SyntaxTreeNode) -> bool:
    return all(part.hidden for item in node.children for part in item.children if _is_text(part))


def _is_text(node: SyntaxTreeNode) -> bool:
    return node.type == "paragraph"


def _read_lines(inline: SyntaxTreeNode) -> Iterator[tuple[Span, ...]]:
    line: list[Span] = []
    for node in inline.children:
        match node.type:
            case "softbreak" | "hardbreak":
                yield tuple(line)
                line = []
            case "code_inline":
                line.append(Span(text=node.content, is_code=True))
            case "link":
                target = _decode(str(node.attrs.get("href", "")))
                line.append(Span(text=_plain(node), target=target))
            case "image":
                target = _decode(str(node.attrs.get("src", "")))
                line.append(Span(text=node.content, target=target))
            case "text":
                line.append(Span(text=node.content))
            case _:
                pass
    yield tuple(line)


def _plain(node: SyntaxTreeNode) -> str:
    if node.type in ("softbreak", "hardbreak"):
        return " "
    return "".join(map(_plain, node.children)) if node.type == "link" else node.content


def _decode(address: str) -> str:
    plain = _PERCENT.sub(lambda m: bytes.fromhex(m[1].decode()), address.encode("utf-8", "replace"))
    return plain.decode("utf-8", "replace")

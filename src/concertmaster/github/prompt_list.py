"""Reads the list of prompts in a comment or an issue, with the problems of the list.

Only visible list items count: code blocks, quotes and HTML comments are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from concertmaster.github.slash_command import CommandReply
from concertmaster.text.display import is_visible
from concertmaster.text.markdown import as_code
from concertmaster.text.markdown_parser import Block, BlockKind, Span, read_blocks

MAX_PROMPTS = 256  # GitHub's limit on the jobs of one matrix
MAX_PATH = 400  # characters

_BOX = re.compile(r"\s*\[([ xX])\](?:\s+|$)")
_STRUCK = re.compile(r"\s*~~")
_PATH = re.compile(r"[\s*(\"'<]*(\S*?\.md)(?=[*_)\"'>,;:.!?]*(?:\s|$))", re.IGNORECASE)
_MENTION = re.compile(r"[^\s`()\[\]<>]{1,400}\.md\b", re.IGNORECASE)
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}:|//", re.IGNORECASE)
_OLDER_FORM = re.compile(
    r"\bexecute (?:these|the following)\b.{0,99}\bprompts?\b|\bprompts in parallel\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptList:
    """The prompts that a text lists, as distinct paths in the repository, in order.

    If there are `problems`, nothing may be started. `notes` (safe Markdown) name the entries that
    were left out. `is_given` is False if the text holds no list.
    """

    paths: tuple[str, ...] = ()
    problems: tuple[CommandReply, ...] = ()
    notes: tuple[str, ...] = ()
    is_given: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListLine:
    """A line that may name a prompt; `spans` hold its text without the check box."""

    number: int
    spans: tuple[Span, ...]
    is_skipped: bool = False

    @property
    def text(self) -> str:
        return "".join(span.text for span in self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class _ListEntry:
    """An entry of the list: a path, skipped if it has a `note`, or a `problem`."""

    number: int
    path: str = ""
    note: str = ""
    problem: CommandReply | None = None


def choose_prompts(comment: str, issue: str, *, repository_url: str = "") -> PromptList:
    """Return the list in the comment, or else the list in the issue."""
    listed = read_prompt_list(comment, repository_url=repository_url)
    return listed if listed.is_given else read_prompt_list(issue, repository_url=repository_url)


def read_prompt_list(body: str, *, repository_url: str = "") -> PromptList:
    """Read the list in a comment or an issue: the items that begin with an `.md` file.

    Links may lead to `repository_url` (such as https://github.com/o/r); the branch in a link is
    ignored. Items that are ticked or struck out are skipped with a note.
    """
    lines = _find_lines(read_blocks(body, html=True))
    return _collect(entry for line in lines for entry in _read_line(line, repository_url))


def read_paths(paths: Iterable[str]) -> PromptList:
    """Read the list of an input or a settings file; a problem's `line` is the place from 1."""
    return _collect(_read_path(path, number=n, written=path) for n, path in enumerate(paths, 1))


def _collect(entries: Iterable[_ListEntry]) -> PromptList:
    paths: dict[str, str] = {}
    notes: list[str] = []
    problems: list[CommandReply] = []
    is_given = False
    for entry in entries:
        is_given = is_given or bool(entry.path or entry.problem)
        if entry.problem:
            problems.append(entry.problem)
        elif entry.note:
            notes.append(entry.note)
        else:
            # Some file systems ignore case and the composition of letters.
            key = unicodedata.normalize("NFC", entry.path).casefold()
            if key in paths:
                notes.append(f"{as_code(entry.path)} is listed more than once and runs once.")
            elif len(paths) == MAX_PROMPTS:
                problems.append(_too_many(entry))
            paths.setdefault(key, entry.path)
    chosen = tuple(paths.values())[:MAX_PROMPTS]
    return PromptList(paths=chosen, problems=tuple(problems), notes=tuple(notes), is_given=is_given)


def _too_many(entry: _ListEntry) -> CommandReply:
    why = f"The list holds more than {MAX_PROMPTS} prompts."
    fix = "List the rest in another issue."
    return CommandReply(line=entry.number, written=entry.path, why=why, fix=fix)


def _find_lines(blocks: Iterable[Block]) -> Iterator[_ListLine]:
    """Yield the first line of each item, and the plain lines after "Execute these prompts"."""
    is_list = False
    for block in blocks:
        if block.kind is BlockKind.LIST:
            for item in block.blocks:
                yield from _find_item(item)
        elif block.kind is BlockKind.PARAGRAPH:
            for number, spans in enumerate(block.lines, start=block.number):
                line = _ListLine(number=number, spans=spans)
                is_list = is_list and bool(_find_path(spans))
                if is_list:
                    yield line
                is_list = is_list or bool(_OLDER_FORM.search(line.text))


def _find_item(item: Block) -> Iterator[_ListLine]:
    """Yield the first line of the item's first paragraph, and the lines of nested lists."""
    rest = item.blocks
    if rest and rest[0].kind is BlockKind.PARAGRAPH:
        yield _without_box(_ListLine(number=rest[0].number, spans=rest[0].lines[0]))
        rest = rest[1:]
    yield from _find_lines(rest)


def _without_box(line: _ListLine) -> _ListLine:
    """Remove check box and strike-through; mark the line as skipped if either says so."""
    if not line.spans or line.spans[0].is_code or line.spans[0].target:
        return line
    first, *rest = line.spans
    box = _BOX.match(first.text)
    text = first.text[box.end() :] if box else first.text
    struck = _STRUCK.match(text)
    text = text[struck.end() :].replace("~~", "") if struck else text
    spans = (replace(first, text=text), *rest)
    is_ticked = bool(box and box[1] != " ")
    return replace(line, spans=spans, is_skipped=is_ticked or bool(struck))


def _find_path(spans: Iterable[Span]) -> str:
    """Return the path or address of the `.md` file that a line begins with, or ""."""
    for span in spans:
        if span.target:
            target = re.split(r"[?#]", span.target, maxsplit=1)[0]
            return target if target.lower().endswith(".md") else ""
        if span.is_code:
            return span.text.strip() if span.text.strip().lower().endswith(".md") else ""
        found = _PATH.match(span.text)
        if found:
            return found[1]
        if span.text.strip(" \t*_(\"'"):
            return ""
    return ""


def _read_line(line: _ListLine, repository_url: str) -> Iterator[_ListEntry]:
    path = _find_path(line.spans)
    if _ADDRESS.match(path):
        path = _path_of_address(path, repository_url)
    if not path:
        yield from _note_mention(line)
    elif line.is_skipped:
        note = f"{as_code(path)} is ticked or struck out, and was skipped."
        yield _ListEntry(number=line.number, path=path, note=note)
    else:
        label = next((span.text for span in line.spans if span.target), "")
        yield _read_path(path, number=line.number, written=line.text, label=label)


def _note_mention(line: _ListLine) -> Iterator[_ListEntry]:
    texts = " ".join(f"{span.text} {span.target}" for span in line.spans)
    mention = _MENTION.search(texts)
    if mention:
        note = (
            f"{as_code(mention[0])} in line {line.number} was not taken: an item of the list "
            "begins with the path of a file of this repository."
        )
        yield _ListEntry(number=line.number, note=note)


def _path_of_address(address: str, repository_url: str) -> str:
    """Return the path in `<repository>/blob/<ref>/<path>`, or "" for any other address."""
    start = f"{repository_url.rstrip('/')}/blob/"
    if not repository_url or not address.lower().startswith(start.lower()):
        return ""
    return address[len(start) :].partition("/")[2]


def _read_path(path: str, *, number: int, written: str, label: str = "") -> _ListEntry:
    path = path.removeprefix("./")
    why, fix = _find_fault(path) or _find_disguise(label.strip(), path) or ("", "")
    if not why:
        return _ListEntry(number=number, path=path)
    problem = CommandReply(line=number, written=written, why=f"{as_code(path)} {why}.", fix=fix)
    return _ListEntry(number=number, problem=problem)


def _find_fault(path: str) -> tuple[str, str] | None:
    """Return why the path cannot be in the repository, and the fix; None if it can."""
    if not all(map(is_visible, path)):
        return "holds an invisible character", "Type the path again by hand."
    found = (fault for fault in _FAULTS if re.search(fault[0], path, re.IGNORECASE))
    return next((fault[1:] for fault in found), None)


def _find_disguise(label: str, path: str) -> tuple[str, str] | None:
    """Return why a link's text shows another path than its target, and the fix, or None."""
    shown = label.removeprefix("./")
    if not shown.lower().endswith(".md") or _ADDRESS.match(shown):
        return None
    if f"/{path}".endswith(f"/{shown}"):
        return None
    return f"stands behind a link that shows {as_code(shown)}", "Show the path that is meant."


_FROM_ROOT = "Name the file from the root of the repository, as in `prompts/login.md`."
_FAULTS = (
    (rf".{{{MAX_PATH + 1}}}", "is too long", "Give the file a shorter path."),
    (r"\\", "holds a backslash", "Write `/` between folders."),
    (r"^(?:/|~|[a-z]:)", "lies outside the repository", _FROM_ROOT),
    (r"(?:^|/)\.\.(?:/|$)", "climbs out of its folder", _FROM_ROOT),
    (r"^$|//|/$|(?:^|/)\.(?:/|$)", "has an empty part", _FROM_ROOT),
    (r"(?:^|/)(?:\.git[. ]*(?:[/:]|$)|git~)", "lies in git's own folder", _FROM_ROOT),
    (r"^[-:]", "begins like an option", _FROM_ROOT),
    (r"[*?]", "is a pattern", "List each file."),
    (r"\.md[,;]", "is several files", "Give each a bullet of its own."),
    (r"(?<!\.md)$", "is no `.md` file", _FROM_ROOT),
)

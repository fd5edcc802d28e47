"""Reads the list of prompts in a comment or an issue, with the problems of the list.

Only visible list items count: code blocks, quotes and HTML comments are ignored.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from concertmaster.github.file_address import is_address, names_host, read_address
from concertmaster.github.list_lines import BoxMeaning, ListLine, find_lines
from concertmaster.github.slash_command import CommandReply
from concertmaster.text.display import count, is_visible
from concertmaster.text.markdown import as_code
from concertmaster.text.markdown_parser import Span, read_blocks

MAX_PROMPTS = 256  # GitHub's limit on the jobs of one matrix
MAX_PATH = 400  # characters

_PATH = re.compile(
    r"[\s*(\"'<]*+(\S*?\.md)(?=(?:[?#][^\s>]{0,400})?[*_)\"'>,;:.!?]*(?:\s|$))", re.IGNORECASE
)
_FURTHER = re.compile(r"[^\s`()\[\]<>,;]{1,400}?\.md(?=[\s`*_)\"'>,;:.!?]|\Z)", re.IGNORECASE)
_MENTION = re.compile(r"[^\s`()\[\]<>]{1,400}\.md\b", re.IGNORECASE)
_SEPARATED = re.compile(r"[\s,;&+/*_)]{1,20}+(?:and\b\s*)?[`*_(\"'<]{0,4}", re.IGNORECASE)
_END = re.compile(r"[\s.,;:!*_)`\"'>]{0,20}\Z")
# Words that look like files, and are not taken as they do not end in `.md`.
_OTHER_FILE = re.compile(
    r"[\s*(\"'<`]*([^\s`()<>|]{1,400}\.(?:markdown|mdown|mkdn?|mdx|rst|adoc|txt))(?=\W|\Z)"
    r"|[\s*(\"'<`]*([\w.-]{1,99}(?:/[\w.-]{1,99}){1,20}/?)\W*\Z",
    re.IGNORECASE,
)
_ISSUE = re.compile(r"\s*((?:[\w.-]{1,99}/[\w.-]{1,99})?#[1-9][0-9]{0,17})\s*\Z")
_MARKERS = "-*_\"'\u2010\u2011\u2012\u2013\u2014\u2022\u00b7"  # that people write before an item
_MOST_MENTIONS = 5  # of one line
_MOST_NOTES = 100


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
    ignored. Items that are ticked or struck out are skipped with a note, and so is every other line
    that looks like an entry. In the answer of an issue form, [X] means chosen.
    """
    lines = find_lines(read_blocks(body, html=True))
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
    if len(notes) > _MOST_NOTES:
        more = len(notes) - _MOST_NOTES
        notes = [*notes[:_MOST_NOTES], f"{count(more, 'more line')} of the list were not taken."]
    return PromptList(paths=chosen, problems=tuple(problems), notes=tuple(notes), is_given=is_given)


def _too_many(entry: _ListEntry) -> CommandReply:
    why = f"The list holds more than {MAX_PROMPTS} prompts."
    fix = "List the rest in another issue."
    return CommandReply(line=entry.number, written=entry.path, why=why, fix=fix)


def _find_path(spans: Sequence[Span]) -> tuple[str, str]:
    """Return the path or address of the `.md` file that a line begins with, and the rest.

    The path is "" if the line begins with anything else.
    """
    for number, span in enumerate(spans):
        rest = "".join(one.target or one.text for one in spans[number + 1 :])
        if span.target:
            target = re.split(r"[?#]", span.target, maxsplit=1)[0]
            return target if target.lower().endswith(".md") else "", rest
        if span.is_code:
            return span.text.strip() if span.text.strip().lower().endswith(".md") else "", rest
        found = _PATH.match(span.text)
        if found:
            return found[1], span.text[found.end() :] + rest
        if span.text.strip(" \t*_(\"'"):
            return "", rest
    return "", ""


def _read_line(line: ListLine, repository_url: str) -> Iterator[_ListEntry]:
    if line.passed:
        yield from _note_mentions(line, line.text_with_targets, why=line.passed)
        return
    path, rest = _find_path(line.spans)
    path = read_address(path, repository_url) if is_address(path) else path
    if not path:
        why = "an item of the list begins with the path of a file of this repository"
        yield from _note_mentions(line, line.text_with_targets, why=why)
        yield from _note_other(line)
        return
    more, rest = _split_further(rest)
    label = next((span.text for span in line.spans if span.target), "")
    yield _read_entry(line, path, label=label)
    yield from (_read_entry(line, one, label="") for one in more)
    yield from _note_mentions(line, rest, why="give it an item of its own if it is to run")


def _read_entry(line: ListLine, path: str, *, label: str) -> _ListEntry:
    shown = as_code(path)
    match line.mark:
        case BoxMeaning.DONE:
            note = f"{shown} is ticked or struck out, and was skipped."
        case BoxMeaning.NOT_CHOSEN:
            note = f"{shown} is not chosen in the form ([X] means chosen), and was skipped."
        case BoxMeaning.UNCLEAR:
            why = f"{shown} has [x] in the answer of an issue form, in which [X] means chosen."
            fix = "Write [X] to run it, or [ ] to leave it out."
            problem = CommandReply(line=line.number, written=line.text, why=why, fix=fix)
            return _ListEntry(number=line.number, problem=problem)
        case _:
            return _read_path(path, number=line.number, written=line.text, label=label)
    return _ListEntry(number=line.number, path=path, note=note)


def _split_further(rest: str) -> tuple[list[str], str]:
    """Return the paths that follow the first with nothing but separators, and what is left.

    There are none if other words follow: they may say something else about these files.
    """
    paths: list[str] = []
    place = 0
    while (gap := _SEPARATED.match(rest, place)) and (path := _FURTHER.match(rest, gap.end())):
        paths.append(path[0])
        place = path.end()
    return (paths, "") if paths and _END.match(rest, place) else ([], rest)


def _note_mentions(line: ListLine, text: str, *, why: str) -> Iterator[_ListEntry]:
    found = dict.fromkeys(mention[0].lstrip(_MARKERS) for mention in _MENTION.finditer(text))
    for mention in list(found)[:_MOST_MENTIONS]:
        yield _note(line, mention, why)


def _note_other(line: ListLine) -> Iterator[_ListEntry]:
    """Note an item that names a file of another kind, a path without an ending, or an issue."""
    if issue := _ISSUE.match(line.text):
        yield _note(line, issue[1], "it is an issue; list the prompt file that describes the work")
    elif not _MENTION.search(line.text_with_targets) and (found := _OTHER_FILE.match(line.text)):
        yield _note(line, found[1] or found[2], "a prompt is a file that ends in `.md`")


def _note(line: ListLine, name: str, why: str) -> _ListEntry:
    note = f"{as_code(name)} in line {line.number} was not taken: {why}."
    return _ListEntry(number=line.number, note=note)


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
    if not shown.lower().endswith(".md") or names_host(shown):
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

"""Finds the paths that a text names, with what the words around them ask for."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import islice
from operator import attrgetter
from typing import NamedTuple
from urllib.parse import unquote

from concertmaster.insight.path_spelling import NAMES, SpelledPath, WordKind, read_lines, read_word

MAX_CHARACTERS = 200_000  # five times the longest known prompt; the rest is not read
LONGEST_CLAUSE = 400  # characters before a word in which its verb may stand
MAX_MENTIONS = 2000  # a text with more is a listing or hostile


class MentionPlace(StrEnum):
    """The part of a text in which a path is named."""

    TEXT = "text"
    FENCE = "fence"
    TRACE = "trace"


class MentionVerb(StrEnum):
    """The action that the nearest words before a path ask for."""

    CREATE = "create"
    MODIFY = "modify"
    READ = "read"
    SPARE = "spare"
    NONE = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A path that a text names, at one place of it.

    `path`, `kind`, `foreign` and `lines` are those of `path_spelling.SpelledPath`. `line` is
    1-based, `heading` is the nearest one above, and `bullet` means that the path opens a list item.
    """

    path: str
    kind: WordKind
    place: MentionPlace
    line: int
    verb: MentionVerb = MentionVerb.NONE
    heading: str = ""
    quoted: bool = False
    bullet: bool = False
    foreign: bool = False
    lines: tuple[int, int] | None = None


class _Word(NamedTuple):
    """A word of a line that spells a path; `quoted` means that it is in backticks."""

    spelled: SpelledPath
    start: int
    end: int
    quoted: bool


_MAY_NAME = re.compile(r"[./\\]|" + "|".join(sorted(NAMES)))
_WORD = re.compile(r"`+|[^\s`\"'<>|;=\u2192\u2018-\u201f]+")
_ARROW = "\u2192"
_ARROWS = re.compile(r"->|=>|[\u21d2\u279c\u27f6]")
_LINK = "]("
_FENCE = re.compile(r"[ \t>]{0,20}(?:[-*+] )?(`{3,}(?=[^`]*$)|~{3,})")
_HEADING = re.compile(r"(#{1,6})[ \t]+(.{0,200})")
_ITEM = re.compile(r"(?<![ \t>])[ \t>]*+(?:[-*+]|\d{1,3}[.)])[ \t]+(?:\[[ xX]\][ \t]+)?")
_LABEL = re.compile(r"[^`]{1,100}(?::|:\*\*|(?<=.)\*\*:?)\s{0,3}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,9}://[^\s<>\"'`)\]]*")
_BLOB = re.compile(r"https?://[^/]+/[^/]+/[^/]+/(?:-/)?(?:blob|raw|edit|blame)/([^?#]+)")
_LINES_AFTER = re.compile(r"[\"'`)*]{0,4},?[ \t]*\(?lines?[ \t]+(\d{1,7}(?:[ \t]?-[ \t]?\d{1,7})?)")
_NEW_AFTER = re.compile(r"[`*\"')]{0,4}\s*(?:[-:\u2013]+\s*)?[(*]{0,3}(?i:new|to be created)\b")
_VERBS = re.compile(
    r"\b(?:"
    r"(?P<spare>(?:not|never|don't|without) (?:touch|modif|chang|edit)\w*|leave alone)|"
    r"(?P<create>creat(?:e|es|ed|ing)|add(?:s|ed|ing)?|new|generat(?:e|es|ing)|scaffold"
    r"|introduc(?:e|es|ing)|writ(?:e|es|ing)|implement(?:s|ing)?|outputs?|deliverables?)|"
    r"(?P<modify>modif(?:y|ies|ied|ying)|updat(?:e|es|ed|ing)|edit(?:s|ed|ing)?"
    r"|fix(?:es|ed|ing)?|chang(?:e|es|ed|ing)|refactor(?:s|ing)?|renam(?:e|ing)|mov(?:e|ing)"
    r"|remov(?:e|ing)|delet(?:e|ing)|replac(?:e|ing)|extend(?:s|ing)?|enhanc(?:e|es|ing)"
    r"|target|affected|integrat(?:e|ing)|convert|migrat(?:e|ing))|"
    r"(?P<read>see|read|keep|background|refer(?:s|ences?)?|based on|like|following|examples?"
    r"|similar to|look(?:s|ing)? at|run|execut(?:e|ing)|according to|documented in)"
    r")\b",
    re.IGNORECASE,
)


_CLAUSE_END = re.compile(r"[.;!?](?=\s)|\bbut\b", re.IGNORECASE)


def find_mentions(text: str) -> tuple[Mention, ...]:
    """Return the paths that the text names, in their order, at most MAX_MENTIONS.

    The text is read up to MAX_CHARACTERS, in linear time.
    """
    return tuple(islice(_read(text[:MAX_CHARACTERS]), MAX_MENTIONS))


def _read(text: str) -> Iterator[Mention]:
    surroundings = _Surroundings()
    for number, line in enumerate(text.split("\n"), start=1):
        surroundings.enter(line)
        if _MAY_NAME.search(line):
            yield from _in_line(line, number, surroundings)


class _Surroundings:
    """The fence and the headings around the current line."""

    def __init__(self) -> None:
        self.fence = ""
        self._title = ""
        self._headings: dict[int, str] = {}  # level to text; 7 is a label such as **Files**

    def enter(self, line: str) -> None:
        """Update the surroundings by the next line."""
        fence = _FENCE.match(line)
        if fence and not self.fence:
            self.fence = fence[1]
        elif fence and fence[1].startswith(self.fence):
            self.fence = ""
        elif not self.fence:
            self._enter_heading(line)

    def _enter_heading(self, line: str) -> None:
        heading = _HEADING.match(line)
        if heading:
            level = len(heading[1])
            self._headings = {n: t for n, t in self._headings.items() if n < level}
            self._headings[level] = heading[2]
            if level == 1 and not self._title:
                self._title = heading[2]
        elif _LABEL.fullmatch(line):
            self._headings[7] = _ITEM.sub("", line, count=1)
        elif line[:1].isalpha():
            self._headings.pop(7, None)  # a paragraph ends what a label opened

    @property
    def heading(self) -> str:
        """The nearest heading as printable text, "" if there is none."""
        nearest = max(self._headings, default=0)
        text = self._headings.get(nearest, "").strip("#*_: \t")
        return "".join(filter(str.isprintable, text))

    @property
    def verb(self) -> MentionVerb:
        """The verb of the nearest heading that has one; creating goes before changing.

        The title does not count: it describes the whole work and not what happens to each path.
        """
        for level in sorted(self._headings, reverse=True):
            heading = self._headings[level]
            asked = {verb for _, verb in _verbs_of(heading)} if heading != self._title else set()
            for verb in (MentionVerb.CREATE, MentionVerb.MODIFY, MentionVerb.READ):
                if verb in asked:
                    return verb
        return MentionVerb.NONE


def _in_line(line: str, number: int, surroundings: _Surroundings) -> Iterator[Mention]:
    """Yield the mentions in one line."""
    plain = _ARROWS.sub(_ARROW, line.replace(_LINK, "  "))
    words = [*_blob_urls(plain), *_words_of(_URL.sub(_blank, plain))]
    words.sort(key=attrgetter("start"))
    item = _ITEM.match(plain)
    verbs = _verbs_of(_masked(plain, words)) if words else []
    previous: Mention | None = None
    previous_end = 0
    for word in words:
        mention = Mention(
            path=word.spelled.path,
            kind=word.spelled.kind,
            place=_place(plain, surroundings),
            line=number,
            verb=_verb_at(plain, word, verbs=verbs) or surroundings.verb,
            heading=surroundings.heading,
            quoted=word.quoted,
            bullet=bool(item and word.start - item.end() <= 4),
            foreign=word.spelled.foreign,
            lines=word.spelled.lines or _lines_after(plain, word.end),
        )
        if previous and plain[previous_end : word.start].strip("` *\t") in (_ARROW, "to", "into"):
            mention = _renamed(previous, mention)
        yield mention
        previous, previous_end = mention, word.end


def _words_of(line: str) -> Iterator[_Word]:
    quoted = False
    for word in _WORD.finditer(line):
        if word[0][0] == "`":
            quoted = not quoted
            continue
        for spelled in read_word(word[0], quoted=quoted):
            yield _Word(spelled, word.start(), word.end(), quoted)


def _blob_urls(line: str) -> Iterator[_Word]:
    """Yield the paths in URLs of files on a forge.

    A ref may have several segments, so it stays before the path. The "/" in front makes the path
    foreign, and foreign paths are looked up without their first segments, too.
    """
    for url in _URL.finditer(line):
        blob = _BLOB.match(url[0])
        for spelled in read_word("/" + unquote(blob[1]), quoted=True) if blob else ():
            lines = read_lines(url[0].partition("#")[2])
            yield _Word(replace(spelled, lines=lines), url.start(), url.end(), False)


def _blank(url: re.Match[str]) -> str:
    return " " * len(url[0])


def _masked(line: str, words: list[_Word]) -> str:
    """Return the line with blanks for its paths, which may contain verbs."""
    pieces, position = [], 0
    for word in words:
        pieces += [line[position : word.start], " " * (word.end - max(word.start, position))]
        position = max(word.end, position)
    return "".join([*pieces, line[position:]])


def _place(line: str, surroundings: _Surroundings) -> MentionPlace:
    fenced = bool(surroundings.fence)
    traced = ("at ", 'File "') if fenced else ('File "',)  # prose has lines that begin with "at"
    if line.lstrip().startswith(traced) or (":" in line and " +0x" in line):
        return MentionPlace.TRACE
    return MentionPlace.FENCE if fenced else MentionPlace.TEXT


def _verbs_of(line: str) -> list[tuple[int, MentionVerb]]:
    return [(found.start(), MentionVerb(found.lastgroup or "")) for found in _VERBS.finditer(line)]


def _verb_at(line: str, word: _Word, *, verbs: list[tuple[int, MentionVerb]]) -> MentionVerb:
    """Return the last verb before the path, or CREATE if "(new)" follows it."""
    if _NEW_AFTER.match(line[word.end : word.end + 40]):
        return MentionVerb.CREATE
    return _last_verb(line, word.start, verbs)


def _last_verb(text: str, at: int, verbs: list[tuple[int, MentionVerb]]) -> MentionVerb:
    """Return the last verb before a position; one that spares or reads ends with its clause."""
    index = bisect_left(verbs, (at, MentionVerb.NONE))
    if not index:
        return MentionVerb.NONE
    start, verb = verbs[index - 1]
    ended = verb in (MentionVerb.SPARE, MentionVerb.READ) and _CLAUSE_END.search(text, start, at)
    return MentionVerb.NONE if ended else verb


def verb_before(text: str, at: int) -> MentionVerb:
    """Return what the words before a position of the same line ask for."""
    start = max(text.rfind("\n", 0, at) + 1, at - LONGEST_CLAUSE)
    line = text[start:at]
    return _last_verb(line, len(line), _verbs_of(line))


def _lines_after(line: str, end: int) -> tuple[int, int] | None:
    found = _LINES_AFTER.match(line[end : end + 40])
    return read_lines(found[1].replace(" ", "")) if found else None


def _renamed(source: Mention, target: Mention) -> Mention:
    """Return the target of a rename as a file to create.

    A target that is a directory gets the file's old name.
    """
    if target.kind is WordKind.DIRECTORY and source.kind is WordKind.FILE:
        name = source.path.rpartition("/")[2]
        target = replace(target, path=f"{target.path}/{name}", kind=WordKind.FILE)
    return replace(target, verb=MentionVerb.CREATE)

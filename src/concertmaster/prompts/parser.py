"""Parses a prompt file: Markdown with optional front matter, which is checked strictly."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import NoReturn

from concertmaster.errors import UsageError
from concertmaster.model import Prompt
from concertmaster.prompts import other_tools
from concertmaster.prompts.encoding import decode
from concertmaster.settings.choices import LEAN_PHASES, Phase
from concertmaster.text import globs, markdown_parser
from concertmaster.text.display import closest_word
from concertmaster.text.durations import read_duration
from concertmaster.text.redaction import redact

MAX_FRONT_MATTER = 16 << 10  # characters; deeply nested YAML takes long to refuse
MAX_TITLE = 120
MAX_SLUG = 48
MAX_ESTIMATE_SECONDS = 30 * 86400.0

KEYS = ("title", "status", "needs", "touches", "check", "estimate", "agent", "priority", "phases")
_READ = (*KEYS, "id", "dependencies")  # the last two are of other tools

_TITLE_WINDOW = 8 << 10  # characters in which the first heading is looked for
_MAY_BE_HEADING = re.compile(r"#|^ {0,3}[=-]", re.MULTILINE)
_BREAKS = {"softbreak": " ", "hardbreak": " ", "html_inline": ""}
_TRIMMINGS = " \t-:|\N{EN DASH}\N{EM DASH}\N{WHITE HEAVY CHECK MARK}"
_NULL = ("", "~", "null")  # the spellings of null in YAML
_MARK = re.compile(r"(?<![\w.`-])[(\[]?\b(IMPLEMENTED|COMPLETED)\b(?![\w`-]|\.\w)[)\]]?")
# A word of a sentence that needs the next one, as in "is set to COMPLETED".
_LEADS_ON = frozenset(
    """a an the to as is are was were be been being of in into on onto at by for from with than like
    or and when while until if after before status state states value becomes become turns stays
    called named equals handle handles support supports show shows add adds treat ignore skip
    filter hide mark marked set sets return returns send sends""".split()
)
_NEGATED = re.compile(
    r"\b(?:not|never|yet|be|being|until|when|if|un|non|almost|nearly|half|part\w*)\W*$",
    re.IGNORECASE,
)


def parse_prompt(data: bytes, *, path: str) -> Prompt:
    """Return the prompt in the contents of a file.

    Blank lines replace the front matter in its `text`, so that line numbers are those of the file.
    Raises UsageError, which names the path and, if one is at fault, the line.
    """
    text = decode(data, path)
    settings, text = _FrontMatter.split(text, path)
    if not text.strip():
        _refuse(path, "it describes no work", "write what shall be done below the front matter")
    heading, mark = _first_heading(text)
    tasks = other_tools.count_tasks(text)
    ticked = "all its tasks are ticked" if tasks.ticked > 1 and not tasks.open else ""
    return Prompt(
        path=path,
        title=as_title(settings.text("title") or heading) or PurePosixPath(path).name,
        text=text,
        completed=settings.completed() or mark or ticked,
        needs=settings.texts("needs"),
        touches=settings.touches(),
        check=settings.text("check"),
        estimate_seconds=settings.estimate_seconds(),
        agent=settings.agent(),
        priority=settings.priority(),
        phases=settings.phases(),
        id=settings.text("id"),
        dependencies=settings.texts("dependencies"),
        ignored=settings.ignored,
        tasks=tasks.open if tasks.open > 1 else 0,
    )


def write_front_matter(values: Mapping[str, object]) -> str:
    """Return front matter, with both `---`, that `parse_prompt` reads back.

    The values are texts and lists of texts.
    """
    from frontmatter.default_handlers import YAMLHandler  # noqa: PLC0415

    written = YAMLHandler().export(dict(values), sort_keys=False, width=1 << 20)
    return f"---\n{written}\n---\n"


def as_title(text: str) -> str:
    """Return the text as one printable line of at most MAX_TITLE characters."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * MAX_TITLE]).split())
    return line if len(line) <= MAX_TITLE else line[: MAX_TITLE - 1].rstrip() + "…"


def as_slug(text: str) -> str:
    """Return the text in lower-case letters, digits and dashes, at most MAX_SLUG characters.

    The slug is "" if nothing is left of the text, or if it looks like a key.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_text.lower()).strip("-")[:MAX_SLUG].strip("-")
    # Redaction would change such a slug in the marks by which issues are found again.
    return slug if redact(slug, secrets=()) == slug else ""


def task_id(path: str) -> str:
    """Return the slug of the file name and 4 hex digits of the path's hash.

    The id is safe as a file name and in a git ref.
    """
    plain = PurePosixPath(path)
    digest = hashlib.sha256(str(plain).encode("utf-8", "surrogatepass")).hexdigest()
    return f"{as_slug(plain.stem) or 'task'}-{digest[:4]}"


class _FrontMatter:
    """The front matter of one prompt file.

    Values are texts or lists until a method checks them; it raises UsageError for a wrong one.
    """

    def __init__(self, values: Mapping[str, object], *, path: str, lines: Mapping[str, int]):
        self._values = {other_tools.as_ours(key): value for key, value in values.items()}
        self._path = path
        self._lines = lines
        self.ignored = tuple(key for key, value in values.items() if self._passes(key, value))

    @classmethod
    def split(cls, text: str, path: str) -> tuple[_FrontMatter, str]:
        """Split a file into its front matter and its text, with blank lines instead of it."""
        if not text.lstrip("\n").startswith("---"):
            return cls._split_header(text, path)
        # Imported here because it takes 36 ms and few prompts have front matter.
        from frontmatter.default_handlers import YAMLHandler  # noqa: PLC0415

        handler = YAMLHandler()
        if not handler.detect(text.lstrip("\n")):
            return cls({}, path=path, lines={}), text
        try:
            block, body = handler.split(text)
        except ValueError:
            advice = "End it with a line ---, or remove the --- at the top."
            _refuse(path, "its front matter is not closed", advice)
        head = text[: len(text) - len(body)]
        first_line = text.count("\n", 0, text.index(block)) + 1
        values = _load(other_tools.blank_ignored(block), path, first_line=first_line)
        settings = cls(values, path=path, lines=_key_lines(head, path))
        return settings, "\n" * head.count("\n") + body

    @classmethod
    def _split_header(cls, text: str, path: str) -> tuple[_FrontMatter, str]:
        """Read the header of a task-master file, if there is one; it stays in the text."""
        header = other_tools.read_header(text)
        return cls(header.values if header else {}, path=path, lines={}), text

    def text(self, key: str) -> str:
        value = self._values.get(key, "")
        if not isinstance(value, str):
            self._refuse(key, "must be one text, not a list or a mapping")
        return "" if value.strip().lower() in _NULL else self._cleaned(key, value)

    def texts(self, key: str) -> tuple[str, ...]:
        value = self._values.get(key, "")
        if isinstance(value, str):
            value = [value] if self.text(key) else []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._refuse(key, "must be a list of texts, or one text")
        items = tuple(self._cleaned(key, item) for item in value)
        if any(item.lower() in _NULL for item in items):
            self._refuse(key, "holds an empty item")
        return tuple(dict.fromkeys(items))

    def touches(self) -> tuple[str, ...]:
        touches = tuple(touch.removeprefix("./") for touch in self.texts("touches"))
        for touch in touches:
            if ".." in touch.split("/") or "\n" in touch:
                self._refuse("touches", f"holds {_shown(touch)}, no path in the repository")
        try:
            globs.match([touch for touch in touches if not globs.is_literal(touch)], "")
        except UsageError as error:
            self._refuse("touches", f"holds a glob that cannot be used: {error.why}")
        return touches

    def completed(self) -> str:
        """Return the reason to skip the prompt, "" if its status gives none."""
        status = self.text("status")
        is_over = status.lower() in other_tools.DONE | other_tools.DROPPED
        return f"status: {status}" if is_over else ""

    def agent(self) -> str:
        """Return the agent, "" for a mode of Copilot."""
        agent = self.text("agent")
        return "" if other_tools.is_mode(agent) else agent

    def estimate_seconds(self) -> float | None:
        written = self.text("estimate")
        if not written:
            return None
        total = read_duration(written)
        if not 0 < total <= MAX_ESTIMATE_SECONDS:
            self._refuse("estimate", "must be a time as 45m, 1h30m, 90s or a number of minutes")
        return total

    def priority(self) -> int:
        written = self.text("priority")
        if written.lower() in other_tools.PRIORITIES:
            return other_tools.PRIORITIES[written.lower()]
        if written and not re.fullmatch(r"[+-]?[0-9]{1,6}", written):
            self._refuse("priority", "must be a whole number, or high, medium or low")
        return int(written or 0)

    def phases(self) -> tuple[Phase, ...]:
        """Return the named and the lean phases in their order, () if none is named."""
        value = self._values.get("phases", "")
        if isinstance(value, str):
            named = {"": (), "full": tuple(Phase), "lean": LEAN_PHASES}.get(self.text("phases"))
            if named is not None:
                return named
        names = re.findall(r"[^,\s]+", ",".join(self.texts("phases")))
        for name in names:
            if name not in tuple(Phase):
                self._refuse("phases", f"has no {_shown(name)}{_guess(name, tuple(Phase))}")
        return tuple(phase for phase in Phase if phase in names or phase in LEAN_PHASES)

    def _passes(self, key: str, value: object) -> bool:
        """Return whether a key has no meaning here. Raises UsageError if it is unknown."""
        if other_tools.as_ours(key) in _READ:
            return key == "agent" and isinstance(value, str) and other_tools.is_mode(value)
        if not other_tools.is_ignored(key, value):
            why = f"its front matter has an unknown key {_shown(key)}{self._at(key)}"
            _refuse(self._path, why + _guess(key, KEYS), f"known keys: {', '.join(KEYS)}")
        return True

    def _cleaned(self, key: str, value: str) -> str:
        if any(unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t" for c in value):
            self._refuse(key, "holds a control character")
        return value.strip()

    def _at(self, key: str) -> str:
        return f" in line {self._lines[key]}" if key in self._lines else ""

    def _refuse(self, key: str, why: str) -> NoReturn:
        _refuse(self._path, f"{key}{self._at(key)} {why}", "correct the front matter")


def _load(block: str, path: str, *, first_line: int) -> Mapping[str, object]:
    """Return the values of the block as texts, lists and mappings.

    BaseLoader neither guesses types nor builds objects. Raises UsageError.
    """
    # Only `settings` imports PyYAML; this is the copy that the front matter library uses.
    from frontmatter.default_handlers import YAMLHandler, yaml  # type: ignore[attr-defined]  # noqa: PLC0415

    if len(block) > MAX_FRONT_MATTER:
        _refuse(path, "its front matter is larger than 16 KiB", "move the text below it")
    advice = "put quotes round a value that holds a colon or begins with *, [, {, & or @"
    try:
        values = YAMLHandler().load(block, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        line = first_line + (error.problem_mark.line if error.problem_mark else 0)
        _refuse(path, f"line {line} of its front matter is not YAML: {error.problem}", advice)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError):
        _refuse(path, "its front matter is not YAML", advice)
    if values is not None and not isinstance(values, dict):
        _refuse(path, "its front matter is not made of `key: value` lines", advice)
    return {str(key): value for key, value in (values or {}).items()}


def _key_lines(block: str, path: str) -> dict[str, int]:
    """Return the line of each top-level key.

    Raises UsageError for a repeated key, because YAML would drop one of its values without a word.
    """
    lines: dict[str, int] = {}
    for number, line in enumerate(block.split("\n"), start=1):
        key = re.match(r"[\"']?([\w-]{1,60})[\"']?[ \t]*:(?:\s|$)", line)
        if key and lines.setdefault(key[1], number) != number:
            _refuse(
                path,
                f"its front matter has {key[1]} in line {lines[key[1]]} and in line {number}",
                "keep one of them",
            )
    return lines


def _first_heading(text: str) -> tuple[str, str]:
    """Return the text of the first heading without markup and mark, and the mark.

    Both are "" where there is none.
    """
    window = text[:_TITLE_WINDOW]
    if not _MAY_BE_HEADING.search(window):
        return "", ""
    return _without_mark(markdown_parser.find_heading(window, limit=4 * MAX_TITLE))


def _without_mark(parts: Iterable[tuple[str, str]]) -> tuple[str, str]:
    title = ""
    texts: list[range] = []
    for kind, content in parts:
        start = len(title)
        title += _BREAKS.get(kind, content)
        texts += [range(start, len(title))] if kind == "text" else []
    marks = (m for m in _MARK.finditer(title) if any(m.start() in text for text in texts))
    found = next((mark for mark in marks if _is_mark(title, mark)), None)
    if found is None:
        return title, ""
    return (title[: found.start()] + title[found.end() :]).strip(_TRIMMINGS), found[1]


def _is_mark(title: str, found: re.Match[str]) -> bool:
    """Return whether the word is set apart at an end of the title, and no word of a sentence."""
    before, after = title[: found.start()].rstrip(), title[found.end() :].lstrip()
    if _NEGATED.search(before[-20:]):
        return False
    if found[0][0] in "([" or not before.strip(_TRIMMINGS):
        return found[0][0] in "([" or not after or not after[0].islower()
    if after.strip(_TRIMMINGS + "."):
        return before[-1] in _TRIMMINGS and after[0] in _TRIMMINGS
    last = re.split(r"[\s(\[\"'`]", before)[-1]
    return before[-1] in _TRIMMINGS or not (last.isupper() or last.lower() in _LEADS_ON)


def _guess(name: str, known: tuple[str, ...]) -> str:
    close = closest_word(name, known)
    return f"; did you mean {close}?" if close else ""


def _shown(text: str) -> str:
    return ascii(text[:60])


def _refuse(path: str, why: str, next_step: str) -> NoReturn:
    raise UsageError(f"the prompt {path} cannot be used", why=why, next_step=next_step)

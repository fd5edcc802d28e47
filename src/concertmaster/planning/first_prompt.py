"""Drafts a first prompt from a real thing in the repository: a TODO, or a module without tests."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from concertmaster.prompts.parser import as_slug, as_title
from concertmaster.templates import load_template
from concertmaster.text.display import display

TODO = r"(TODO|FIXME)\b"  # for `git grep -E`
_SOURCES = (".py", ".js", ".ts", ".tsx", ".jsx", ".go", ".rs", ".rb", ".java", ".c", ".cc", ".php")
_COMMENT = re.compile(r"(?:#|//|/\*|\*|--|;)\s*(?:TODO|FIXME)\b(?:\([^)]{0,60}\))?:?\s*(.+)")
_APART = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__|vendor|node_modules|third_party|examples?|docs?|dist)/"
)
_TEST = re.compile(r"(?:^|/)(?:test_[^/]+|[^/]+(?:_test|_spec|\.test|\.spec))\.\w+$")
_FEWEST_WORDS, _LONGEST_WORDS = 4, 200


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstPrompt:
    """A prompt file for a new user: its path, and its text."""

    path: str
    text: str


def draft_first_prompt(paths: Sequence[str], todos: Iterable[str]) -> FirstPrompt | None:
    """Return a prompt for the first clear TODO, else for a module without tests, else None.

    `paths` are all files of the tree. `todos` are lines of `git grep -n`: path, line and text.
    """
    return _from_todo(todos) or _from_module(paths)


def _from_todo(todos: Iterable[str]) -> FirstPrompt | None:
    for found in todos:
        path, number, line = (*found.split(":", 2), "", "")[:3]
        comment = _COMMENT.search(line[:1000])
        if not (comment and path.endswith(_SOURCES) and number.isdecimal()) or _APART.search(path):
            continue
        words = display(comment[1].rstrip("*/ "), limit=_LONGEST_WORDS)
        # A question asks for a decision, not for work.
        if len(words.split()) < _FEWEST_WORDS or words.endswith("?") or "`" in path:
            continue
        return _fill(
            title=words[:1].upper() + words[1:].rstrip("."),
            found=f"A comment in the source asks for this:\n\n> {words}",
            path=path,
            line=f", line {number}",
            done="What the comment asks for is there, with a test, and the comment is gone.",
        )
    return None


def _from_module(paths: Sequence[str]) -> FirstPrompt | None:
    """Return a prompt for the first source file whose name no test has, if there are tests."""
    tests = [path for path in paths if _TEST.search(path)]
    if not tests:
        return None
    tested = {re.sub(r"^test_|(?:_test|_spec|\.test|\.spec)$", "", _stem(path)) for path in tests}
    for path in paths:
        is_source = path.endswith(_SOURCES) and not (_APART.search(path) or _TEST.search(path))
        if is_source and not _stem(path).startswith("_") and _stem(path) not in tested:
            return _fill(
                title=f"Test {path}",
                found="No test file has the name of this module. Test what it promises.",
                path=path,
                line="",
                done="Its public functions have tests, also for wrong input.",
            )
    return None


def _stem(path: str) -> str:
    return posixpath.splitext(posixpath.basename(path))[0]


def _fill(*, title: str, found: str, path: str, line: str, done: str) -> FirstPrompt:
    shown = as_title(title)
    text = load_template("first-prompt.md").fill(
        title=shown, found=found, path=path, line=line, done=done
    )
    return FirstPrompt(path=f"prompts/{as_slug(shown) or 'first'}.md", text=text)

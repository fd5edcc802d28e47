"""Reads paths from the spelling of words, without looking at a tree."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

MAX_LENGTH = 400  # characters of a word
MAX_BRACES = 20  # paths that one {a,b} may stand for

# Endings of files that people edit. Without this list `os.path` and `e.g.` would be files.
EXTENSIONS = frozenset(
    """adoc astro avsc awk bash bat bazel bib bzl c cabal cc cfg cjs clj cljs cmake cmd conf config
    cpp cs csproj css csv cts cu cxx dart default diff dockerfile ejs el elm env erb erl ex example
    exs fish fs fsproj gemspec gif go gql gradle graphql groovy h haml hbs hcl hh hpp hrl hs htm
    html hxx ico in ini ipynb j2 java jinja jinja2 jl jpeg jpg js json json5 jsonc jsonl jsx kt kts
    less lock lua m make md mdc mdx mjs mk ml mli mm mod mts mustache nim nix patch php pl plist pm
    png po podspec pot properties proto ps1 pxd py pyi pyx r rake rb re rkt rs rst sass sbt scala
    scm scss service sh sln sol sql sum sv svelte svg swift tcl template tex tf tfvars thrift tmpl
    toml tpl ts tsv tsx txt v vb vhd vim vue webp wgsl wsdl xml xsd xsl yaml yml zig zsh""".split()
)
NAMES = frozenset(
    """AUTHORS BUILD Brewfile CHANGELOG CODEOWNERS CONTRIBUTING Containerfile Dockerfile Earthfile
    GNUmakefile Gemfile Guardfile Jenkinsfile Justfile LICENSE MAINTAINERS Makefile NOTICE Pipfile
    Podfile Procfile README Rakefile Tiltfile VERSION Vagrantfile WORKSPACE justfile makefile
    """.split()
)
PLACEHOLDERS = frozenset("bar baz example file foo my_file new_file path some_file tool x".split())

_SEGMENT = re.compile(r"[\w.@+~-]+")
_ODD_SEGMENT = re.compile(r"[\w.@+~$()\[\]-]+")  # routes such as app/[id]/(group)/page.tsx
_GLOB_SEGMENT = re.compile(r"[\w.@+~*?\[\]!-]+")
_LETTER = re.compile(r"[^\W\d_]")
_LINES = re.compile(r"(?:#?L)?(\d{1,7})(?:-L?(\d{1,7}))?")
_ELSEWHERE = re.compile(r"(?:[A-Za-z]:)?/|~/|\$\w+/|\$\{\w+\}/|%\w+%/|\.\./")
_BRACES = re.compile(r"(.*?)\{([^{},]*(?:,[^{},]*)+)\}(.*)")


class WordKind(StrEnum):
    """The kind of path that a word spells."""

    FILE = "file"
    DIRECTORY = "directory"
    GLOB = "glob"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpelledPath:
    """A path as a word spells it: with slashes only, no root, no `./` before and no `/` behind it.

    `foreign` means that it was absolute or led out of the tree, so that its first segments may mean
    nothing here. `lines` are the first and the last one if the word names them, as in `a.py:12-20`.
    """

    path: str
    kind: WordKind
    foreign: bool = False
    lines: tuple[int, int] | None = None


def read_word(word: str, *, quoted: bool = False) -> tuple[SpelledPath, ...]:
    """Return the paths that the word spells.

    A word in backticks (`quoted`) needs less evidence.
    """
    if len(word) > MAX_LENGTH or not _is_worth_reading(word):
        return ()
    return tuple(
        spelled
        for part in _expand(_trimmed(word))
        if (spelled := _read_position(_trimmed(part), quoted=quoted))
    )


def has_known_name(path: str) -> bool:
    """Return whether the name alone identifies a file that is no placeholder."""
    name = path.rpartition("/")[2]
    stem, dot, extension = name.rpartition(".")
    if stem.lower() in PLACEHOLDERS or stem.lower().startswith(("your_", "your-")):
        return False
    return name.partition(".")[0] in NAMES or bool(stem and dot and extension.lower() in EXTENSIONS)


def _is_worth_reading(word: str) -> bool:
    """Return whether the word may spell a path, by a quick test."""
    if "/" in word or "." in word or "\\" in word:
        return bool(_LETTER.search(word))
    return word.strip("*_():,[]") in NAMES


def _expand(word: str) -> Iterator[str]:
    """Yield the parts of `a.py,b.py` and `src/{a,b}.py`."""
    braces = _BRACES.fullmatch(word)
    if braces:
        for choice in braces[2].split(",")[:MAX_BRACES]:
            yield f"{braces[1]}{choice}{braces[3]}"
    else:
        yield from word.split(",")


def _trimmed(word: str) -> str:
    """Return the word without the punctuation and emphasis around it."""
    before = None
    while word != before:
        before = word
        word = word.rstrip(".,:;!?\N{HORIZONTAL ELLIPSIS}") if not word.endswith("/..") else word
        word = word.lstrip(",:;!")
        for opening, closing in ("()", "[]", "{}"):
            if word.startswith(opening) and (word.endswith(closing) or closing not in word):
                word = word[1:]
            if word.endswith(closing) and word.count(closing) > word.count(opening):
                word = word[:-1]
        word = _without_emphasis(word)
    return word


def _without_emphasis(word: str) -> str:
    if word.startswith("**") and not word.startswith("**/"):
        word = word[2:]
    for mark in ("**", "__", "*", "_"):
        if word.startswith(mark) and word.endswith(mark) and len(word) > 2 * len(mark):
            return word[len(mark) : -len(mark)] if word[len(mark)] not in "./" else word
    stem = word.rstrip("*")
    return stem if stem != word and has_known_name(stem) else word


def _read_position(word: str, *, quoted: bool) -> SpelledPath | None:
    """Return the path of a word that may have a position or a label.

    The forms are `path`, `path:12`, `path:12:5`, `path:12-20`, `path#L12-L20`, `path::name` and
    `Label:path`.
    """
    word, _, anchor = word.removeprefix("@").partition("#")  # chats attach a file as @path
    drive = word[:2] if word[1:3] in (":\\", ":/") else ""
    parts = [part for part in word[len(drive) :].split(":") if part]
    for index, part in enumerate(parts[:3]):
        spelled = _read_path(drive + part, quoted=quoted)
        if spelled:
            position = parts[index + 1] if index + 1 < len(parts) else anchor
            return replace(spelled, lines=read_lines(position))
    return None


def read_lines(position: str) -> tuple[int, int] | None:
    """Return the first and last line of `12`, `12-20` or `L12-L20`, None for other texts."""
    found = _LINES.fullmatch(position)
    if not found or int(found[1]) < 1:
        return None
    first, last = int(found[1]), int(found[2] or found[1])
    return (first, last) if first <= last else None


def _read_path(word: str, *, quoted: bool) -> SpelledPath | None:
    plain = word.replace("\\", "/")
    path = plain
    while elsewhere := _ELSEWHERE.match(path):
        path = path[elsewhere.end() :]
    foreign = path != plain
    segments = [segment for segment in path.split("/") if segment not in ("", ".")]
    if not segments or ".." in segments:
        return None
    kind = _kind_of(segments, path=path, sure=quoted or foreign or plain.startswith("."))
    return SpelledPath(path="/".join(segments), kind=kind, foreign=foreign) if kind else None


def _kind_of(segments: list[str], *, path: str, sure: bool) -> WordKind | None:
    """Return the kind of the path, None if the spelling is not that of a path."""
    deep = len(segments) > 1
    if "*" in path:
        is_glob = all(map(_GLOB_SEGMENT.fullmatch, segments)) and (deep or has_known_name(path))
        return WordKind.GLOB if is_glob and _LETTER.search(path) else None
    if not all(map((_ODD_SEGMENT if sure else _SEGMENT).fullmatch, segments)):
        return None
    if path.endswith("/"):
        return WordKind.DIRECTORY if _LETTER.search(segments[-1]) else None
    if _is_file(segments[-1], deep=deep, sure=sure):
        return WordKind.FILE
    wordy = all(map(_LETTER.search, segments))
    # `and/or` is no path, `src/core/graph` may be one
    return WordKind.DIRECTORY if wordy and (len(segments) > 2 or (deep and sure)) else None


def _is_file(name: str, *, deep: bool, sure: bool) -> bool:
    stem, dot, extension = name.rpartition(".")
    if name.partition(".")[0] in NAMES:
        return True
    if not dot or not extension.isalnum():
        return False
    if not stem:  # .gitignore is a file, .py is an ending
        return (deep or sure) and (extension == "env" or extension not in EXTENSIONS)
    if extension.lower() in EXTENSIONS:
        return bool(_LETTER.search(stem)) or deep
    return deep and bool(re.fullmatch(r"[A-Za-z][A-Za-z0-9]{0,9}", extension))

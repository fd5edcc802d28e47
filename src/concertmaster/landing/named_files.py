"""Finds the files of a tree that commands name, and what those files name in turn.

One step is followed: the script of `npm run`, the makefile of `make`, and a script of the tree.
What lies below a folder that a command names is not among them.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator

MOST_BYTES = 256 * 1024  # of a file that is followed
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
JUSTFILES = ("justfile", "Justfile", ".justfile")

_SCRIPT = re.compile(r".*\.(?:sh|bash|zsh|ksh|fish|bat|cmd|ps1|mk)|[^.]*")
_RUNNERS = {"npm", "pnpm", "yarn", "bun"}
_SPLIT = re.compile(r"[\s\"'`=;|&()<>,:{}\[\]$]+")

Read = Callable[[str], bytes | None]


def find_named_files(
    commands: Iterable[str], texts: Iterable[str], *, paths: Collection[str], read: Read
) -> frozenset[str]:
    """Return the files among `paths` that the commands and the texts name literally.

    `texts` are files such as concertmaster.yml, which are not followed. `read` returns the content
    of a path of the tree, None where there is none.
    """
    found: set[str] = set()
    for text in texts:
        found |= set(_named(text, paths, folder=""))
    for command in commands:
        named = set(_named(command, paths, folder=""))
        found |= named
        for path, script in _follow(command, named, paths=paths, read=read):
            found |= {path, *_named(script, paths, folder=posixpath.dirname(path))} - {""}
    return frozenset(found)


def _named(text: str, paths: Collection[str], *, folder: str) -> Iterator[str]:
    """Yield the paths that the text names, from the top or from the folder."""
    for word in dict.fromkeys(_SPLIT.split(text)):
        for start in dict.fromkeys(("", folder)):
            path = posixpath.normpath(posixpath.join(start, word)) if word else ""
            if path in paths:
                yield path


def _follow(
    command: str, named: Iterable[str], *, paths: Collection[str], read: Read
) -> Iterator[tuple[str, str]]:
    """Yield the files that the command runs, with the text that names further ones."""
    words = set(_SPLIT.split(command))
    for path in named:
        if _SCRIPT.fullmatch(posixpath.basename(path)):
            yield path, _text(read(path))
    for program, names in (("make", MAKEFILES), ("gmake", MAKEFILES), ("just", JUSTFILES)):
        for name in names:
            if program in words and name in paths:
                yield name, _recipes(_text(read(name)))
    if _RUNNERS & words and "package.json" in paths:
        yield "package.json", "\n".join(_scripts(_text(read("package.json")), words))


def _recipes(makefile: str) -> str:
    """Return the lines that run or include something; others list sources."""
    kept = [line for line in makefile.splitlines() if line[:1].isspace() or "include" in line]
    return "\n".join(kept)


def _scripts(package: str, words: Collection[str]) -> Iterator[str]:
    """Yield the scripts of package.json that the words name, with those around them."""
    try:
        found = json.loads(package)
    except (ValueError, RecursionError):
        return
    scripts = found.get("scripts") if isinstance(found, dict) else None
    for name, script in scripts.items() if isinstance(scripts, dict) else ():
        is_named = name.removeprefix("pre").removeprefix("post") in words or name in words
        is_of_install = name in ("preinstall", "install", "postinstall", "prepare")
        if isinstance(script, str) and (is_named or is_of_install):
            yield script


def _text(data: bytes | None) -> str:
    return data.decode(errors="replace") if data and len(data) <= MOST_BYTES else ""

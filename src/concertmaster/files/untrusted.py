"""Reads untrusted files with limits on size and type, and checks JSON against a dataclass."""

from __future__ import annotations

import json
import math
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from concertmaster.errors import EnvironmentFault
from concertmaster.text.display import display

if TYPE_CHECKING:
    from pydantic import TypeAdapter

MOST_DOCUMENT_BYTES = 8 << 20
MOST_CHARACTERS = 1 << 20  # of one text; a longer one is refused
KEPT_CHARACTERS = 4000  # of one text after `shorten`
KEPT_EVIDENCE = 20_000  # characters, from the end of a log
KEPT_NOTES = 50
LARGEST_NUMBER = 1e15

T = TypeVar("T")


@contextmanager
def open_plain(path: Path, *, what: str, most_bytes: int) -> Iterator[int]:
    """Yield the descriptor of a regular file of at most `most_bytes`; links are not followed.

    Raises EnvironmentFault for anything else. `what` describes the file in the error.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as error:
        raise unfit_file(what, f"{path.name}: {error}") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise unfit_file(what, f"{path.name} is no regular file")
        if found.st_size > most_bytes:
            raise unfit_file(what, f"{path.name} has {found.st_size} bytes, more than {most_bytes}")
        yield descriptor
    finally:
        os.close(descriptor)


Reshape = Callable[[Any], Any]


def read_file(path: Path, kind: type[T], *, what: str, reshape: Reshape | None = None) -> T:
    """Return the document in a file. Raises EnvironmentFault when it is not of this kind.

    `reshape` is the same as that of `read_document`.
    """
    if path.parent.is_symlink():
        raise unfit_file(what, f"{path.parent.name} is a symbolic link")
    with open_plain(path, what=what, most_bytes=MOST_DOCUMENT_BYTES) as descriptor:
        data = b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
    return read_document(data, kind, what=what, reshape=reshape)


def read_document(data: bytes, kind: type[T], *, what: str, reshape: Reshape | None = None) -> T:
    """Return the document in these bytes. Raises EnvironmentFault if it is not of this kind.

    `reshape` makes the JSON of this kind from the JSON that was read, and raises ValueError where
    it cannot.
    """
    try:
        if len(data) > MOST_DOCUMENT_BYTES:
            raise ValueError(f"{len(data)} bytes are more than {MOST_DOCUMENT_BYTES}")
        tree = json.loads(data.decode("utf-8"))
        _check_values(tree)
        tree = reshape(tree) if reshape else tree
        adapter = _adapter(kind)  # type: ignore[arg-type]  # mypy: type[T] is not Hashable
        # Serialized again, so that pydantic reads exactly the values that were checked.
        found: T = adapter.validate_json(json.dumps(tree), strict=True)
    except (ValueError, RecursionError) as error:
        raise unfit_file(what, str(error)) from error
    return found


@cache
def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    from pydantic import TypeAdapter  # noqa: PLC0415  slow to load, and only readers need it

    return TypeAdapter(kind)


def _check_values(tree: object) -> None:
    """Check the numbers and texts of a JSON tree.

    Raises ValueError for a number that is negative, too large or not a number, and for a text that
    is too long.
    """
    match tree:
        case dict():
            for key, value in tree.items():
                _check_values(key)
                _check_values(value)
        case list():
            for value in tree:
                _check_values(value)
        case int() | float() if not 0 <= tree <= LARGEST_NUMBER or math.isnan(tree):
            raise ValueError("a number that cannot be here")
        case str() if len(tree) > MOST_CHARACTERS:
            raise ValueError(f"a text of {len(tree)} characters")
        case _:
            pass


def shorten(document: T) -> T:
    """Return the document with its texts and notes cut to the limits; logs keep their end."""
    shortened: T = _shorten(document)
    return shortened


def _shorten(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        names = [field.name for field in fields(value)]
        return replace(value, **{name: _shorten_field(value, name) for name in names})
    if isinstance(value, tuple):
        return tuple(map(_shorten, value))
    if type(value) is str and len(value) > KEPT_CHARACTERS:
        return value[: KEPT_CHARACTERS - 1] + "…"
    return value


def _shorten_field(document: Any, name: str) -> Any:
    value = getattr(document, name)
    match name:
        case "evidence":
            return value[-KEPT_EVIDENCE:]
        case "notes" | "follow_ups":
            return _shorten(value[:KEPT_NOTES])
        case _:
            return _shorten(value)


def unfit_file(what: str, why: str) -> EnvironmentFault:
    """Return the error for a file of another job that cannot be used."""
    return EnvironmentFault(
        f"{what} cannot be used",
        why=display(why, limit=500),
        next_step="run the whole workflow again; if it comes back, look at the job that made it",
    )

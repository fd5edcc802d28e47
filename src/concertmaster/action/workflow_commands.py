"""Formats the outputs of a job as GitHub Actions reads them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from concertmaster.errors import Error
from concertmaster.text.display import display

_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", re.ASCII)
_DELIMITER = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)


def encode_names(names: Iterable[str]) -> str:
    """Return the names as a JSON list in which each character is escaped.

    GitHub withholds an output that holds the text of a secret, such as a word of a name.
    """
    return f"[{', '.join(map(_escape, names))}]"


def _escape(name: str) -> str:
    units = memoryview(name.encode("utf-16-be")).cast("B")
    pairs = zip(units[::2], units[1::2], strict=True)
    return '"' + "".join(f"\\u{high:02x}{low:02x}" for high, low in pairs) + '"'


def format_output(name: str, value: str, *, delimiter: str) -> str:
    """Return the lines for GITHUB_OUTPUT or GITHUB_ENV. The delimiter must be random.

    Raises Error if the value could end itself and set another name.
    """
    if not _OUTPUT_NAME.fullmatch(name) or not _DELIMITER.fullmatch(delimiter):
        why = "the name or the delimiter is not made of letters, digits, _ and -"
    elif delimiter in value or delimiter in name:
        why = "the value holds the delimiter"
    else:
        return f"{name}<<{delimiter}\n{value}\n{delimiter}\n"
    raise Error(
        f"The output {display(name)} cannot be written.",
        why=why,
        next_step="Draw another random delimiter of 16 characters or more.",
    )

"""Formats the outputs of a job as GitHub Actions reads them."""

from __future__ import annotations

import re

from concertmaster.errors import Error
from concertmaster.text.display import display

_OUTPUT_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}", re.ASCII)
_DELIMITER = re.compile(r"[A-Za-z0-9_-]{16,128}", re.ASCII)


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

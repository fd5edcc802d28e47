"""Contains the text templates of prompts for agents and of reports for people."""

from __future__ import annotations

import string
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `$names`."""

    text: str

    def fill(self, **values: str) -> str:
        """Replace the names by the values, unescaped; names without a value stay as they are."""
        return string.Template(self.text).safe_substitute(values)


def load_template(name: str) -> Template:
    """Load a template file of this package."""
    return Template(files(__name__).joinpath(name).read_text("utf-8"))

"""What is said to agents and people, as files."""

from __future__ import annotations

import string
from dataclasses import dataclass
from importlib.resources import files


@dataclass(frozen=True, slots=True)
class Template:
    """A text with `$names`; those that nobody fills stay as they are."""

    text: str

    def fill(self, **values: str) -> str:
        """What is put in is taken as it is."""
        return string.Template(self.text).safe_substitute(values)


def load_template(name: str) -> Template:
    """A template file of ours."""
    return Template(files(__name__).joinpath(name).read_text("utf-8"))

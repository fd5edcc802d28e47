"""What is said to agents and people, as files."""

from __future__ import annotations

from importlib.resources import files
from string import Template


def fill(name: str, **values: str) -> str:
    """The template file with its `$names` replaced; what is put in is taken as it is."""
    return Template(files(__name__).joinpath(name).read_text("utf-8")).substitute(values)

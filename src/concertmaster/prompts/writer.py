"""Writes prompt files for people to read and start."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.prompts.parser import as_title, write_front_matter
from concertmaster.text.display import visible

_NOTHING = ("~", "null")  # titles that YAML reads as null


def render_prompt(
    *, title: str, text: str, needs: Sequence[str] = (), touches: Sequence[str] = ()
) -> str:
    """Return a prompt file from which `parse_prompt` reads these values again.

    The title becomes one short line, and invisible characters of the text become U+FFFD. A blank
    text makes a file that `parse_prompt` refuses, as it does every empty prompt.
    """
    line = as_title(title)
    values: dict[str, object] = {"title": "" if line.lower() in _NOTHING else line}
    lists = {"needs": list(needs), "touches": list(touches)}
    values |= {key: items for key, items in lists.items() if items}
    return f"{write_front_matter(values)}\n{_readable(text)}\n"


def _readable(text: str) -> str:
    lines = text.replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    return "\n".join(map(_show_line, lines))


def _show_line(line: str) -> str:
    """Show invisible characters but tabs, which recipes of a Makefile need."""
    return "\t".join(map(visible, line.split("\t"))).rstrip()

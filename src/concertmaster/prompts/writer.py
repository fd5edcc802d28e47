"""A prompt file that is written for a person to read and start: nothing in it is started here."""

from __future__ import annotations

from collections.abc import Sequence

from concertmaster.prompts.parser import as_title, write_front_matter
from concertmaster.text.display import visible

_NOTHING = ("~", "null")  # titles that YAML reads as none


def render_prompt(
    *, title: str, text: str, needs: Sequence[str] = (), touches: Sequence[str] = ()
) -> str:
    """The file from which `prompt.parse` reads these values again.

    The title becomes one short line, and what is invisible in the text is shown as U+FFFD.
    A text without a word makes a file that `parse` refuses, as it refuses each other empty prompt.
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
    """Tabs stay: in a recipe of a Makefile they mean something."""
    return "\t".join(map(visible, line.split("\t"))).rstrip()

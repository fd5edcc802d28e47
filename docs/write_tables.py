"""Writes what is made from the source: tables of the documents, workflow, actions: `make docs`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from concertmaster.settings.declarations import SETTINGS
from concertmaster.settings.setting import Place, Setting
from docs.error_sites import UNKNOWN, find_error_sites
from docs.federated_workflow import write_federated
from docs.job_actions import write_job_actions

DOCS = Path(__file__).parent
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n)(.*?)(<!-- end of table -->)", re.DOTALL)


def fill_tables(text: str) -> str:
    """Return the document with the tables between their marks made anew."""
    return BLOCK.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[4]}", text)


def write_settings() -> str:
    """Return the table of all settings, a Markdown row for each."""
    head = "| setting | option | on GitHub | default | meaning |\n|---|---|---|---|---|"
    return "\n".join([head, *map(_write_row, SETTINGS.values()), ""])


def _write_row(setting: Setting) -> str:
    option = f"`{setting.option}`" if Place.OPTION in setting.places else ""
    cells = (f"`{setting.name}`", option, ", ".join(_places(setting)), _default(setting))
    return "| " + " | ".join((*cells, setting.help.partition(" (default")[0].rstrip("."))) + " |"


def _places(setting: Setting) -> Iterator[str]:
    if Place.COMMENT in setting.places:
        yield f"`{setting.name}={setting.example}`"
    if Place.INPUT in setting.places:
        yield "input"


def _default(setting: Setting) -> str:
    return setting.unset or (setting.written_default and f"`{setting.written_default}`")


def write_errors(*, on_github: bool) -> str:
    """Return the table of the errors that users may see, on one machine or on GitHub."""
    head = "| it says | because | do |\n|---|---|---|"
    rows = [
        f"| {_cell(one.what)} | {_cell(one.why)} | {_cell(one.next_step)} |"
        for one in find_error_sites()
        if one.on_github == on_github and _cell(one.next_step)
    ]
    return "\n".join([head, *rows, ""])


def _cell(text: str) -> str:
    """Return the text of a cell; a text that is not known beforehand stands in the message."""
    is_unknown = not text.replace(UNKNOWN, "").strip()
    return "" if is_unknown else " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


TABLES: dict[str, Callable[[], str]] = {
    "settings": write_settings,
    "errors": partial(write_errors, on_github=False),
    "github_errors": partial(write_errors, on_github=True),
}


if __name__ == "__main__":
    for page in sorted(DOCS.glob("*.md")):
        page.write_text(fill_tables(page.read_text()))
    write_federated()
    write_job_actions()

"""Reads the plan comments and child issues of versions that hid no data in them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from concertmaster.text.markdown import as_code

_NUMBER = "([1-9][0-9]{0,15})"
_ROW = re.compile(rf"^\| ([A-Za-z0-9._-]+) \| #{_NUMBER} \| ([0-9]{{0,6}}) \|", re.MULTILINE)

# A whole line: what a plan quotes of others never is one.
_NOTE = re.compile(rf"^- \[Workflow run\]\((\S+)/actions/runs/{_NUMBER}\)\r?$", re.MULTILINE)


def read_rows(body: str) -> Iterator[tuple[str, int, int | None]]:
    """Yield task, child issue and share of each row of the table; the share may be None."""
    for task, number, share in _ROW.findall(body):
        yield task, int(number), int(share) if share else None


def read_workflow(body: str, *, repository_url: str = "") -> int | None:
    """Return the workflow run that the note names, if it is one of this repository ("" is any)."""
    for url, number in _NOTE.findall(body):
        if repository_url in ("", url):
            return int(number)
    return None


def is_child_of(body: str, *, task: str, parent: int) -> bool:
    """Return whether the line below the mark of a child issue names the parent issue."""
    return body.partition("\n")[2].startswith(f"Task {as_code(task)} of #{parent}, ")

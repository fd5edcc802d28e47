"""Reads the addresses under which GitHub shows a file of a repository."""

from __future__ import annotations

import re

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}:|//", re.IGNORECASE)
_VIEWS = ("blob", "blame", "raw", "edit")
_RELATIVE = re.compile(rf"(?:\.\./){{1,3}}((?:{'|'.join(_VIEWS)})/.+)")
_PARTS = re.compile(r"https?://(?:www\.)?(?P<host>[^/?#@\s]+)(?P<path>/[^?#]*)", re.IGNORECASE)
_RAW_HOST = "raw.githubusercontent.com"
_BRANCHES = "refs/heads/"


def is_address(text: str) -> bool:
    """Return whether the text is the address of a page, and not a path of the repository.

    `../blob/main/a.md` is one as well: so a page of an issue links to a file.
    """
    return names_host(text) or text.startswith("/") or bool(_RELATIVE.match(text))


def names_host(text: str) -> bool:
    """Return whether the text is an address with a scheme or a host."""
    return bool(_ADDRESS.match(text))


def read_address(address: str, repository_url: str) -> str:
    """Return the path in an address of a file of this repository, as in `…/blob/<ref>/<path>`.

    Other addresses give "", and a path from the root of the disk stays as it is.
    """
    if relative := _RELATIVE.match(address):
        return _read_view(relative[1])
    home = _PARTS.match(repository_url.rstrip("/"))
    if address.startswith("/") and not address.startswith("//"):
        below = _below(home["path"], address) if home else ""
        return _read_view(below) if below else address
    parts = _PARTS.match(address)
    if home is None or parts is None:
        return ""
    below = _below(home["path"], parts["path"])
    hosts = (parts["host"].lower(), home["host"].lower())
    if hosts == (_RAW_HOST, "github.com"):
        return _drop_ref(below)
    return _read_view(below) if hosts[0] == hosts[1] else ""


def _below(home: str, path: str) -> str:
    """Return what follows the repository's own path, "" in another repository."""
    is_ours = path.lower().startswith(f"{home.lower()}/")
    return re.split(r"[?#]", path[len(home) + 1 :], maxsplit=1)[0] if is_ours else ""


def _read_view(rest: str) -> str:
    view, _, path = rest.partition("/")
    return _drop_ref(path) if view in _VIEWS else ""


def _drop_ref(path: str) -> str:
    return path.removeprefix(_BRANCHES).partition("/")[2]

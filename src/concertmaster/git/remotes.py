"""Describes the user's remotes for a repository that may know them but not push to them."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from concertmaster.git.command import quoted, split_records
from concertmaster.git.repository import Repository

NOWHERE = "/dev/null"  # git refuses to push to it
_URL_KEYS = r"^remote\..*\.url$"
_BRANCH_KEYS = r"^branch\..*\.remote$"
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*://")
_SCP = re.compile(r"[^/]+:")  # host:path, as git reads it


def list_remotes(user: Repository) -> dict[str, str]:
    """Return the addresses of the user's remotes by name, without credentials."""
    found: dict[str, str] = {}
    for key, value in _read(user, _URL_KEYS):
        name = key.removeprefix("remote.").removesuffix(".url")
        found.setdefault(name, clean_address(value, root=user.root))  # git fetches from the first
    return found


def branch_remote(user: Repository, branch: str) -> str:
    """Return the remote that the user's branch follows, "" if none is set."""
    remotes = dict(_read(user, _BRANCH_KEYS))
    return remotes.get(f"branch.{branch}.remote", "")


def _read(user: Repository, keys: str) -> list[tuple[str, str]]:
    records = split_records(user.git.ask("config", "-z", "--get-regexp", keys).out)
    pairs = (record.partition("\n") for record in records)
    return [(key, value) for key, _, value in pairs if value]


def clean_address(address: str, *, root: Path) -> str:
    """Return the address without a password or a query; a relative path starts at `root`.

    The user of an SSH address stays, because servers need it; that of a web address may be a token.
    """
    if not _SCHEME.match(address):
        is_path = not _SCP.match(address)
        return str((root / address).resolve()) if is_path and address[0] == "." else address
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    user, _, host = parts.netloc.rpartition("@")
    is_web = parts.scheme.lower() in ("http", "https", "ftp", "ftps")
    kept = "" if is_web else user.partition(":")[0]
    netloc = f"{kept}@{host}" if kept else host
    query = "" if is_web else parts.query
    return urlunsplit((parts.scheme, netloc, parts.path, query, ""))


def write_config(remotes: dict[str, str]) -> str:
    """Return the remotes as text of a config file in which a push to any of them fails."""
    lines = []
    for name, address in remotes.items():
        lines.append(f"[remote {quoted(name)}]\n\turl = {quoted(address)}\n")
        lines.append(f"\tpushurl = {quoted(NOWHERE)}\n")
        lines.append(f"\tfetch = {quoted(f'+refs/heads/*:refs/remotes/{name}/*')}\n")
        if address:
            lines.append(f"[url {quoted(NOWHERE + '/')}]\n\tpushInsteadOf = {quoted(address)}\n")
    return "".join(lines)


def follow_remote(branch: str, remote: str, *, target: str) -> str:
    """Return text of a config file that makes the branch follow the target on the remote."""
    merge = quoted(f"refs/heads/{target}")
    return f"[branch {quoted(branch)}]\n\tremote = {quoted(remote)}\n\tmerge = {merge}\n"

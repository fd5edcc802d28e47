"""Reads references to issues and repositories, as people write them or git's remotes hold them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from concertmaster.errors import UsageError
from concertmaster.text.display import display

_REPOSITORY = r"(?P<repository>[A-Za-z0-9][A-Za-z0-9_-]*/[A-Za-z0-9._-]+?)"
_HOST = r"(?P<host>[^/@:\s]+(?::[0-9]+)?)"
_NUMBER = r"(?P<number>[1-9][0-9]{0,17})"
_ISSUES = (
    re.compile(rf"#?{_NUMBER}"),
    re.compile(rf"{_REPOSITORY}#{_NUMBER}"),
    re.compile(rf"https?://{_HOST}/{_REPOSITORY}/issues/{_NUMBER}(?:[/?#]\S*)?"),
)
_REPOSITORIES = (
    re.compile(rf"{_REPOSITORY}(?:\.git)?"),
    re.compile(rf"https?://(?:[^/@\s]*@)?{_HOST}/{_REPOSITORY}(?:\.git)?/?"),
    re.compile(
        rf"(?:ssh|git)://(?:[^/@\s]*@)?(?P<host>[^/@:\s]+)(?::[0-9]+)?/{_REPOSITORY}(?:\.git)?/?"
    ),
    re.compile(rf"(?:[^/@:\s]+@)?(?P<host>[^/@:\s]+):/?{_REPOSITORY}(?:\.git)?/?"),
)
_SERVER = re.compile(rf"https?://{_HOST}/?")


@dataclass(frozen=True, slots=True, kw_only=True)
class IssueReference:
    """A reference to an issue or a repository (owner/name); absent parts are "" or 0."""

    host: str = ""
    repository: str = ""
    number: int = 0


def read_issue(text: str) -> IssueReference:
    """Read 12, #12, owner/name#12 or the address of an issue's page. Raises UsageError."""
    found = _read(text, _ISSUES)
    if found is None:
        raise UsageError(
            f"{display(text)!r} names no issue",
            next_step="give its number, or the address of its page",
        )
    return found


def read_repository(text: str) -> IssueReference:
    """Read owner/name or the URL of a remote.

    Raises UsageError, which does not quote the text because a URL may hold a password.
    """
    found = _read(text, _REPOSITORIES)
    if found is None:
        raise UsageError(
            "the repository on GitHub is not known",
            why="what is given, or the URL of the remote `origin`, names none",
            next_step="name it with --repo OWNER/NAME",
        )
    return found


def check_server(address: IssueReference, server: str) -> None:
    """Raise UsageError if the address is on another server than this URL.

    The token must not be sent to any other server.
    """
    known = _SERVER.fullmatch(server)
    host = known["host"].lower() if known else ""
    if address.host.lower() not in ("", host):
        raise UsageError(
            f"{display(address.host)} is not {host or display(server)}",
            why="your token is sent to no server but the one that GITHUB_SERVER_URL names",
            next_step="name the repository with --repo OWNER/NAME; or, if the token is for that"
            " server, set GITHUB_SERVER_URL to its address",
        )


def _read(text: str, forms: tuple[re.Pattern[str], ...]) -> IssueReference | None:
    for form in forms:
        if found := form.fullmatch(text.strip()):
            parts = found.groupdict()
            if (parts.get("repository") or "").rpartition("/")[2] in (".", ".."):
                return None
            return IssueReference(
                host=parts.get("host") or "",
                repository=parts.get("repository") or "",
                number=int(parts.get("number") or 0),
            )
    return None

"""Reads the messages of git and of the server about a fetch or a push."""

from __future__ import annotations

import re

from concertmaster.git.command import GitAnswer, decode
from concertmaster.text.display import display

LONGEST_REASON = 1000

_NO_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|^-|^$|\.\.|@\{|//")
_MISSING = re.compile(r"couldn't find remote ref (\S+)|not our ref ([0-9a-f]{40,64})")
_PASSING = re.compile(
    r"returned error: (?:5\d\d|408|429)|HTTP (?:5\d\d|408|429)|rate limit|Internal Server Error"
    r"|[Tt]imed? ?out|too slow|[Cc]onnection (?:was )?(?:reset|refused|closed)|Could not resolve"
    r"|Failed to connect|Couldn't connect|Empty reply|hung up|early EOF|unexpected disconnect"
    r"|RPC failed|gnutls|SSL_|failed to report status|failed to update ref"
)
_MOVED = re.compile(
    r"stale info|non-fast-forward|fetch first|cannot lock ref|incorrect old value"
    r"|reference already exists|remote ref updated since"
)
_FORBIDDEN = re.compile(r"returned error: 403|HTTP 403")
_TOLD = re.compile(r"(?:remote:(?:\s*error:)?+|(?=fatal:)|(?=error: RPC))\s*(.*\S)\s*")
_REJECTED = re.compile(r"\[[a-z ]+\] \((.*)\)")


def is_branch(name: str) -> bool:
    """Return whether git can only read the name as a branch, in a refspec as well."""
    return not _NO_BRANCH.search(name)


def find_missing(answer: GitAnswer) -> list[str]:
    """Return the refs and commits that the server says it does not have."""
    return [ref or commit for ref, commit in _MISSING.findall(answer.err)]


def may_pass(words: str) -> bool:
    """Return whether the words tell of a fault of network or server that a repeat may help."""
    return _PASSING.search(words) is not None


def tells_of_a_move(words: str) -> bool:
    """Return whether the words say that the ref was not where it was expected."""
    return _MOVED.search(words) is not None


def forbids(words: str) -> bool:
    """Return whether the words say that the token may not do this at all."""
    return _FORBIDDEN.search(words) is not None


def read_porcelain(answer: GitAnswer) -> dict[str, str]:
    """Return the error that `push --porcelain` gives for each ref, or "" if it gives none."""
    said = {}
    for line in decode(answer.out).splitlines():
        flag, _, rest = line.partition("\t")
        spec, _, words = rest.partition("\t")
        if words:
            said[spec.rpartition(":")[2]] = words if flag == "!" else ""
    return said


def reason(answer: GitAnswer, words: str = "") -> str:
    """Return the server's messages and git's `words` on one ref, without git's advice."""
    told = [match[1] for line in answer.err.splitlines() if (match := _TOLD.fullmatch(line))]
    rejected = _REJECTED.fullmatch(words)
    parts = [*dict.fromkeys(told), f"({rejected[1]})" if rejected else words]
    said = " ".join(filter(None, parts))
    return display(said, limit=LONGEST_REASON) or f"git ended with {answer.code}"

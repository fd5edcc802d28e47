"""Translates GitHub's refusals into errors of this package, with the wait and the next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.errors import EnvironmentFault
from concertmaster.retry import TransientFault
from concertmaster.text.display import display

# GitHub renews its limits after an hour; a server that asks for a longer wait does not get it.
LONGEST_WAIT_SECONDS = 3660.0
SECONDARY_WAIT_SECONDS = 60.0  # if GitHub names no time

_TOO_QUICK_WORDS = "submitted too quickly"
_LIMIT_WORDS = (
    "secondary rate limit",
    "api rate limit exceeded",
    "abuse detection",
    _TOO_QUICK_WORDS,
)
_PASSING_WORDS = "something went wrong while executing"  # GraphQL reached its time limit
_FORBIDDEN_KINDS = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})
_LASTING_KINDS = frozenset(
    {"NOT_FOUND", "STALE_DATA", "UNPROCESSABLE", "VALIDATION", *_FORBIDDEN_KINDS}
)
_AGAIN = "run the job again; what is done is not done twice"
_SEEN = "check the address; a token that may not see a thing gets the same answer"

# Refusals that no line of a workflow file can change, and the setting that can.
_SETTINGS = {
    "not permitted to create or approve pull requests": (
        "turn on `Allow GitHub Actions to create and approve pull requests` in the repository's "
        "settings (Actions, General), or give the job an App's token"
    ),
    "create or update workflow": (
        "give the job the token of an App with the permission `workflows`; GITHUB_TOKEN cannot "
        "have it"
    ),
}

# The first part of a path below the repository, or a mutation, and the permission that it needs.
_PERMISSIONS = {
    "actions": "actions",
    "addBlockedBy": "issues",
    "addLabelsToLabelable": "issues",
    "closeIssue": "issues",
    "collaborators": "metadata",
    "createIssue": "issues",
    "enablePullRequestAutoMerge": "pull-requests",
    "issues": "issues",
    "labels": "issues",
    "pulls": "pull-requests",
    "query": "issues",
    "removeLabelsFromLabelable": "issues",
    "rules": "metadata",
    "updateIssue": "issues",
}


class NotAllowed(EnvironmentFault):
    """The token lacks a permission, or the issue is locked."""


class Locked(NotAllowed):
    """The issue is locked for this token."""


class NotFound(EnvironmentFault):
    """GitHub has no such object, or the token may not see it."""


class Conflicting(EnvironmentFault):
    """The object is not in a state that allows the call."""


class Invalid(EnvironmentFault):
    """GitHub rejects the content of the call, for instance because the object exists already."""


class Unsupported(EnvironmentFault):
    """The server does not know the call."""


class GivenUp(EnvironmentFault):
    """GitHub failed or was rate limited until the last try."""


class TooQuick(TransientFault):
    """GitHub takes new content more slowly than it documents."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """The answer to a failed call, with the names of its headers in lower case.

    Errors of GraphQL come with status 200, or with a status that PyGithub derives from them.
    """

    status: int
    headers: Mapping[str, str]
    data: Any

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """The entries of the answer's `errors`, or []."""
        found = self.data.get("errors") if isinstance(self.data, dict) else None
        return [one for one in found or () if isinstance(one, dict)]

    @property
    def words(self) -> str:
        """GitHub's message and the details of the errors, in one line."""
        data = self.data if isinstance(self.data, dict) else {"message": self.data or ""}
        details = [_describe(error) for error in self.errors]
        said = [str(data.get("message") or ""), *dict.fromkeys(details)]
        return display(": ".join(filter(None, said)), limit=500) or "GitHub gives no reason"

    @property
    def is_query(self) -> bool:
        """True if the errors are GraphQL's own, with or without partial data."""
        return bool(self.errors) and self.status in (200, 400, 404) and "message" not in self.data


def read_answer(status: int, headers: Mapping[str, Any], data: Any) -> ApiAnswer:
    """Return the answer to a failed call, from whatever client library it came."""
    lowered = {name.lower(): str(value) for name, value in headers.items()}
    return ApiAnswer(status=status, headers=lowered, data=data)


def missing_permission(verb: str, path: str) -> str:
    """Return the permission that a call needs, as in a workflow file: `issues: write`.

    `path` is below the repository; for GraphQL it is `query` or the name of the mutation.
    """
    named, _, below = path.strip("/").partition("?")[0].partition("/")
    is_reading = verb in ("GET", "HEAD") or named == "query"
    if named == "pulls" and "/merge" in below and not is_reading:
        return "contents: write"
    return f"{_PERMISSIONS.get(named, 'contents')}: {'read' if is_reading else 'write'}"


def requested_wait_seconds(headers: Mapping[str, str], *, now: float) -> float:
    """Return the seconds that an answer asks to wait, from 1 to LONGEST_WAIT_SECONDS.

    They are those of retry-after, or else the time until the hourly limit is renewed. `now` is in
    seconds since the epoch.
    """
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdigit():
        seconds = float(after)
    elif headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        seconds = float(reset) - now + 1  # the reset time is given in whole seconds
    else:
        seconds = SECONDARY_WAIT_SECONDS
    return min(LONGEST_WAIT_SECONDS, max(1.0, seconds))


def explain_refusal(answer: ApiAnswer, *, action: str, needs: str, now: float) -> Exception:
    """Return the error for a failed call; a TransientFault if the same call may succeed later."""
    if _is_limit(answer):
        kind = TooQuick if _TOO_QUICK_WORDS in answer.words.lower() else TransientFault
        return kind(answer.words, seconds=requested_wait_seconds(answer.headers, now=now))
    if answer.status >= 500:
        return TransientFault(f"GitHub answers {answer.status}: {answer.words}")
    if answer.is_query:
        return _explain_query(answer, action=action, needs=needs)
    if answer.status == 403:
        return _not_allowed(answer.words, action=action, needs=needs)
    what = f"could not {action}: GitHub answers {answer.status}"
    if answer.status == 410 and "deleted" in answer.words.lower():
        return NotFound(what, why=answer.words, next_step=_SEEN)
    meaning, next_step = _MEANINGS.get(answer.status, (EnvironmentFault, _AGAIN))
    return meaning(what, why=answer.words, next_step=next_step)


_MEANINGS: Mapping[int, tuple[type[EnvironmentFault], str]] = {
    401: (EnvironmentFault, "give the job a token that is valid; GITHUB_TOKEN ends with its job"),
    404: (NotFound, _SEEN),
    405: (Conflicting, _AGAIN),
    409: (Conflicting, _AGAIN),
    410: (EnvironmentFault, "turn on issues in the repository's settings (General, Features)"),
    422: (Invalid, f"mend what GitHub names, or {_AGAIN}"),
}


def _explain_query(answer: ApiAnswer, *, action: str, needs: str) -> Exception:
    kinds = {str(error.get("type") or "") for error in answer.errors}
    words = answer.words
    if _PASSING_WORDS in words.lower():
        return TransientFault(words)
    if "data" not in answer.data:  # GraphQL did not execute the request at all
        what = f"could not {action}: this server does not know the call"
        return Unsupported(what, why=words, next_step="bring the server up to date")
    if kinds & _FORBIDDEN_KINDS:
        return _not_allowed(words, action=action, needs=needs)
    if not kinds <= _LASTING_KINDS:
        return TransientFault(words)
    if kinds == {"NOT_FOUND"}:
        return NotFound(
            f"could not {action}: GitHub finds no such thing", why=words, next_step=_SEEN
        )
    return Invalid(
        f"could not {action}", why=words, next_step=f"mend what GitHub names, or {_AGAIN}"
    )


def _is_limit(answer: ApiAnswer) -> bool:
    if answer.status == 429 or any(error.get("type") == "RATE_LIMITED" for error in answer.errors):
        return True
    if answer.status == 403 and "retry-after" in answer.headers:
        return True
    words = answer.words.lower()
    return answer.status < 500 and any(part in words for part in _LIMIT_WORDS)


def _not_allowed(words: str, *, action: str, needs: str) -> NotAllowed:
    if "locked" in words.lower():
        return Locked(
            f"could not {action}: it is locked", why=words, next_step="unlock it and run again"
        )
    for said, next_step in _SETTINGS.items():
        if said in words.lower():
            return NotAllowed(f"the token may not {action}", why=words, next_step=next_step)
    return NotAllowed(
        f"the token may not {action}: it lacks the permission `{needs}`",
        why=words,
        next_step=f"add the line `{needs}` to the job's `permissions:` in the workflow file",
    )


def _describe(error: Mapping[str, Any]) -> str:
    if error.get("message"):
        return str(error["message"])
    return " ".join(str(error[key]) for key in ("field", "code") if error.get(key))

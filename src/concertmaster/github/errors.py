"""What GitHub's refusals mean: the error of ours, how long to wait, and what a person can do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from concertmaster.errors import EnvironmentFault
from concertmaster.retry import TransientFault
from concertmaster.text.display import display

# GitHub's hour, and a little more; no server can make us wait longer.
LONGEST_WAIT_SECONDS = 3660.0
SECONDARY_WAIT_SECONDS = 60.0  # where GitHub names no time

_LIMIT_WORDS = (
    "secondary rate limit",
    "api rate limit exceeded",
    "abuse detection",
    "submitted too quickly",
)
_PASSING_WORDS = "something went wrong while executing"  # GraphQL ran into its time limit
_FORBIDDEN_KINDS = frozenset({"FORBIDDEN", "INSUFFICIENT_SCOPES"})
_LASTING_KINDS = frozenset({"NOT_FOUND", "STALE_DATA", "UNPROCESSABLE", *_FORBIDDEN_KINDS})
_AGAIN = "run the job again; what is done is not done twice"
_SEEN = "check the address; a token that may not see a thing gets the same answer"

# What no line of a workflow file can allow, to what can.
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

# The first part of a path below the repository, or a mutation, to the permission that it needs.
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
    """The token lacks a permission, or the thing is locked."""


class Locked(NotAllowed):
    """The issue is locked, also for us."""


class NotFound(EnvironmentFault):
    """GitHub knows no such thing, or the token may not see it."""


class Conflicting(EnvironmentFault):
    """The thing is not in a state that allows the call."""


class Invalid(EnvironmentFault):
    """GitHub does not take what the call says; it may be there already."""


class Unsupported(EnvironmentFault):
    """This server does not know the call."""


class GivenUp(EnvironmentFault):
    """GitHub was ill or had no room for us, for as long as we wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiAnswer:
    """A failed call's answer. Names of headers are in lower case; GraphQL's errors come with 200,
    or with the status that the library makes of it."""

    status: int
    headers: Mapping[str, str]
    data: Any

    @property
    def errors(self) -> list[Mapping[str, Any]]:
        """The single errors, where the answer has any."""
        found = self.data.get("errors") if isinstance(self.data, dict) else None
        return [one for one in found or () if isinstance(one, dict)]

    @property
    def words(self) -> str:
        """What GitHub says, in one line."""
        data = self.data if isinstance(self.data, dict) else {"message": self.data or ""}
        details = [_describe(error) for error in self.errors]
        said = [str(data.get("message") or ""), *dict.fromkeys(details)]
        return display(": ".join(filter(None, said)), limit=500) or "GitHub gives no reason"

    @property
    def is_query(self) -> bool:
        """GraphQL's own errors, in place of an answer or beside a part of it."""
        return bool(self.errors) and self.status in (200, 400, 404) and "message" not in self.data


def missing_permission(verb: str, path: str) -> str:
    """As a workflow file has it, such as `issues: write`. `path` is below the repository; of
    GraphQL it is `query` or the name of the mutation."""
    named, _, below = path.strip("/").partition("?")[0].partition("/")
    is_reading = verb in ("GET", "HEAD") or named == "query"
    if named == "pulls" and "/merge" in below and not is_reading:
        return "contents: write"
    return f"{_PERMISSIONS.get(named, 'contents')}: {'read' if is_reading else 'write'}"


def requested_wait_seconds(headers: Mapping[str, str], *, now: float) -> float:
    """How long an answer asks us to wait: retry-after, else until the hour's limit is renewed."""
    after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    if after.isdigit():
        seconds = float(after)
    elif headers.get("x-ratelimit-remaining") == "0" and reset.isdigit():
        seconds = float(reset) - now + 1  # it is not said when in that second
    else:
        seconds = SECONDARY_WAIT_SECONDS
    return min(LONGEST_WAIT_SECONDS, max(1.0, seconds))


def explain_refusal(answer: ApiAnswer, *, action: str, needs: str, now: float) -> Exception:
    """The error of ours; Passing where the same call may go well later."""
    if _is_limit(answer):
        return TransientFault(answer.words, seconds=requested_wait_seconds(answer.headers, now=now))
    if answer.status >= 500:
        return TransientFault(f"GitHub answers {answer.status}: {answer.words}")
    if answer.is_query:
        return _explain_query(answer, action=action, needs=needs)
    if answer.status == 403:
        return _not_allowed(answer.words, action=action, needs=needs)
    what = f"could not {action}: GitHub answers {answer.status}"
    if answer.status == 410 and "deleted" in answer.words.lower():
        return NotFound(what, why=answer.words, next_step=_SEEN)
    kind, next_step = _MEANINGS.get(answer.status, (EnvironmentFault, _AGAIN))
    return kind(what, why=answer.words, next_step=next_step)


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
    if "data" not in answer.data:  # so says GraphQL of a request that was not carried out
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

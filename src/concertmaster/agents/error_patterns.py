"""Recognises usage limits, transient errors and missing sessions in error texts of agents.

Apply it only to texts of the command line itself, never to what a model says.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo

_LIMIT = re.compile(
    r"hit your \w+ limit|(usage|session|weekly|5-hour) limit reached|exceeded your current quota"
    r"|exhausted your (daily quota|capacity|quota)|quota exceeded|quota will reset"
    r"|RESOURCE_EXHAUSTED|insufficient_quota|usage_limit_reached|429 Too Many Requests"
    r"|^429: |\bRateLimitError\b|rate limited you|rate limit (reached|exceeded)",
    re.IGNORECASE,
)
_NO_ACCESS = re.compile(
    r"authentication_failed|billing_error|authentication_error|AuthenticationError"
    r"|(incorrect|invalid|bad) (x-)?api[ -]key|api key (not valid|is invalid|not found)"
    r"|API_KEY_INVALID|UNAUTHENTICATED|\b401 Unauthorized|missing bearer|invalid authentication"
    r"|not logged in|please run /login|not signed in|token has expired|invalid auth method"
    r"|could not load (the )?(default )?credentials|unable to locate credentials"
    r"|could not load azure credentials|TokenCredential authentication failed"
    # the words of `action.cloud_token` for a token that was not renewed
    r"|access token of the cloud has ended"
    r"|security token included in the request is (expired|invalid)|ExpiredToken"
    r"|credentials from any providers|credit balance is too low|insufficient_quota"
    r"|no API keys were provided"
    r"|^40[13]: |model_not_found|model .{1,80} does not exist|models/.{1,80} is not found",
    re.IGNORECASE,
)
_NO_QUOTA = re.compile(
    r"check your plan|exceeded your current quota|quota exceeded\. check", re.IGNORECASE
)
_PERMANENT = re.compile(
    r"usage policy|unable to respond to this request|stop_reason.{0,4}refusal", re.IGNORECASE
)
_TRANSIENT = re.compile(
    r"overloaded|at capacity|high demand|stream (disconnected|error)|internal server error"
    r"|service unavailable|bad gateway|gateway time-?out|\(status: (UNAVAILABLE|INTERNAL)\)"
    r"|(status|error):? (408|5\d\d)\b|connection (reset|refused|dropped|closed|error)"
    r"|error sending request|fetch failed|socket hang up|(request|connection) timed out"
    r"|^5\d\d: |other side closed|ECONNRESET|ECONNREFUSED|ETIMEDOUT|EAI_AGAIN"
    r"|APIConnectionError|InternalServerError"
    r"|ServiceUnavailableError|BadGatewayError|servers are down|waiting for network"
    r"|API Error: terminated|an internal error has occurred|model stream ended with"
    # opencode, where another one made the database in the same home at the same time
    r"|exit \d{1,3}: params:"
    r"|model stream ended without|invalid stream received|server had an error while processing",
    re.IGNORECASE,
)
_SESSION_MISSING = re.compile(
    r"no conversation found|no (archived )?rollout found|thread not (found|loaded)"
    r"|thread [\w-]+ not found|no saved session found|invalid session identifier"
    r"|session not found|no session found|no session, task, or name matched"
    r"|to start a new session with ID:"
    r"|no previous sessions found|--list-sessions to see available",
    re.IGNORECASE,
)
_LOGGED_OUT = re.compile(r'"loggedIn": ?false|^Not logged in', re.MULTILINE)
_SANDBOX_REFUSED = re.compile(r"^bwrap: |\bSandbox\(Landlock", re.MULTILINE)

_UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}
_AMOUNT = r"\d{1,6}(?:\.\d{1,9})?\s?[dhms][a-z]{0,6}"
_SPAN = re.compile(
    rf"(?:reset|again|retry)s? (?:after|in) ({_AMOUNT}(?:[\s,]{{0,2}}{_AMOUNT}){{0,3}})",
    re.IGNORECASE,
)
_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)\s?([dhms])", re.IGNORECASE)
_EPOCH = re.compile(r"limit reached\|(\d{10})\b")
_DAY = r"(?:([A-Z][a-z]{2})[a-z]* (\d{1,2})(?:st|nd|rd|th)?(?:,? (\d{4}))?,? (?:at )?)?"
_TIME = r"(\d{1,2})(?::(\d{2}))? ?([ap]m)\b"
_RESETS = re.compile(rf"resets (?:at )?{_DAY}{_TIME} \(([A-Za-z_/+-]{{1,40}})\)", re.IGNORECASE)
_TRY_AGAIN = re.compile(rf"try again at {_DAY}{_TIME}", re.IGNORECASE)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_JUST_PAST = timedelta(minutes=2)
_FURTHEST = timedelta(days=40)  # subscriptions have periods of at most a month


class ErrorKind(StrEnum):
    """What an error text of an agent means for the run."""

    NO_ACCESS = "no_access"
    LIMIT = "limit"
    TRANSIENT = "transient"
    OTHER = "other"


def classify_error(text: str) -> ErrorKind:
    """Return the kind of the error that the text reports.

    A used-up quota is a limit only if the text says when it comes back.
    """
    if _NO_ACCESS.search(text):
        return ErrorKind.NO_ACCESS
    if _NO_QUOTA.search(text) and read_reset(text) is None:
        return ErrorKind.NO_ACCESS
    if _LIMIT.search(text):
        return ErrorKind.LIMIT
    is_transient = _TRANSIENT.search(text) and not _PERMANENT.search(text)
    return ErrorKind.TRANSIENT if is_transient else ErrorKind.OTHER


def tells_limit(text: str) -> bool:
    """Return whether the text reports a usage limit."""
    return classify_error(text) is ErrorKind.LIMIT


def tells_transient(text: str) -> bool:
    """Return whether the text reports an error after which an immediate retry may succeed."""
    return classify_error(text) is ErrorKind.TRANSIENT


def tells_no_access(text: str) -> bool:
    """Return whether the text reports that no attempt can succeed until a person acts."""
    return classify_error(text) is ErrorKind.NO_ACCESS


def tells_permanent(text: str) -> bool:
    """Return whether the text reports an error that a retry would only repeat."""
    return bool(_PERMANENT.search(text)) or tells_no_access(text)


def tells_refused_sandbox(text: str) -> bool:
    """Return whether the text reports that the machine refuses a sandbox."""
    return bool(_SANDBOX_REFUSED.search(text))


def tells_logged_out(text: str) -> bool:
    """Return whether a program says that it is not logged in, when it was asked for its state."""
    return bool(_LOGGED_OUT.search(text))


def tells_missing_session(text: str) -> bool:
    """Return whether the text reports that the session to resume does not exist."""
    return bool(_SESSION_MISSING.search(text))


def read_reset(text: str) -> float | None:
    """Return when the usage limit in the text ends, in epoch seconds; None if that is unclear."""
    return find_reset(text, now=datetime.now().astimezone())


def is_too_far(at: float) -> bool:
    """Return whether the time (epoch seconds) is too late to be the end of a usage limit."""
    return at > (datetime.now().astimezone() + _FURTHEST).timestamp()


def find_reset(text: str, *, now: datetime) -> float | None:
    """Do the same as `read_reset` for a given `now`, which is aware and in the local zone."""
    at = _after_span(text, now) or _at_epoch(text, now) or _at_clock(text, now)
    if at is None or not now - _JUST_PAST <= at <= now + _FURTHEST:
        return None
    return at.timestamp()


def _after_span(text: str, now: datetime) -> datetime | None:
    found = _SPAN.search(text)
    if not found:
        return None
    parts = _PART.findall(found[1])
    return now + timedelta(seconds=sum(float(n) * _UNITS[unit.lower()] for n, unit in parts))


def _at_epoch(text: str, now: datetime) -> datetime | None:
    found = _EPOCH.search(text)
    return datetime.fromtimestamp(int(found[1]), tz=now.tzinfo) if found else None


def _at_clock(text: str, now: datetime) -> datetime | None:
    """Read a clock time: claude names the time zone, codex uses the one of this machine.

    The seconds are cut off, so the limit may last until the end of that minute.
    """
    if found := _RESETS.search(text):
        zone = _zone(found[7])
    else:
        found, zone = _TRY_AGAIN.search(text), now.tzinfo
    if not found or zone is None:
        return None
    month, day, year, hour, minute, half = found.groups()[:6]
    here = now.astimezone(zone)
    try:
        clock = here.replace(
            hour=int(hour) % 12 + 12 * (half.lower() == "pm"),
            minute=int(minute or 0),
            second=0,
            microsecond=0,
        ) + timedelta(minutes=1)
        if not month:
            return clock if clock >= here - _JUST_PAST else clock + timedelta(days=1)
        number = _MONTHS.index(month.lower()) + 1
        dated = clock.replace(year=int(year or here.year), month=number, day=int(day))
    except ValueError:
        return None
    over = not year and dated < here - _FURTHEST
    return dated.replace(year=dated.year + 1) if over else dated


def _zone(name: str) -> tzinfo | None:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return None

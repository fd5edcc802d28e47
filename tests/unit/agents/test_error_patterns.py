from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.error_patterns import (
    find_reset,
    read_reset,
    tells_limit,
    tells_missing_session,
    tells_no_access,
    tells_permanent,
    tells_transient,
)

HERE = timezone(timedelta(hours=2))
NOW = datetime(2026, 10, 17, 12, 0, tzinfo=HERE)


def at(day: int, hour: int, minute: int = 0, *, month: int = 10, utc_hours: int = 2) -> datetime:
    zone = timezone(timedelta(hours=utc_hours))
    return datetime(2026, month, day, hour, minute, tzinfo=zone)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Your quota will reset after 19h14m47s.", NOW + timedelta(seconds=69_287)),
        ("Your quota will reset after 0s.", NOW),
        ("Please retry in 34.5s.", NOW + timedelta(seconds=34.5)),
        ("try again in 2 hours 13 minutes.", NOW + timedelta(hours=2, minutes=13)),
        ("try again in 1 day, 2 hours", NOW + timedelta(hours=26)),
        (f"usage limit reached|{int(NOW.timestamp()) + 60}", NOW + timedelta(minutes=1)),
        ("or try again at 3:39 PM.", at(17, 15, 40)),
        ("Try again at 12:05 AM.", at(18, 0, 6)),
        ("try again at 11:59 AM.", at(17, 12)),
        ("try again at 9:00 AM.", at(18, 9, 1)),
        ("try again at Oct 22nd, 2026 3:39 AM.", at(22, 3, 40)),
        ("session limit - resets 8:30am (Europe/Berlin)", at(18, 8, 31)),
        ("resets 3pm (UTC)", at(17, 15, 1, utc_hours=0)),
        ("resets at 3pm (America/New_York)", at(17, 15, 1, utc_hours=-4)),
        ("resets Oct 20, 3pm (UTC)", at(20, 15, 1, utc_hours=0)),
        ("resets Oct 20 at 3pm (UTC)", at(20, 15, 1, utc_hours=0)),
    ],
)
def test_the_end_of_a_limit_is_read_where_it_is_sure(text: str, expected: datetime) -> None:
    assert find_reset(text, now=NOW) == expected.timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "try again later.",
        "resets 8:30am",  # the time zone is missing
        "resets 3pm (Nowhere/Atall)",
        "resets 3pm (Europe)",
        "resets 3pm (../../etc/passwd)",
        "try again at 13:99 PM",
        "try again at Foo 3rd, 2026 3:39 AM.",
        "try again at Feb 31st, 2027 3:39 AM.",
        "try again at Oct 22nd, 2020 3:39 AM.",
        "try again at Oct 22nd, 2029 3:39 AM.",
        "try again in 90 days",
        "usage limit reached|1000000000",
        "usage limit reached|9999999999",
    ],
)
def test_what_is_not_sure_or_cannot_be_is_unknown(text: str) -> None:
    assert find_reset(text, now=NOW) is None


def test_a_day_without_a_year_may_be_in_the_next() -> None:
    new_year = datetime(2026, 12, 30, 12, tzinfo=HERE)
    expected = datetime(2027, 1, 2, 15, 1, tzinfo=UTC)

    assert find_reset("resets Jan 2, 3pm (UTC)", now=new_year) == expected.timestamp()


def test_a_limit_that_names_the_present_minute_lasts_until_its_end() -> None:
    now = NOW.replace(second=40)

    assert find_reset("try again at 12:00 PM.", now=now) == at(17, 12, 1).timestamp()


@given(st.text() | st.from_regex(r"(resets|try again (at|in|after)) [0-9a-zA-Z:, ()|/.]{0,40}"))
def test_no_text_breaks_it(text: str) -> None:
    found = find_reset(text, now=NOW)

    assert found is None or found > 0
    assert (read_reset(text) is None) in (True, False)


@pytest.mark.parametrize(
    "text",
    [
        "You've hit your usage limit. Try again at 3:39 PM.",
        "You've hit your session limit - resets 8:30am",
        "Claude AI usage limit reached|1755150000",
        "5-hour limit reached ∙ resets 3pm",
        "You exceeded your current quota, check your plan and billing. Please retry in 7.2s.",
        "You have exhausted your daily quota on this model.",
        "[API Error: Resource exhausted. (Status: RESOURCE_EXHAUSTED)]",
        "exceeded retry limit, last status: 429 Too Many Requests",
        "litellm.RateLimitError: OpenAIException",
    ],
)
def test_limits(text: str) -> None:
    assert tells_limit(text)
    assert not tells_transient(text)


@pytest.mark.parametrize(
    "text",
    [
        "Overloaded",
        "unexpected status 503 Service Unavailable",
        "API Error: 529 busy",
        "Connection reset by peer",
        "read ECONNRESET",
        "[API Error: terminated]",
        "[API Error: An internal error has occurred. Please retry or report in https://x]",
        "[API Error: Model stream ended with empty response text.]",
        "Reconnecting... waiting for network (Connection failed)",
        "TypeError: fetch failed",
    ],
)
def test_faults_that_pass(text: str) -> None:
    assert tells_transient(text)
    assert not tells_limit(text)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid API key · Fix external API key",
        "Not logged in · Please run /login",
        "Could not load credentials from any providers",
        "ExpiredTokenException: The security token included in the request is expired",
        "Error code access_denied: the access token of the cloud has ended: it was not renewed",
        "Could not load Azure credentials · Failed to get token from azureADTokenProvider",
        "ChainedTokenCredential authentication failed. CredentialUnavailableError: none",
        "Credit balance is too low",
        "Your credit balance is too low to access the Anthropic API.",
        "unexpected status 401 Unauthorized: Missing bearer or basic authentication in header",
        "Incorrect API key provided: dummy. You can find your API key at https://x",
        "The model `gpt-9` does not exist or you do not have access to it.",
        "API key not valid. Please pass a valid API key.",
        "models/gemini-9 is not found for API version v1beta",
        "litellm.AuthenticationError: AuthenticationError: OpenAIException",
        "You exceeded your current quota, please check your plan and billing details.",
        "Quota exceeded. Check your plan and billing details.",
        "429 Too Many Requests: insufficient_quota",
        "it is not signed in (exit 41)",
    ],
)
def test_what_only_a_person_can_mend(text: str) -> None:
    assert tells_no_access(text)
    assert not tells_limit(text)
    assert not tells_transient(text)


@pytest.mark.parametrize(
    "text",
    [
        "API Error: Claude Code is unable to respond to this request (Usage Policy). Status: 500",
        "Not logged in · Please run /login",
    ],
)
def test_what_a_retry_would_only_repeat(text: str) -> None:
    assert tells_permanent(text)
    assert not tells_transient(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "exit 1",
        "exit 500",
        "timed out after 30 min",
        "unexpected status 403 Forbidden",
        "prompt is too long",
        "killed by SIGTERM",
        "No such file or directory",
    ],
)
def test_other_failures_are_neither(text: str) -> None:
    every = (tells_limit, tells_transient, tells_missing_session, tells_no_access)
    assert not any(tells(text) for tells in every)

"""Asks GitHub for the identity token of a job, and other services for an answer in JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote, urlencode, urlsplit
from urllib.request import Request, urlopen

from concertmaster.clock import Clock
from concertmaster.errors import EnvironmentFault
from concertmaster.retry import TransientFault, retry_on_transient
from concertmaster.text.display import display

TIMEOUT_SECONDS = 15
TRIES = 4
MOST_BYTES = 1 << 20
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 1.0, 8.0


class Refused(Exception):
    """A service that refused a request; the message holds its own words."""


def fetch_json(
    url: str,
    *,
    headers: Mapping[str, str],
    form: Mapping[str, str] | None = None,
    document: Mapping[str, Any] | None = None,
    clock: Clock,
) -> dict[str, Any]:
    """Return the object that the service answers; a `form` or a JSON `document` is sent as a POST.

    Raises Refused for an answer that is an error or no object, TransientFault where the service
    cannot be reached or is overloaded after some tries.
    """
    if urlsplit(url).scheme not in ("https", "http"):
        raise Refused("its address is no URL of the web")
    data, kind = None, {}
    if form is not None:
        data = urlencode(form).encode()
    elif document is not None:
        data, kind = json.dumps(document).encode(), {"Content-Type": "application/json"}
    request = Request(url, data=data, headers={**headers, **kind})  # noqa: S310  # checked above
    return retry_on_transient(
        lambda _: _fetch(request),
        tries=TRIES,
        first_wait_seconds=_FIRST_WAIT_SECONDS,
        longest_wait_seconds=_LONGEST_WAIT_SECONDS,
        sleep=clock.sleep,
    )


def _fetch(request: Request) -> dict[str, Any]:
    try:
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            text = answer.read(MOST_BYTES)
    except HTTPError as error:
        words = f"{error.code} {error.read(MOST_BYTES).decode(errors='replace')}".strip()
        if error.code >= 500 or error.code == 429:
            raise TransientFault(words) from error
        raise Refused(words) from error
    except (URLError, OSError) as error:
        raise TransientFault(str(error)) from error
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Refused("its answer is no JSON object")
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentitySource:
    """What GitHub gives to a job with the permission `id-token: write`, "" without it."""

    url: str
    token: str

    def request(self, audience: str, *, clock: Clock) -> str:
        """Return a signed token that says which job of which workflow this is.

        Raises EnvironmentFault without the permission, or if GitHub gives no token.
        """
        if not (self.url and self.token):
            raise EnvironmentFault(
                "this job cannot prove its identity",
                why="GitHub gave it no address for that",
                next_step="give the job `id-token: write`, and call orchestrate-federated.yml",
            )
        mark = "&" if "?" in self.url else "?"
        try:
            found = fetch_json(
                f"{self.url}{mark}audience={quote(audience)}",
                headers={"Authorization": f"Bearer {self.token}", "Accept": "application/json"},
                clock=clock,
            ).get("value")
        except (Refused, TransientFault) as error:
            raise _no_identity(str(error)) from error
        if not isinstance(found, str) or not found:
            raise _no_identity("its answer has none")
        return found


def _no_identity(why: str) -> EnvironmentFault:
    return EnvironmentFault(
        "GitHub gave this job no identity token",
        why=display(why, limit=300),
        next_step="run the job again",
    )

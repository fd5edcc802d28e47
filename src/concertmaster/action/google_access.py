"""Exchanges the identity of a job for access to Google Cloud.

Its programs read a file of the kind `external_account`. They ask the address in it for an access
token, so they never hold what the job itself asks with.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from concertmaster.action.cloud_token import CloudToken, RenewedToken, read_token, refused
from concertmaster.action.job import Job
from concertmaster.action.token_server import TokenServer
from concertmaster.github.identity import IdentitySource, Refused, fetch_json
from concertmaster.retry import TransientFault

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_ACCESS = "urn:ietf:params:oauth:token-type:access_token"
_ACCOUNT_SECONDS = 3600  # what an account gives without a change of its organisation's policy
_NEXT_STEP = (
    "see the attribute condition of the provider, and that its principal may use the models, or "
    "may be a `roles/iam.workloadIdentityUser` of `google_account`"
)


def google_access(
    job: Job, source: IdentitySource, server: TokenServer, folder: Path
) -> Mapping[str, str]:
    """Return the variables by which agents get tokens from the server; `folder` gets the file.

    Raises EnvironmentFault if GitHub or Google refuses.
    """
    provider = job.settings.google_provider
    token = RenewedToken(lambda: _fetch(job, source), clock=job.clock)

    def answer(_: Mapping[str, list[str]]) -> dict[str, Any]:
        now = token.current()
        seconds = max(int(now.ends - job.clock.now()), 1)
        kinds = {"issued_token_type": _ACCESS, "token_type": "Bearer"}
        return {"access_token": now.value, "expires_in": seconds, **kinds}

    subject = server.add("google/subject", lambda _: {"subject": "agent"})
    credentials = {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{provider}",
        "subject_token_type": _JWT,
        "token_url": server.add("google/token", answer),
        "credential_source": {
            "url": subject,
            "format": {"type": "json", "subject_token_field_name": "subject"},
        },
    }
    file = folder / "google-credentials.json"
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as written:
        json.dump(credentials, written)
    return {"GOOGLE_APPLICATION_CREDENTIALS": str(file)}


def _fetch(job: Job, source: IdentitySource) -> CloudToken:
    provider, account = job.settings.google_provider, job.settings.google_account
    identity = source.request(f"https://iam.googleapis.com/{provider}", clock=job.clock)
    try:
        token = _exchange(job, identity)
        return _impersonate(job, token) if account else token
    except (Refused, TransientFault) as error:
        words = str(error).replace(identity, "***")
        raise refused(f"Google, for {account or provider},", words, next_step=_NEXT_STEP) from error


def _exchange(job: Job, identity: str) -> CloudToken:
    """Return the token of the provider's principal. Raises Refused or TransientFault."""
    form = {
        "grant_type": _EXCHANGE,
        "audience": f"//iam.googleapis.com/{job.settings.google_provider}",
        "scope": SCOPE,
        "requested_token_type": _ACCESS,
        "subject_token_type": _JWT,
        "subject_token": identity,
    }
    url = f"{job.settings.google_sts_url.rstrip('/')}/v1/token"
    found = read_token(fetch_json(url, headers={}, form=form, clock=job.clock), clock=job.clock)
    if found is None:
        raise Refused("the answer of its token service holds no token")
    return found


def _impersonate(job: Job, token: CloudToken) -> CloudToken:
    """Return the token of the service account. Raises Refused or TransientFault."""
    settings, asked = job.settings, job.clock.now()
    name = f"projects/-/serviceAccounts/{settings.google_account}"
    found = fetch_json(
        f"{settings.google_iam_url.rstrip('/')}/v1/{name}:generateAccessToken",
        headers={"Authorization": f"Bearer {token.value}"},
        document={"scope": [SCOPE], "lifetime": f"{_ACCOUNT_SECONDS}s"},
        clock=job.clock,
    ).get("accessToken")
    if not isinstance(found, str) or not found:
        raise Refused("the answer for the service account holds no token")
    # The answer tells the same end as a date.
    return CloudToken(value=found, ends=asked + _ACCOUNT_SECONDS)

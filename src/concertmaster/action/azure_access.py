"""Exchanges the identity of a job for access to models on Azure.

Its programs ask the address in IDENTITY_ENDPOINT for an access token, as in an App Service. So they
never hold what the job itself asks with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from concertmaster.action.cloud_token import CloudToken, RenewedToken, read_token, refused
from concertmaster.action.job import Job
from concertmaster.action.token_server import TokenServer
from concertmaster.github.identity import IdentitySource, Refused, fetch_json
from concertmaster.retry import TransientFault

AUDIENCE = "api://AzureADTokenExchange"
RESOURCE = "https://cognitiveservices.azure.com"  # the models of Foundry
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_NEXT_STEP = (
    "see the federated credential of the application: it has to name the subject of this workflow "
    f"and the audience {AUDIENCE}"
)


def azure_access(job: Job, source: IdentitySource, server: TokenServer) -> Mapping[str, str]:
    """Return the variables by which agents get tokens from the server.

    Raises EnvironmentFault if GitHub or Azure refuses, or if an input is missing.
    """
    token = RenewedToken(lambda: _fetch(job, source), clock=job.clock)

    def answer(query: Mapping[str, list[str]]) -> dict[str, Any]:
        asked = query.get("resource", [RESOURCE])
        if asked != [RESOURCE]:
            raise LookupError(f"there are tokens for {RESOURCE} only")
        now = token.current()
        kinds = {"resource": RESOURCE, "token_type": "Bearer"}
        return {"access_token": now.value, "expires_on": str(int(now.ends)), **kinds}

    return {"IDENTITY_ENDPOINT": server.add("azure", answer), "IDENTITY_HEADER": server.secret}


def _fetch(job: Job, source: IdentitySource) -> CloudToken:
    settings = job.settings
    identity = source.request(AUDIENCE, clock=job.clock)
    form = {
        "grant_type": "client_credentials",
        "client_id": settings.azure_client,
        "scope": f"{RESOURCE}/.default",
        "client_assertion_type": _ASSERTION,
        "client_assertion": identity,
    }
    url = f"{settings.azure_url.rstrip('/')}/{settings.azure_tenant}/oauth2/v2.0/token"
    try:
        answer = fetch_json(url, headers={}, form=form, clock=job.clock)
        found = read_token(answer, clock=job.clock)
        if found is None:
            raise Refused("its answer holds no token")
    except (Refused, TransientFault) as error:
        words = str(error).replace(identity, "***")
        cloud = f"Azure, for the application {settings.azure_client},"
        raise refused(cloud, words, next_step=_NEXT_STEP) from error
    return found

"""The job that runs agents exchanges its identity for tokens of Google and Azure, and renews them.

The services were not reached. The answers have the shapes of their documentation:
cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token,
cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/generateAccessToken
and learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from concertmaster.action.federation import federated
from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault, UsageError
from tests.action.cloud_double import IDENTITY, Cloud, StillClock, cloud_job, serve_cloud, tell

PROVIDER = "projects/123/locations/global/workloadIdentityPools/ours/providers/github"
ACCOUNT = "agents@ours.iam.gserviceaccount.com"
TENANT, CLIENT = "11111111-2222-3333-4444-555555555555", "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
AZURE = {"azure_tenant": TENANT, "azure_client": CLIENT}
AZURE_RESOURCE = "https://cognitiveservices.azure.com"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


def of_google(number: int = 1, seconds: Any = 3599) -> dict[str, Any]:
    kinds = {"issued_token_type": ACCESS, "token_type": "Bearer"}
    return {"access_token": f"ya29.d.{number:030}", "expires_in": seconds, **kinds}


def of_azure(number: int = 1) -> dict[str, Any]:
    times = {"expires_in": 3599, "ext_expires_in": 3599}
    return {"token_type": "Bearer", **times, "access_token": f"eyJ0eXAi{number:020}"}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with serve_cloud() as found:
        yield found


def google_job(cloud: Cloud, folder: Path, **inputs: Any) -> Job:
    return cloud_job(cloud, folder, **{"google_provider": PROVIDER, **inputs})


def ask_google(job: Job) -> Any:
    """Ask for a token as Google's libraries do."""
    file = Path(job.environment["GOOGLE_APPLICATION_CREDENTIALS"])
    told = json.loads(file.read_text())
    source = told["credential_source"]
    subject = fetch(source["url"])[source["format"]["subject_token_field_name"]]
    return fetch(told["token_url"], data=f"subject_token={subject}".encode())


def ask_azure(job: Job, resource: str = AZURE_RESOURCE) -> Any:
    """Ask for a token as Azure's libraries do in an App Service."""
    url = f"{job.environment['IDENTITY_ENDPOINT']}?api-version=2019-08-01&resource={resource}"
    return fetch(url, headers={"X-IDENTITY-HEADER": job.environment["IDENTITY_HEADER"]})


def fetch(url: str, *, data: bytes | None = None, headers: Mapping[str, str] = {}) -> Any:
    with urlopen(Request(url, data=data, headers=dict(headers)), timeout=30) as answer:
        return json.load(answer)


def test_agents_ask_for_tokens_of_a_google_provider(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [(200, of_google())]

    with federated(google_job(cloud, tmp_path), is_isolated=True) as job:
        found = ask_google(job)
        file = Path(job.environment["GOOGLE_APPLICATION_CREDENTIALS"])
        told = json.loads(file.read_text())
        assert file.stat().st_mode & 0o077 == 0

    assert not file.exists()
    assert found == of_google()
    assert (told["type"], told["audience"]) == (
        "external_account",
        f"//iam.googleapis.com/{PROVIDER}",
    )
    asked, exchanged = cloud.asked
    assert asked["query"]["audience"] == [f"https://iam.googleapis.com/{PROVIDER}"]
    assert exchanged["path"] == "/google/v1/token"
    assert exchanged["form"] == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "requested_token_type": ACCESS,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "subject_token": IDENTITY,
    }
    assert IDENTITY not in json.dumps([told, dict(job.environment)])


def test_agents_ask_for_tokens_of_a_service_account(cloud: Cloud, tmp_path: Path) -> None:
    given = {"accessToken": "ya29.c." + "a" * 30, "expireTime": "1970-01-01T01:00:00Z"}
    cloud.answers = [(200, of_google()), (200, given)]

    with federated(google_job(cloud, tmp_path, google_account=ACCOUNT), is_isolated=True) as job:
        found = ask_google(job)

    assert (found["access_token"], found["expires_in"]) == (given["accessToken"], 3600)
    asked = cloud.asked[-1]
    assert asked["path"] == f"/iam/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    assert asked["key"] == f"Bearer {of_google()['access_token']}"
    assert asked["form"] == {
        "scope": ["https://www.googleapis.com/auth/cloud-platform"],
        "lifetime": "3600s",
    }


def test_agents_ask_for_tokens_of_an_azure_application(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [(200, of_azure())]

    with federated(cloud_job(cloud, tmp_path, **AZURE), is_isolated=True) as job:
        found = ask_azure(job)
        with pytest.raises(HTTPError, match="400"):
            ask_azure(job, "https://management.azure.com")

    assert found["access_token"] == of_azure()["access_token"]
    assert (found["expires_on"], found["token_type"]) == ("3599", "Bearer")
    asked, exchanged = cloud.asked
    assert asked["query"]["audience"] == ["api://AzureADTokenExchange"]
    assert exchanged["path"] == f"/azure/{TENANT}/oauth2/v2.0/token"
    assert exchanged["form"] == {
        "grant_type": "client_credentials",
        "client_id": CLIENT,
        "scope": f"{AZURE_RESOURCE}/.default",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": IDENTITY,
    }


def test_a_token_is_renewed_before_it_ends(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [(200, of_google(1)), (200, of_google(2)), (400, {"error": "invalid_grant"})]

    with federated(google_job(cloud, tmp_path), is_isolated=True) as job:
        clock = job.clock
        assert isinstance(clock, StillClock)
        seen = []
        # An hour, another one, and then Google refuses: the token is handed out to its end.
        for clock.time in (0.0, 2900.0, 3000.0, 3100.0, 6100.0, 6110.0, 6590.0):
            seen.append(ask_google(job)["access_token"][-1])
        asked = len(cloud.asked)
        clock.time = 6700.0
        with pytest.raises(HTTPError, match="401"):
            ask_google(job)

    assert seen == ["1", "1", "2", "2", "2", "2", "2"]
    # Each exchange asks GitHub first; a refusal is not asked again for half a minute.
    assert asked == 2 * 4


def test_only_who_was_told_the_address_gets_a_token(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [(200, of_azure())]

    with federated(cloud_job(cloud, tmp_path, **AZURE), is_isolated=True) as job:
        address = job.environment["IDENTITY_ENDPOINT"]
        secret = job.environment["IDENTITY_HEADER"]
        for wrong in (secret[:-1] + "x", "", "x"):
            with pytest.raises(HTTPError, match="404"):
                fetch(address.replace(secret, wrong))
        assert len(secret) >= 32
        assert secret not in job.redact(f"the log says {address}")


def test_logs_hide_each_token(cloud: Cloud, tmp_path: Path) -> None:
    cloud.answers = [(200, of_azure())]
    with federated(cloud_job(cloud, tmp_path, **AZURE), is_isolated=True) as job:
        for answer in (of_google(2), of_azure(2), {"access_token": f"ya29.c.{'b0Aa-_' * 9}"}):
            assert answer["access_token"][8:] not in job.redact(f"got {answer['access_token']}!")


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"google_account": ACCOUNT}, "`google_provider` is missing"),
        ({"azure_client": CLIENT}, "`azure_tenant` is missing"),
        ({"azure_tenant": TENANT}, "`azure_client` is missing"),
        ({"google_provider": PROVIDER, "ACTIONS_ID_TOKEN_REQUEST_URL": ""}, "id-token: write"),
    ],
)
def test_a_job_that_cannot_ask_says_what_is_missing(
    cloud: Cloud, tmp_path: Path, inputs: dict[str, str], words: str
) -> None:
    with pytest.raises((UsageError, EnvironmentFault)) as caught:
        enter(cloud_job(cloud, tmp_path, **inputs))

    assert words in tell(caught.value)
    assert cloud.asked == []


DENIED = {"error": "invalid_grant", "error_description": f"The token {IDENTITY} is not accepted."}
FORBIDDEN = {"error": {"code": 403, "message": "Permission denied", "status": "PERMISSION_DENIED"}}
UNTRUSTED = {"error": "invalid_client", "error_description": "AADSTS700213: No matching record"}


@pytest.mark.parametrize(
    ("inputs", "answers", "words"),
    [
        ({"google_provider": PROVIDER}, [(400, DENIED)], "is not accepted"),
        ({"google_provider": PROVIDER}, [(500, {})], "500"),
        ({"google_provider": PROVIDER}, [(200, {"access_token": 7})], "holds no token"),
        ({"google_provider": PROVIDER}, [(200, of_google(seconds="soon"))], "holds no token"),
        ({"google_provider": PROVIDER}, [(200, of_google(seconds=-1))], "holds no token"),
        (
            {"google_provider": PROVIDER, "google_account": ACCOUNT},
            [(200, of_google()), (403, FORBIDDEN)],
            "Permission denied",
        ),
        (
            {"google_provider": PROVIDER, "google_account": ACCOUNT},
            [(200, of_google()), (200, {"accessToken": ""})],
            "holds no token",
        ),
        (AZURE, [(401, UNTRUSTED)], "AADSTS700213"),
        (AZURE, [(200, {"token_type": "Bearer"})], "holds no token"),
    ],
)
def test_a_refusal_is_told_before_agents_start(
    cloud: Cloud, tmp_path: Path, inputs: dict[str, str], answers: list[Any], words: str
) -> None:
    cloud.answers = answers

    with pytest.raises(EnvironmentFault) as caught:
        enter(cloud_job(cloud, tmp_path, **inputs))

    assert words in tell(caught.value)
    assert IDENTITY not in tell(caught.value)
    assert of_google()["access_token"] not in tell(caught.value)
    assert not [*tmp_path.rglob("*.json")]


def enter(job: Job) -> None:
    with federated(job, is_isolated=True):
        pass


@pytest.mark.parametrize(
    ("proxies", "wanted"),
    [
        ({}, {}),
        ({"HTTPS_PROXY": "http://proxy"}, dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1")),
        ({"https_proxy": "x", "no_proxy": "a.example"}, {"no_proxy": "a.example,127.0.0.1"}),
    ],
)
def test_a_proxy_does_not_hear_of_the_tokens(
    cloud: Cloud, tmp_path: Path, proxies: dict[str, str], wanted: dict[str, str]
) -> None:
    cloud.answers = [(200, of_azure())]
    given = replace(cloud_job(cloud, tmp_path, **AZURE), environment=proxies)

    with federated(given, is_isolated=True) as job:
        found = {name: job.environment[name] for name in wanted}

    assert found == wanted
    assert {"NO_PROXY", "no_proxy"} & {*job.environment} == {*wanted}

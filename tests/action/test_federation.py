"""The job that runs agents exchanges its identity for keys of an AWS role."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.federation import federated
from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.sandbox.environment import allowed_environment
from concertmaster.settings.process import drop_token, read_environment
from tests.action.cloud_double import ASK, IDENTITY, Cloud, cloud_job, serve_cloud, tell

ROLE = "arn:aws:iam::123456789012:role/agents"
KEYS = {
    "AccessKeyId": "ASIA-THE-ID",
    "SecretAccessKey": "the+secret/key",
    "SessionToken": "the-session-token",
    "Expiration": 1.7e9,
}
GIVEN = {
    "AssumeRoleWithWebIdentityResponse": {
        "AssumeRoleWithWebIdentityResult": {"Credentials": KEYS, "Audience": "sts.amazonaws.com"}
    }
}
DENIED = {"Error": {"Code": "AccessDenied", "Message": f"Not authorized: {IDENTITY}"}}


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    with serve_cloud() as found:
        found.answers = [(200, GIVEN)]
        yield found


def job(cloud: Cloud, **inputs: Any) -> Job:
    return cloud_job(cloud, Path("/"), **{"aws_role": ROLE, "aws_region": "eu-west-1", **inputs})


def federate(given: Job, *, is_isolated: bool) -> Job:
    with federated(given, is_isolated=is_isolated) as found:
        return found


def test_agents_get_the_keys_of_the_role(cloud: Cloud) -> None:
    found = federate(job(cloud, share=3, aws_minutes=90), is_isolated=True)

    seen = allowed_environment(found.environment, found.agent_variables.names)
    assert seen == {
        "PATH": "/bin",
        "AWS_ACCESS_KEY_ID": KEYS["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": KEYS["SecretAccessKey"],
        "AWS_SESSION_TOKEN": KEYS["SessionToken"],
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
    }
    assert "the+secret/key" not in found.redact("a log with the+secret/key")
    identity, role = cloud.asked
    assert identity["query"] == {"api": ["2"], "audience": ["sts.amazonaws.com"]}
    assert role["form"] == {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "concertmaster-77-3",
        "DurationSeconds": "5400",
        "WebIdentityToken": IDENTITY,
    }


def test_a_job_without_a_role_asks_for_nothing(cloud: Cloud) -> None:
    plain = job(cloud, aws_role="")

    assert federate(plain, is_isolated=False) is plain
    assert cloud.asked == []


def test_an_overloaded_service_is_asked_again(cloud: Cloud) -> None:
    cloud.answers = [(503, {}), (429, {}), (200, GIVEN)]

    found = federate(job(cloud), is_isolated=True)

    assert found.agent_variables.secrets["AWS_SESSION_TOKEN"] == KEYS["SessionToken"]


@pytest.mark.parametrize(
    ("inputs", "is_isolated", "words"),
    [
        ({}, False, "needs a user for each attempt"),
        ({"aws_region": ""}, True, "`aws_region` is missing"),
        ({"ACTIONS_ID_TOKEN_REQUEST_URL": ""}, True, "id-token: write"),
        ({"ACTIONS_ID_TOKEN_REQUEST_TOKEN": "another"}, True, "no identity token: 401"),
    ],
)
def test_a_job_that_cannot_federate_says_what_is_missing(
    cloud: Cloud, inputs: dict[str, str], is_isolated: bool, words: str
) -> None:
    with pytest.raises((UsageError, EnvironmentFault)) as caught:
        federate(job(cloud, **inputs), is_isolated=is_isolated)

    assert words in tell(caught.value)
    assert not any(asked["form"] for asked in cloud.asked)


@pytest.mark.parametrize(
    ("status", "answer", "words"),
    [
        (403, DENIED, "Not authorized"),
        (500, {}, "500"),
        (200, ["keys"], "no JSON object"),
        (200, {"AssumeRoleWithWebIdentityResponse": 7}, "holds no keys"),
        (200, json.loads(json.dumps(GIVEN).replace("ASIA-THE-ID", "")), "holds no keys"),
    ],
)
def test_a_refusal_of_aws_is_told_without_the_identity(
    cloud: Cloud, status: int, answer: Any, words: str
) -> None:
    cloud.answers = [(status, answer)]

    with pytest.raises(EnvironmentFault) as caught:
        federate(job(cloud), is_isolated=True)

    assert words in tell(caught.value)
    assert ROLE in caught.value.what
    assert IDENTITY not in tell(caught.value)


def test_an_identity_that_is_no_text_is_refused(cloud: Cloud) -> None:
    cloud.identity = {"value": 7}

    with pytest.raises(EnvironmentFault, match="no identity token"):
        federate(job(cloud), is_isolated=True)


def test_what_asks_for_an_identity_never_reaches_an_agent(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the settings of the repository name it for agents."""
    for name in ("ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"):
        monkeypatch.setenv(name, ASK)
    drop_token()
    started = replace(job(cloud), environment=read_environment())

    found = federate(started, is_isolated=True)

    names = {name for name in found.environment if name.startswith("ACTIONS_")}
    assert names == set()
    assert ASK not in found.environment.values()

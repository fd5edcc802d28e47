"""Real agents reach clouds with the tokens of a federated job, and with nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.federation import federated
from concertmaster.agents.catalog import find_agent
from concertmaster.agents.clouds import cloud_variables
from concertmaster.agents.protocol import AgentReport, AgentRequest
from concertmaster.sandbox.environment import allowed_environment
from tests.action.cloud_double import ASK, IDENTITY, StillClock, cloud_job, serve_cloud
from tests.real_agents.programs import REAL_AGENTS

pytestmark = pytest.mark.agents
AGENTS = {agent.name: agent for agent in REAL_AGENTS}
PROVIDER = "projects/1/locations/global/workloadIdentityPools/ours/providers/github"
GOOGLE = {"access_token": "ya29.d." + "g" * 30, "expires_in": 3599, "token_type": "Bearer"}
AZURE = {"access_token": "eyJ" + "a" * 30, "expires_in": 3599, "token_type": "Bearer"}
AWS_KEYS = {"AccessKeyId": "ASIA-OURS", "SecretAccessKey": "secret", "SessionToken": "session"}
AWS = {
    "AssumeRoleWithWebIdentityResponse": {
        "AssumeRoleWithWebIdentityResult": {"Credentials": AWS_KEYS}
    }
}
EXPIRED = {
    "__type": "ExpiredTokenException",
    "message": "The security token included in the request is expired",
}
REFUSAL = {"error": {"code": 400, "message": "no model here", "status": "INVALID_ARGUMENT"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to a model: agent, inputs of the job, its variables (URL is ours)."""

    agent: str
    inputs: Mapping[str, str]
    variables: Mapping[str, str]
    given: Mapping[str, Any]  # what the cloud gives to the job
    path: str  # begins the path of the requests to the model
    key: str  # begins the Authorization of these
    ended: tuple[int, Any] = (401, {"error": "invalid_grant"})  # of the cloud, after the end


WAYS = {
    "claude on Vertex": Way(
        agent="claude",
        inputs={"google_provider": PROVIDER},
        variables={
            "CLAUDE_CODE_USE_VERTEX": "1",
            "ANTHROPIC_VERTEX_BASE_URL": "URL/v1",
            "ANTHROPIC_VERTEX_PROJECT_ID": "ours",
            "CLOUD_ML_REGION": "us-east5",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        },
        given=GOOGLE,
        key=f"Bearer {GOOGLE['access_token']}",
        path="/v1/projects/ours/locations/us-east5/publishers/anthropic/models/",
    ),
    "gemini on Vertex": Way(
        agent="gemini",
        inputs={"google_provider": PROVIDER},
        variables={
            "GOOGLE_GENAI_USE_VERTEXAI": "true",
            "GOOGLE_VERTEX_BASE_URL": "URL",
            "GOOGLE_CLOUD_PROJECT": "ours",
            "GOOGLE_CLOUD_LOCATION": "us-east5",
        },
        given=GOOGLE,
        key=f"Bearer {GOOGLE['access_token']}",
        path="/v1beta1/projects/ours/locations/us-east5/publishers/google/models/",
    ),
    "claude on Foundry": Way(
        agent="claude",
        inputs={"azure_tenant": "a-tenant.example", "azure_client": "aaaa-bbbb"},
        variables={
            "CLAUDE_CODE_USE_FOUNDRY": "1",
            "ANTHROPIC_FOUNDRY_BASE_URL": "URL/anthropic",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        },
        given=AZURE,
        path="/anthropic/v1/messages",
        key=f"Bearer {AZURE['access_token']}",
    ),
    "claude on Bedrock": Way(
        agent="claude",
        inputs={"aws_role": "arn:aws:iam::1:role/agents", "aws_region": "us-east-1"},
        variables={
            "CLAUDE_CODE_USE_BEDROCK": "1",
            "ANTHROPIC_BEDROCK_BASE_URL": "URL/bedrock",
            "CLAUDE_CODE_MAX_RETRIES": "0",
        },
        given=AWS,
        path="/bedrock/model/",
        key="AWS4-HMAC-SHA256 Credential=ASIA-OURS/",
        ended=(403, EXPIRED),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an agent reported, what the cloud was asked, and what the agent's process was given."""

    report: AgentReport
    asked: list[dict[str, Any]]
    environment: Mapping[str, str]


def say_hello(way: Way, folder: Path, *, seconds: float, later: tuple[int, Any]) -> Said:
    """Run the agent `seconds` after its job got access; `later` is what the cloud answers then."""
    real, request = AGENTS[way.agent], AgentRequest(text="Say hello.")
    path = real.search_path(folder / "bin")
    agent = find_agent(real.name, command="", path=path, model=real.model)
    with serve_cloud() as cloud:
        cloud.answers = [(200, way.given), later]
        told = {name: text.replace("URL", cloud.url) for name, text in way.variables.items()}
        here = {"PATH": path, "HOME": str(folder), "TMPDIR": str(folder), **told}
        job = replace(cloud_job(cloud, folder, **way.inputs), environment=here)
        with federated(job, is_isolated=True) as with_access:
            assert isinstance(job.clock, StillClock)
            job.clock.time = seconds
            names = agent.environment | with_access.agent_variables.names
            names |= cloud_variables(names, with_access.environment)
            environment = allowed_environment(with_access.environment, names)
            done = subprocess.run(
                agent.argv(request),
                cwd=folder,
                env={**environment, **agent.variables(request)},
                input=request.text.encode(),
                capture_output=True,
                check=False,
            )
    reader = agent.reader(request)
    for line in done.stdout.splitlines():
        reader.feed(line)
    report = reader.finish(exit_ok=done.returncode == 0, exit_text=done.stderr.decode())
    return Said(report=report, asked=cloud.asked, environment=environment)


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_reaches_its_model_with_what_the_job_got(way: str, tmp_path: Path) -> None:
    chosen = WAYS[way]

    said = say_hello(chosen, tmp_path, seconds=0, later=(400, REFUSAL))

    asked = [one for one in said.asked if one["path"].startswith(chosen.path)]
    assert asked
    assert all(one["key"].startswith(chosen.key) for one in asked)
    assert IDENTITY not in str(said.environment)
    assert ASK not in str(said.environment)


@pytest.mark.parametrize("way", WAYS)
def test_access_that_ends_during_an_attempt_stops_the_run(way: str, tmp_path: Path) -> None:
    said = say_hello(WAYS[way], tmp_path, seconds=7200, later=WAYS[way].ended)

    assert said.report.no_access, said.report
    assert not said.report.transient

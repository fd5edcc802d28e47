"""Real agents reach clouds with the tokens of a federated job, and with nothing else."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.federation import federated
from concertmaster.agents.clouds import cloud_variables
from concertmaster.agents.protocol import AgentRequest
from concertmaster.agents.registry import find_agent
from concertmaster.sandbox.environment import allowed_environment
from tests.action.cloud_double import IDENTITY, cloud_job, serve_cloud
from tests.real_agents.programs import REAL_AGENTS

pytestmark = pytest.mark.agents
AGENTS = {agent.name: agent for agent in REAL_AGENTS}
PROVIDER = "projects/1/locations/global/workloadIdentityPools/ours/providers/github"
GOOGLE = {"access_token": "ya29.d." + "g" * 30, "expires_in": 3599, "token_type": "Bearer"}
AZURE = {"access_token": "eyJ" + "a" * 30, "expires_in": 3599, "token_type": "Bearer"}
REFUSAL = {"error": {"code": 400, "message": "no model here", "status": "INVALID_ARGUMENT"}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way to a model: agent, inputs of the job, its variables (URL is ours), and the token."""

    agent: str
    inputs: Mapping[str, str]
    variables: Mapping[str, str]
    given: Mapping[str, Any]
    path: str  # begins the path of the requests to the model


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
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_an_agent_asks_the_job_for_the_token_of_its_model(way: str, tmp_path: Path) -> None:
    chosen, real = WAYS[way], AGENTS[WAYS[way].agent]
    path = real.search_path(tmp_path / "bin")
    agent = find_agent(real.name, command="", path=path, model=real.model)
    with serve_cloud() as cloud:
        cloud.answers = [(200, chosen.given), (400, REFUSAL)]
        told = {name: text.replace("URL", cloud.url) for name, text in chosen.variables.items()}
        here = {"PATH": path, "HOME": str(tmp_path), "TMPDIR": str(tmp_path), **told}
        job = replace(cloud_job(cloud, tmp_path, **chosen.inputs), environment=here)
        with federated(job, is_isolated=True) as with_access:
            names = agent.environment | with_access.agent_variables.names
            names |= cloud_variables(names, with_access.environment)
            environment = allowed_environment(with_access.environment, names)
            subprocess.run(
                agent.argv(AgentRequest(text="Say hello.")),
                cwd=tmp_path,
                env={**environment, **agent.variables(AgentRequest(text=""))},
                input=b"Say hello.",
                capture_output=True,
                check=False,
            )

    asked = [one for one in cloud.asked if one["path"].startswith(chosen.path)]
    assert asked
    assert {one["key"] for one in asked} == {f"Bearer {chosen.given['access_token']}"}
    assert IDENTITY not in str(environment)

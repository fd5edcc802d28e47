"""Names the variables of the clouds that serve models, which agents get where a cloud is chosen."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

# Values of a variable that switch nothing on.
_OFF = frozenset({"", "0", "false", "no", "off"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Cloud:
    """A cloud; one of `switches` in the agent's environment chooses it."""

    switches: frozenset[str]
    variables: frozenset[str]


BEDROCK = Cloud(
    switches=frozenset({"CLAUDE_CODE_USE_BEDROCK"}),
    variables=frozenset(
        """
        ANTHROPIC_BEDROCK_BASE_URL AWS_ACCESS_KEY_ID AWS_BEARER_TOKEN_BEDROCK AWS_CA_BUNDLE
        AWS_CONFIG_FILE AWS_CONTAINER_AUTHORIZATION_TOKEN AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
        AWS_CONTAINER_CREDENTIALS_FULL_URI AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
        AWS_DEFAULT_REGION AWS_PROFILE AWS_REGION AWS_ROLE_ARN
        AWS_ROLE_SESSION_NAME AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SHARED_CREDENTIALS_FILE
        AWS_WEB_IDENTITY_TOKEN_FILE CLAUDE_CODE_SKIP_BEDROCK_AUTH
        """.split()
    ),
)
VERTEX = Cloud(
    switches=frozenset({"CLAUDE_CODE_USE_VERTEX", "GOOGLE_GENAI_USE_VERTEXAI"}),
    variables=frozenset(
        """
        ANTHROPIC_VERTEX_BASE_URL ANTHROPIC_VERTEX_PROJECT_ID CLAUDE_CODE_SKIP_VERTEX_AUTH
        CLOUD_ML_REGION GCLOUD_PROJECT GOOGLE_APPLICATION_CREDENTIALS GOOGLE_CLOUD_LOCATION
        GOOGLE_CLOUD_PROJECT GOOGLE_VERTEX_BASE_URL
        """.split()
    ),
)
FOUNDRY = Cloud(
    switches=frozenset({"CLAUDE_CODE_USE_FOUNDRY"}),
    variables=frozenset(
        """
        ANTHROPIC_FOUNDRY_API_KEY ANTHROPIC_FOUNDRY_AUTH_TOKEN ANTHROPIC_FOUNDRY_BASE_URL
        ANTHROPIC_FOUNDRY_RESOURCE AZURE_AUTHORITY_HOST AZURE_CLIENT_CERTIFICATE_PASSWORD
        AZURE_CLIENT_CERTIFICATE_PATH AZURE_CLIENT_ID AZURE_CLIENT_SECRET
        AZURE_FEDERATED_TOKEN_FILE AZURE_TENANT_ID CLAUDE_CODE_SKIP_FOUNDRY_AUTH
        IDENTITY_ENDPOINT IDENTITY_HEADER
        """.split()
    ),
)
CLOUDS = (BEDROCK, VERTEX, FOUNDRY)
# Variables whose values are paths of files that the program has to read.
CREDENTIAL_FILES = frozenset(
    """
    AWS_CA_BUNDLE AWS_CONFIG_FILE AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE
    AWS_SHARED_CREDENTIALS_FILE AWS_WEB_IDENTITY_TOKEN_FILE AZURE_CLIENT_CERTIFICATE_PATH
    AZURE_FEDERATED_TOKEN_FILE CLAUDE_CODE_CLIENT_CERT CLAUDE_CODE_CLIENT_KEY CODEX_CA_CERTIFICATE
    CURL_CA_BUNDLE GOOGLE_APPLICATION_CREDENTIALS NODE_EXTRA_CA_CERTS PIP_CERT REQUESTS_CA_BUNDLE
    SSL_CERT_FILE
    """.split()
)


def cloud_variables(agent: Collection[str], given: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the variables that an agent gets for the clouds that are chosen.

    `agent` are the names that it may get anyway, which include the switches that it knows.
    """
    chosen = {name for name in agent if given.get(name, "").lower() not in _OFF}
    return frozenset().union(*(one.variables for one in CLOUDS if one.switches & chosen))

"""Knows of each agent which versions were tried, and how to tell whether it is logged in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentFacts:
    """What is known of an agent.

    One of the variables `keys` is a login; the arguments `status` make the program exit with 0
    where it is logged in, () if it has no such command. `login` is the command that logs in. The
    variable `model` chooses the model, "" if none does.
    """

    tried: tuple[str, ...]  # versions, oldest first
    keys: tuple[str, ...]
    status: tuple[str, ...] = ()
    login: str = ""
    model: str = ""


_OPENAI = ("OPENAI_API_KEY",)
_PROVIDERS = ("ANTHROPIC_API_KEY", *_OPENAI, "GEMINI_API_KEY", "OPENROUTER_API_KEY")
FACTS: Mapping[str, AgentFacts] = {
    "claude": AgentFacts(
        tried=("2.1.330", "2.1.332"),
        keys=(
            *("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN"),
            *("CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY"),
        ),
        status=("auth", "status"),
        login="claude auth login",
        model="ANTHROPIC_MODEL",
    ),
    "codex": AgentFacts(
        tried=("0.169.0", "0.171.0"),
        keys=("CODEX_API_KEY", "CODEX_ACCESS_TOKEN", *_OPENAI),
        status=("login", "status"),
        login="codex login",
    ),
    "gemini": AgentFacts(
        tried=("0.61.0",),
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENAI_USE_VERTEXAI"),
        login="gemini",
        model="GEMINI_MODEL",
    ),
    "aider": AgentFacts(tried=("0.86.2",), keys=_PROVIDERS, model="AIDER_MODEL"),
    "opencode": AgentFacts(
        tried=("1.18.33",),
        keys=("OPENCODE_API_KEY", *_PROVIDERS),
        login="opencode auth login",
    ),
    "copilot": AgentFacts(
        tried=("1.0.102",),
        keys=("COPILOT_GITHUB_TOKEN", "COPILOT_PROVIDER_BASE_URL"),
        login="copilot login",
        model="COPILOT_MODEL",
    ),
    "pi": AgentFacts(tried=("1.6.0",), keys=_PROVIDERS),
}

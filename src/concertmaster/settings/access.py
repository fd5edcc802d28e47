"""Reads how a person's machine gets access to GitHub."""

from __future__ import annotations

import re

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from concertmaster.errors import EnvironmentFault


class AccessSettings(BaseSettings):
    """The access of a person's machine to GitHub. The token is sent only to that server."""

    model_config = SettingsConfigDict(
        env_ignore_empty=True, enable_decoding=False, frozen=True, str_strip_whitespace=True
    )

    token: SecretStr = Field(
        default=SecretStr(""), validation_alias=AliasChoices("GITHUB_TOKEN", "GH_TOKEN")
    )
    server_url: str = Field(default="https://github.com", validation_alias="GITHUB_SERVER_URL")
    api_url: str = Field(default="", validation_alias="GITHUB_API_URL")

    @property
    def api(self) -> str:
        """The address of the REST API, without a slash at its end."""
        if self.api_url:
            return self.api_url.rstrip("/")
        server = self.server_url.rstrip("/")
        is_public = server.lower() == "https://github.com"
        return "https://api.github.com" if is_public else f"{server}/api/v3"


def load_access_settings() -> AccessSettings:
    """Read the access settings. Raises EnvironmentFault if there is no valid token."""
    found = AccessSettings()
    token = found.token.get_secret_value()
    if not re.fullmatch(r"[!-~]+", token):
        is_set = "what GITHUB_TOKEN or GH_TOKEN holds is no token"
        raise EnvironmentFault(
            "there is no token for GitHub",
            why=is_set if token else "neither GITHUB_TOKEN nor GH_TOKEN is set",
            next_step='export GITHUB_TOKEN="$(gh auth token)", or one that may read issues'
            " and actions of the repository",
        )
    return found

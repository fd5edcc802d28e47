"""Reads the inputs of the action and GitHub's own variables."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, SecretStr, ValidationError, create_model, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from concertmaster.errors import UsageError
from concertmaster.settings.declarations import settings_of
from concertmaster.settings.setting import Place

# Marks the inputs of action.yml that orchestrate.yml does not take from its caller.
ACTION_ONLY = "input of the action only"
# Marks those that orchestrate-federated.yml takes and orchestrate.yml does not.
FEDERATED = "input of the federated workflow"
_GOOGLE_PROVIDER = (
    r"^(projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+)?$"
)

if TYPE_CHECKING:
    _RunInputs = BaseSettings
else:  # an input, "" by default, for each setting of the run that the workflow file may set
    _RunInputs = create_model(
        "_RunInputs",
        __base__=BaseSettings,
        **dict.fromkeys(settings_of(Place.INPUT), (str, "")),
    )


class Isolation(StrEnum):
    """The isolation of attempts: `user` = a user for each attempt, `auto` = that only as root."""

    AUTO = "auto"
    USER = "user"
    NONE = "none"


class ActionSettings(_RunInputs):
    """The inputs of the action and GitHub's own variables, in a job of the workflow.

    An empty input counts as not given.
    """

    model_config = SettingsConfigDict(
        env_prefix="INPUT_", env_ignore_empty=True, enable_decoding=False, frozen=True
    )

    github_token: Annotated[SecretStr, ACTION_ONLY] = SecretStr("")
    label: str = "orchestrate"
    allowed_bots: tuple[str, ...] = ()
    prompts: str = ""
    agent_variables: str = ""  # read by `settings.agent_variables`
    issue: int = Field(default=0, ge=0)
    run: str = ""
    round: int = Field(default=1, ge=1, le=99)
    share: Annotated[int, ACTION_ONLY] = Field(default=0, ge=0)
    plan_sha256: Annotated[str, ACTION_ONLY] = ""
    verdict_sha256: Annotated[str, ACTION_ONLY] = ""
    cancelled: Annotated[bool, ACTION_ONLY] = False
    max_parallel: int = Field(default=4, ge=1, le=256)
    slots: int = Field(default=4, ge=1, le=64)
    job_minutes: float = Field(default=350.0, gt=0, le=7200, allow_inf_nan=False)
    artifacts: Annotated[str, ACTION_ONLY] = ""
    isolation: Isolation = Isolation.AUTO
    aws_role: Annotated[str, FEDERATED] = ""
    aws_region: Annotated[str, FEDERATED] = Field(default="", pattern=r"^[a-z0-9-]*$")
    aws_minutes: Annotated[int, FEDERATED] = Field(default=60, ge=15, le=720)
    google_provider: Annotated[str, FEDERATED] = Field(default="", pattern=_GOOGLE_PROVIDER)
    google_account: Annotated[str, FEDERATED] = Field(default="", pattern=r"^[a-z0-9@.-]*$")
    azure_tenant: Annotated[str, FEDERATED] = Field(default="", pattern=r"^[A-Za-z0-9.-]*$")
    azure_client: Annotated[str, FEDERATED] = Field(default="", pattern=r"^[A-Fa-f0-9-]*$")

    identity_url: str = Field(default="", validation_alias="ACTIONS_ID_TOKEN_REQUEST_URL")
    identity_token: SecretStr = Field(
        default=SecretStr(""), validation_alias="ACTIONS_ID_TOKEN_REQUEST_TOKEN"
    )
    sts_url: str = Field(default="", validation_alias="AWS_ENDPOINT_URL_STS")
    google_sts_url: str = Field(
        default="https://sts.googleapis.com",
        validation_alias="CLOUDSDK_API_ENDPOINT_OVERRIDES_STS",
    )
    google_iam_url: str = Field(
        default="https://iamcredentials.googleapis.com",
        validation_alias="CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS",
    )
    azure_url: str = Field(
        default="https://login.microsoftonline.com", validation_alias="AZURE_AUTHORITY_HOST"
    )
    event_name: str = Field(default="", validation_alias="GITHUB_EVENT_NAME")
    event_path: str = Field(default="", validation_alias="GITHUB_EVENT_PATH")
    repository: str = Field(default="", validation_alias="GITHUB_REPOSITORY")
    actor: str = Field(default="", validation_alias="GITHUB_ACTOR")
    workflow_run: int = Field(default=0, validation_alias="GITHUB_RUN_ID")
    workflow_ref: str = Field(default="", validation_alias="GITHUB_WORKFLOW_REF")
    workflow_commit: str = Field(default="", validation_alias="GITHUB_WORKFLOW_SHA")
    api_url: str = Field(default="https://api.github.com", validation_alias="GITHUB_API_URL")
    server_url: str = Field(default="https://github.com", validation_alias="GITHUB_SERVER_URL")
    output_path: str = Field(default="", validation_alias="GITHUB_OUTPUT")
    summary_path: str = Field(default="", validation_alias="GITHUB_STEP_SUMMARY")
    temporary: str = Field(default="", validation_alias="RUNNER_TEMP")

    @field_validator("allowed_bots", mode="before")
    @classmethod
    def _read_words(cls, value: object) -> object:
        return tuple(re.split(r"[\s,]+", value.strip())) if isinstance(value, str) else value

    def options(self) -> dict[str, Any]:
        """Return the run settings that the workflow file sets."""
        given = {name: getattr(self, name) for name in settings_of(Place.INPUT)}
        return {name: value for name, value in given.items() if value}


def is_for_callers(field: FieldInfo) -> bool:
    """Return whether a field of ActionSettings is an input that a workflow file may set."""
    return field.validation_alias is None and ACTION_ONLY not in field.metadata


def load_action_settings() -> ActionSettings:
    """Read the action's settings. Raises UsageError that names the wrong input."""
    try:
        return ActionSettings()
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0])
        raise UsageError(
            f"the input `{key.removeprefix('INPUT_').lower()}` cannot be used",
            why=str(first["msg"]),
            next_step="correct it in the workflow file, under `with:`",
        ) from error

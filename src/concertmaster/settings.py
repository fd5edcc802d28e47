"""Reads all settings from the command line, the environment and concertmaster.yml.

The first source that names a setting wins: the command line, then CONCERTMASTER_* variables, then
`concertmaster.yml` of the base commit, then the defaults. No other module reads the environment.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

import platformdirs
import yaml
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.model import LEAN_PHASES, LandingMode, Phase
from concertmaster.text.display import read_duration

FILE_NAMES = ("concertmaster.yml", ".github/concertmaster.yml")
MAX_FILE_BYTES = 256 * 1024
LONGEST_MODEL = 200

_WHO_THE_USER_IS = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"}
# PyYAML raises plain Python errors for a value with a wrong tag, such as `!!int ''`.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


def read_environment() -> dict[str, str]:
    """Return the environment variables of this process."""
    return dict(os.environ)


def drop_git_environment() -> None:
    """Delete the GIT_* variables of a calling hook or alias, which name another repository."""
    for name in [*os.environ]:
        if name.startswith("GIT_") and name not in _WHO_THE_USER_IS:
            del os.environ[name]


def drop_token() -> None:
    """Delete the job's token from the environment, so that no child process inherits it."""
    os.environ.pop("INPUT_GITHUB_TOKEN", None)


def count_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_cache() -> Path:
    """Return the user's cache folder for attempts, which lies outside every checkout."""
    return Path(platformdirs.user_cache_dir("concertmaster")) / "attempts"


class Settings(BaseSettings):
    """The settings of a run. Times are in seconds; input such as "45m" is converted."""

    model_config = SettingsConfigDict(
        env_prefix="CONCERTMASTER_",
        env_ignore_empty=True,
        enable_decoding=False,  # lists in variables are words, not JSON
        extra="forbid",
        frozen=True,
    )

    setup: str = ""
    check: str = ""
    agent: str = "claude"
    agent_command: str = ""
    agent_model: str = ""
    agent_environment: tuple[str, ...] = ()
    parallel: int | None = Field(default=None, ge=1, le=256)
    phases: tuple[Phase, ...] | None = None
    budget: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    # The defaults are seconds; the validator would read these bare numbers as minutes.
    timeout: float = Field(default=2700.0, validate_default=False, gt=0, allow_inf_nan=False)
    check_timeout: float = Field(default=1800.0, validate_default=False, gt=0, allow_inf_nan=False)
    landing: LandingMode = LandingMode.MERGE
    target: str = ""
    protected: tuple[str, ...] = ()
    schedule: tuple[str, ...] = ()
    attempts: int = Field(default=2, ge=1, le=10)
    fix_attempts: int = Field(default=3, ge=0, le=20)
    repairs: int = Field(default=1, ge=0, le=10)
    rounds: int = Field(default=3, ge=0, le=20)

    @field_validator("agent_model")
    @classmethod
    def _check_model(cls, value: str) -> str:
        """Check that the model is safe as a command line argument."""
        if value.startswith("-") or not value.isprintable() or len(value) > LONGEST_MODEL:
            raise ValueError("a model's name is one line, of some length, and begins with no dash")
        return value

    @field_validator("timeout", "check_timeout", mode="before")
    @classmethod
    def _read_duration(cls, value: object) -> object:
        """Convert a duration to seconds; a bare number, also as text, means minutes."""
        seconds = read_duration(str(value))
        if not seconds:
            raise ValueError(f"{value!r} is no duration; write 90s, 45m or 1h30m")
        return seconds

    @field_validator("phases", mode="before")
    @classmethod
    def _read_phases(cls, value: object) -> object:
        named: Mapping[object, object] = {"lean": LEAN_PHASES, "full": tuple(Phase)}
        return named.get(value) or _split(value) if isinstance(value, str) else value

    @field_validator("protected", "schedule", mode="before")
    @classmethod
    def _read_globs(cls, value: object) -> object:
        return _split(value) if isinstance(value, str) else value

    @field_validator("parallel", mode="before")
    @classmethod
    def _read_auto(cls, value: object) -> object:
        if isinstance(value, str) and value != "auto" and not value.strip().isdecimal():
            raise ValueError("write a number from 1 to 256, or auto")
        return None if value == "auto" else value


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def load_settings(options: Mapping[str, Any], *, file: bytes = b"", name: str = "") -> Settings:
    """Return the settings from all sources; `options` holds only options that the user gave.

    `file` is the content of concertmaster.yml and `name` its path for messages. Raises UsageError.
    """
    values = overrule(_read_file(file, name), by=options)

    class Layered(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, InitSettingsSource(settings_cls, values)

    try:
        return Layered(**options)
    except ValidationError as error:
        raise _explain(error, name, options) from error


def overrule(options: Mapping[str, Any], *, by: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options updated by `by`; drop their model if `by` names another agent."""
    usual = Settings.model_fields["agent"].default
    agent = options.get("agent", usual)
    is_other = by.get("agent", agent) != agent
    kept = {k: value for k, value in options.items() if not (is_other and k == "agent_model")}
    return {**kept, **by}


def write_settings(values: Mapping[str, str], *, reasons: Mapping[str, str]) -> bytes:
    """Return a concertmaster.yml with these values; reasons become comments above their keys."""
    lines = []
    for key, value in values.items():
        if reason := reasons.get(key):
            lines.append(f"# {reason}\n")
        lines.append(yaml.safe_dump({key: value}, allow_unicode=True, width=MAX_FILE_BYTES))
    return "".join(lines).encode()


def _read_file(data: bytes, name: str) -> dict[str, Any]:
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(
            f"{name} is larger than {MAX_FILE_BYTES >> 10} KiB",
            next_step=f"shorten {name} and commit it",
        )
    try:
        found = yaml.safe_load(data.decode()) if data.strip() else {}
    except _UNREADABLE as error:
        raise UsageError(
            f"{name} is not valid YAML", why=str(error), next_step=f"mend {name} and commit it"
        ) from error
    if not isinstance(found, dict):
        raise UsageError(
            f"{name} is not a mapping",
            why=f"it holds a {type(found).__name__}",
            next_step="write one `key: value` a line, for example `check: pytest -q`",
        )
    return {str(key): value for key, value in found.items()}


def _explain(error: ValidationError, name: str, options: Mapping[str, Any]) -> UsageError:
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else "settings"
    if first["type"] != "extra_forbidden":
        return UsageError(
            f"`{key}` cannot be {reprlib.repr(first['input'])}",
            why=str(first["msg"]).removeprefix("Value error, "),
            next_step=f"correct {_name_source(key, name, options)}",
        )
    close = difflib.get_close_matches(key, Settings.model_fields, n=1)
    return UsageError(
        f"{name} has an unknown key `{key}`" + (f"; did you mean `{close[0]}`?" if close else ""),
        why=f"known are {', '.join(sorted(Settings.model_fields))}",
        next_step=f"correct {name} and commit it",
    )


def _name_source(key: str, name: str, options: Mapping[str, Any]) -> str:
    variable = f"CONCERTMASTER_{key.upper()}"
    if key in options:
        return "--" + key.replace("_", "-")
    if os.environ.get(variable):
        return f"the variable {variable}"
    return f"`{key}` in {name} and commit it"


class Isolation(StrEnum):
    """The isolation of attempts: `user` = a user for each attempt, `auto` = that only as root."""

    AUTO = "auto"
    USER = "user"
    NONE = "none"


class ActionSettings(BaseSettings):
    """The inputs of the action and GitHub's own variables, in a job of the workflow.

    An empty input counts as not given.
    """

    model_config = SettingsConfigDict(
        env_prefix="INPUT_", env_ignore_empty=True, enable_decoding=False, frozen=True
    )

    github_token: SecretStr = SecretStr("")
    label: str = "orchestrate"
    allowed_bots: tuple[str, ...] = ()
    prompts: str = ""
    issue: int = Field(default=0, ge=0)
    run: str = ""
    round: int = Field(default=1, ge=1, le=99)
    share: int = Field(default=0, ge=0)
    plan_sha256: str = ""
    verdict_sha256: str = ""
    cancelled: bool = False
    runs_on: str = "ubuntu-latest"
    max_parallel: int = Field(default=4, ge=1, le=256)
    slots: int = Field(default=4, ge=1, le=64)
    job_minutes: float = Field(default=350.0, gt=0, le=7200, allow_inf_nan=False)
    check: str = ""
    setup: str = ""
    agent: str = ""
    agent_command: str = ""
    agent_model: str = ""
    target: str = ""
    artifacts: str = ""
    isolation: Isolation = Isolation.AUTO

    event_name: str = Field(default="", validation_alias="GITHUB_EVENT_NAME")
    event_path: str = Field(default="", validation_alias="GITHUB_EVENT_PATH")
    repository: str = Field(default="", validation_alias="GITHUB_REPOSITORY")
    actor: str = Field(default="", validation_alias="GITHUB_ACTOR")
    workflow_run: int = Field(default=0, validation_alias="GITHUB_RUN_ID")
    workflow_ref: str = Field(default="", validation_alias="GITHUB_WORKFLOW_REF")
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
        names = ("check", "setup", "agent", "agent_command", "agent_model", "target")
        given = {name: getattr(self, name) for name in names}
        return {name: value for name, value in given.items() if value}


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

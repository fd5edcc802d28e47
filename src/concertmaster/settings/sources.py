"""Reads the settings of a run from the command line, the environment and concertmaster.yml.

The first source that names a setting wins: the command line, then CONCERTMASTER_* variables, then
`concertmaster.yml` of the base commit, then the defaults.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from concertmaster.errors import UsageError
from concertmaster.settings.choices import LEAN_PHASES, NO, YES, Phase, is_plain_branch
from concertmaster.settings.declarations import LONGEST_MODEL, SETTINGS, Settings
from concertmaster.settings.file import read_file
from concertmaster.settings.process import read_environment
from concertmaster.settings.setting import Kind, Setting
from concertmaster.text.durations import read_duration


def load_settings(options: Mapping[str, Any], *, file: bytes = b"", name: str = "") -> Settings:
    """Return the settings from all sources; `options` holds only options that the user gave.

    `file` is the content of concertmaster.yml and `name` its path for messages. Raises UsageError.
    """
    values = overrule(read_file(file, name), by=options)

    class Layered(_Sources):
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
        found = Layered(**options)
    except ValidationError as error:
        raise _explain(error, name, options) from error
    named = {setting.attribute: getattr(found, key) for key, setting in SETTINGS.items()}
    return Settings(**named, given=frozenset(found.model_fields_set))


def overrule(options: Mapping[str, Any], *, by: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options updated by `by`; drop their model if `by` names another agent."""
    agent = options.get("agent", Settings().agent)
    is_other = by.get("agent", agent) != agent
    kept = {k: value for k, value in options.items() if not (is_other and k == "agent_model")}
    return {**kept, **by}


def _read_duration(value: object) -> float:
    """Convert a duration to seconds; a bare number, also as text, means minutes."""
    seconds = read_duration(str(value))
    if not seconds:
        raise ValueError(f"{value!r} is no duration; write 90s, 45m or 1h30m")
    return seconds


def _read_phases(value: object) -> object:
    named: Mapping[object, object] = {"lean": LEAN_PHASES, "full": tuple(Phase)}
    return named.get(value) or _read_list(value) if isinstance(value, str) else value


def _read_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _read_flag_or_branch(value: object) -> object:
    """Convert a truth value to a word; `no` in YAML is one as well."""
    words = {"true": YES, "on": YES, "yes": YES, "false": NO, "off": NO, "no": NO}
    if not isinstance(value, (bool, str)):
        raise ValueError("write yes, no, or the name of a branch")
    word = words.get(str(value).lower(), str(value))
    if word not in ("", YES, NO) and not is_plain_branch(word):
        raise ValueError("write yes, no, or the plain name of a branch outside concertmaster/")
    return word


def _read_commands(value: object) -> object:
    """Convert a mapping of files to commands to pairs."""
    if isinstance(value, (tuple, list)):
        return value  # as the plan has it
    if not isinstance(value, Mapping):
        raise ValueError("write `path: command` lines below it, in concertmaster.yml")
    pairs = [(str(path), command) for path, command in value.items()]
    for path, command in pairs:
        is_path = path and path == str(PurePosixPath(path)) and ".." not in path.split("/")
        if not is_path or path.startswith("/"):
            raise ValueError(f"{path!r} is no path from the root of the repository")
        if not isinstance(command, str) or not command.strip():
            raise ValueError(f"the command of {path} is missing")
    return tuple(pairs)


def _check_model(value: str) -> str:
    """Check that the model is safe as a command line argument."""
    if value.startswith("-") or not value.isprintable() or len(value) > LONGEST_MODEL:
        raise ValueError("a model's name is one line, of some length, and begins with no dash")
    return value


def _slots_reader(setting: Setting) -> BeforeValidator:
    def read(value: object) -> object:
        if isinstance(value, str) and value != "auto" and not value.strip().isdecimal():
            raise ValueError(f"write a number from {setting.least} to {setting.most}, or auto")
        return None if value == "auto" else value

    return BeforeValidator(read)


_VALIDATORS: Mapping[Kind, Callable[[Setting], BeforeValidator | AfterValidator]] = {
    Kind.MODEL: lambda _: AfterValidator(_check_model),
    Kind.DURATION: lambda _: BeforeValidator(_read_duration),
    Kind.PHASES: lambda _: BeforeValidator(_read_phases),
    Kind.LIST: lambda _: BeforeValidator(_read_list),
    Kind.SLOTS: _slots_reader,
    Kind.FLAG_OR_BRANCH: lambda _: BeforeValidator(_read_flag_or_branch),
    Kind.COMMANDS: lambda _: BeforeValidator(_read_commands),
}


def _make_field(setting: Setting) -> tuple[Any, Any]:
    """Return the type and the default of the setting for pydantic, with its bounds."""
    bounds: dict[str, Any] = {}
    if setting.kind in (Kind.USD, Kind.DURATION):
        bounds = {"gt": 0, "allow_inf_nan": False}
    elif setting.kind in (Kind.NUMBER, Kind.SLOTS):
        bounds = {"ge": setting.least, "le": setting.most}
    annotation = setting.annotation
    if make := _VALIDATORS.get(setting.kind):
        annotation = Annotated[annotation, make(setting)]
    # A default is valid as it stands; of a duration it is seconds, not what people write.
    return annotation, Field(default=setting.default, validate_default=False, **bounds)


class _SourcesBase(BaseSettings):
    model_config = SettingsConfigDict(
        env_prefix="CONCERTMASTER_",
        env_ignore_empty=True,
        enable_decoding=False,  # lists in variables are words, not JSON
        extra="forbid",
        frozen=True,
    )


_FIELDS: dict[str, Any] = {name: _make_field(setting) for name, setting in SETTINGS.items()}
_Sources: Any = create_model("_Sources", __base__=_SourcesBase, **_FIELDS)


def _explain(error: ValidationError, name: str, options: Mapping[str, Any]) -> UsageError:
    first = error.errors()[0]
    key = str(first["loc"][0]) if first["loc"] else "settings"
    if first["type"] != "extra_forbidden":
        return UsageError(
            f"`{key}` cannot be {reprlib.repr(first['input'])}",
            why=str(first["msg"]).removeprefix("Value error, "),
            next_step=f"correct {_name_source(key, name, options)}",
        )
    if key in _workflow_inputs():
        return UsageError(
            f"{name} may not set `{key}`",
            why="it is an input of the workflow, which changes of the repository's tree cannot set",
            next_step=f"set `{key}` in the workflow file, under `with:`, and remove it from {name}",
        )
    close = difflib.get_close_matches(key, SETTINGS, n=1)
    return UsageError(
        f"{name} has an unknown key `{key}`" + (f"; did you mean `{close[0]}`?" if close else ""),
        why=f"known are {', '.join(sorted(SETTINGS))}",
        next_step=f"correct {name} and commit it",
    )


def _workflow_inputs() -> frozenset[str]:
    from concertmaster.settings.action_inputs import (  # noqa: PLC0415  slow to load
        ActionSettings,
        is_for_callers,
    )

    fields = ActionSettings.model_fields.items()
    return frozenset(name for name, field in fields if is_for_callers(field))


def _name_source(key: str, name: str, options: Mapping[str, Any]) -> str:
    setting = SETTINGS.get(key)
    if setting and key in options:
        return setting.option
    if setting and read_environment().get(setting.variable):
        return f"the variable {setting.variable}"
    return f"`{key}` in {name} and commit it"

"""Makes the JSON schema of concertmaster.yml, which editors check and complete the file by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from concertmaster.settings.choices import Phase
from concertmaster.settings.declarations import LONGEST_MODEL, SETTINGS
from concertmaster.settings.setting import Kind, Setting

_AMOUNT = r"[0-9]+(\.[0-9]+)?"
# Minutes, or hours, minutes and seconds in this order; more than nothing.
_DURATION = (
    rf"^(?=.*[1-9])({_AMOUNT}|"
    rf"({_AMOUNT} *h(ours?)?)? *({_AMOUNT} *m(in(utes?)?)?)? *({_AMOUNT} *s(ec(onds?)?)?)?)$"
)
_PHASE = f"({'|'.join(Phase)})"
_PHASES = f"^(full|lean|{_PHASE}( *, *{_PHASE})*)$"

# As `choices.is_plain_branch` takes it; "" is unset.
_PART = r"[A-Za-z0-9_][A-Za-z0-9._-]*"
_BRANCH = (
    r"^$(?!\n)|^(?!concertmaster/|HEAD$|.*\.\.|.*\.(lock)?(/|$))"
    f"{_PART}(/{_PART})*$"
    r"(?!\n)"
)

_STRING = {"type": "string"}
_ABOVE_ZERO = {"type": "number", "exclusiveMinimum": 0}
_VALUES: Mapping[Kind, dict[str, Any]] = {
    Kind.COMMAND: _STRING,
    Kind.NAME: _STRING,
    Kind.FOLDER: _STRING,
    Kind.BRANCH: _STRING,
    Kind.MODEL: {**_STRING, "pattern": "^(?!-)", "maxLength": LONGEST_MODEL},
    Kind.FLAG: {"type": "boolean"},
    Kind.FLAG_OR_BRANCH: {"anyOf": [{"type": "boolean"}, {**_STRING, "pattern": _BRANCH}]},
    Kind.USD: _ABOVE_ZERO,
    Kind.DURATION: {"anyOf": [_ABOVE_ZERO, {**_STRING, "pattern": _DURATION}]},
    Kind.LIST: {"anyOf": [_STRING, {"type": "array", "items": _STRING}]},
    Kind.PHASES: {
        "anyOf": [
            {**_STRING, "pattern": _PHASES},
            {"type": "array", "items": {"enum": list(Phase)}},
        ]
    },
    Kind.COMMANDS: {"type": "object", "additionalProperties": _STRING},
}


def make_schema() -> str:
    """Return the schema as the text of its file."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "concertmaster.yml",
        "description": "The settings of Concertmaster, at the root of a repository or in .github/.",
        "type": "object",
        "additionalProperties": False,
        "properties": {name: _describe(setting) for name, setting in SETTINGS.items()},
    }
    return json.dumps(schema, indent=2) + "\n"


def _describe(setting: Setting) -> dict[str, Any]:
    is_plain = setting.kind in (Kind.NUMBER, Kind.FLAG)
    default = setting.default if is_plain else setting.written_default
    described = {"description": setting.help, **_describe_value(setting)}
    return described if default == "" else {**described, "default": default}


def _describe_value(setting: Setting) -> dict[str, Any]:
    number = {"type": "integer", "minimum": setting.least, "maximum": setting.most}
    match setting.kind:
        case Kind.NUMBER:
            return number
        case Kind.SLOTS:
            return {"anyOf": [number, {"const": "auto"}]}
        case Kind.CHOICE:
            return {"enum": list(setting.choices)}
        case kind:
            return _VALUES[kind]

"""Makes the JSON schema of concertmaster.yml, which editors check and complete the file by."""

from __future__ import annotations

import json
from typing import Any

from concertmaster.settings.choices import Phase
from concertmaster.settings.declarations import LONGEST_MODEL, SETTINGS, Kind, Setting

_WORDS = {"type": "array", "items": {"type": "string"}}
_LIST = {"anyOf": [{"type": "string"}, _WORDS]}
_COMMANDS = {"type": "object", "additionalProperties": {"type": "string"}}
_AMOUNT = r"[0-9]+(\.[0-9]+)?"
# Minutes, or hours, minutes and seconds in this order; more than nothing.
_DURATION = (
    rf"^(?=.*[1-9])({_AMOUNT}|"
    rf"({_AMOUNT} *h(ours?)?)? *({_AMOUNT} *m(in(utes?)?)?)? *({_AMOUNT} *s(ec(onds?)?)?)?)$"
)
_PHASE = f"({'|'.join(Phase)})"
_PHASES = f"^(full|lean|{_PHASE}( *, *{_PHASE})*)$"


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
        case Kind.COMMAND | Kind.NAME | Kind.FOLDER | Kind.BRANCH | Kind.FLAG:
            return {"type": "boolean" if setting.kind is Kind.FLAG else "string"}
        case Kind.MODEL:
            return {"type": "string", "pattern": "^(?!-)", "maxLength": LONGEST_MODEL}
        case Kind.LIST | Kind.COMMANDS:
            return _COMMANDS if setting.kind is Kind.COMMANDS else _LIST
        case Kind.NUMBER:
            return number
        case Kind.SLOTS:
            return {"anyOf": [number, {"const": "auto"}]}
        case Kind.USD:
            return {"type": "number", "exclusiveMinimum": 0}
        case Kind.DURATION:
            written = {"type": "string", "pattern": _DURATION}
            return {"anyOf": [{"type": "number", "exclusiveMinimum": 0}, written]}
        case Kind.CHOICE:
            return {"enum": list(setting.choices)}
        case Kind.PHASES:
            names = {"type": "array", "items": {"enum": [str(phase) for phase in Phase]}}
            return {"anyOf": [{"type": "string", "pattern": _PHASES}, names]}

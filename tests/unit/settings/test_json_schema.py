"""The JSON schema of concertmaster.yml is made from the declarations and agrees with the reader."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from concertmaster.errors import UsageError
from concertmaster.settings.declarations import SETTINGS
from concertmaster.settings.json_schema import make_schema
from concertmaster.settings.sources import load_settings

ROOT = Path(__file__).parents[3]
VALIDATOR = Draft202012Validator(json.loads(make_schema()))
GOOD: list[dict[str, Any]] = [
    {},
    {"agent": "codex", "agent_model": "m[1]", "agent_environment": ["KEY", "OTHER"]},
    {"agent_environment": "KEY, OTHER"},
    {"setup": "", "check": "pytest -q"},
    {"parallel": 4},
    {"parallel": "auto"},
    {"budget": 0.5},
    {"timeout": "1h30m", "check_timeout": 20},
    {"timeout": "90s", "check_timeout": "1.5 hours"},
    {"landing": "single-pull-request", "target": "release/1"},
    {"phases": "lean"},
    {"phases": "research, review"},
    {"phases": ["prepare", "implement"]},
    {"protected": ["docs/**"], "schedule": "a.md,b.md"},
    {"attempts": 1, "fix_attempts": 0, "repairs": 0, "rounds": 20},
]
BAD: list[dict[str, Any]] = [
    {"chek": "true"},
    {"agent_model": "-x"},
    {"agent_model": "x" * 201},
    {"check": 1},
    {"parallel": 0},
    {"parallel": 257},
    {"parallel": "many"},
    {"budget": 0},
    {"budget": "much"},
    {"timeout": "soon"},
    {"timeout": "0m"},
    {"timeout": "1m 1h"},
    {"check_timeout": 0},
    {"landing": "merged"},
    {"phases": "lean, full"},
    {"phases": ["lean"]},
    {"protected": [1]},
    {"attempts": 11},
    {"rounds": -1},
]
VALUES = st.sampled_from([value for file in (*GOOD, *BAD) for value in file.values()])


def is_read(file: dict[str, Any]) -> bool:
    data = json.dumps(file).encode()  # which is YAML as well
    with suppress(UsageError):
        load_settings({}, file=data, name="concertmaster.yml")
        return True
    return False


def test_the_file_is_what_the_declarations_say() -> None:
    """`make schema` writes it anew."""
    assert (ROOT / "schemas/concertmaster.schema.json").read_text() == make_schema()


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(json.loads(make_schema()))


def test_every_default_is_valid() -> None:
    properties = json.loads(make_schema())["properties"]
    defaults = {name: one["default"] for name, one in properties.items() if "default" in one}
    assert VALIDATOR.is_valid(defaults)
    assert values_of(defaults) == values_of({})


def values_of(file: dict[str, Any]) -> dict[str, Any]:
    found = load_settings({}, file=json.dumps(file).encode(), name="concertmaster.yml")
    return {name: getattr(found, setting.attribute) for name, setting in SETTINGS.items()}


@pytest.mark.parametrize("file", GOOD, ids=str)
def test_what_the_program_reads_is_valid(file: dict[str, Any]) -> None:
    assert VALIDATOR.is_valid(file)
    assert is_read(file)


@pytest.mark.parametrize("file", BAD, ids=lambda file: str(file)[:30])
def test_what_the_program_refuses_is_not_valid(file: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(file)
    assert not is_read(file)


# No schema can say which characters are printable.
TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)


@given(st.dictionaries(st.sampled_from([*SETTINGS]), VALUES | TEXTS, max_size=2))
def test_nothing_valid_is_refused(file: dict[str, Any]) -> None:
    if VALIDATOR.is_valid(file):
        assert is_read(file)

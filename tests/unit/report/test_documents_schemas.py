"""The schemas of `--json` are made from the values, and hold for what is printed."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from concertmaster.planning.predicted_schedule import dump_plan
from tests import journals
from tests.journals import make_plan

SCHEMAS = Path(__file__).parents[3] / "schemas"


def load_writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_schema", SCHEMAS / "write_schema.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_files_are_those_that_the_values_make() -> None:
    """`make schema` writes them anew."""
    made = load_writer().make_schemas()

    assert {path.name: path.read_text() for path in SCHEMAS.glob("*.json")} == made


def printed(name: str) -> dict[str, Any]:
    report = asdict(journals.tell_story(make_plan(), journals.one_lands_two_breaks_the_check())[1])
    documents: dict[str, dict[str, Any]] = {
        "plan": dump_plan(make_plan()),
        "report": {**report, "folder": "/x"},
        "status": {**report, "folder": "/x", "running": False},
    }
    found: dict[str, Any] = json.loads(json.dumps(documents[name]))
    return found


@pytest.mark.parametrize("name", ["plan", "report", "status"])
def test_what_is_printed_fits_its_schema(name: str) -> None:
    schema = json.loads((SCHEMAS / f"{name}.schema.json").read_text())
    document = printed(name)

    Draft202012Validator(schema).validate(document)
    document.pop("run")
    assert not Draft202012Validator(schema).is_valid(document)

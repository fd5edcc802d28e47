"""A setting is added by one edit, its declaration, and then it is wherever it may be set."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from concertmaster.settings import declarations
from tests.workflows.files import ACTION

ROOT = Path(__file__).parents[3]
FIRST = "    agent: Annotated[\n        str,\n        Setting(\n            kind=Kind.NAME,\n"
ADDED = """
    colour: Annotated[
        str,
        Setting(
            kind=Kind.NAME,
            help="Colour of the stage (default: red).",
            places=Place.OPTION | Place.INPUT | Place.COMMENT,
            wants="a colour",
            example="blue",
        ),
    ] = "red"
"""
# Runs in a process of its own, whose declarations are those of the repository and the added one.
LOOK = """
import json, os, sys
from importlib.util import find_spec, module_from_spec

name, first, added = "concertmaster.settings.declarations", *json.load(sys.stdin)
spec = find_spec(name)
module = sys.modules[name] = module_from_spec(spec)
source = spec.loader.get_source(name)
assert source.count(first) == 1
exec(compile(source.replace(first, added + first), name, "exec"), module.__dict__)

from click.testing import CliRunner
from concertmaster.cli.main import commands
from concertmaster.github.slash_command import help_comment, read_comment
from concertmaster.model import RunSettings
from concertmaster.planning.run_settings import FilledSettings, freeze_settings
from concertmaster.settings.action_inputs import ActionSettings, is_for_callers
from concertmaster.settings.json_schema import make_schema
from concertmaster.settings.sources import load_settings
from docs.write_tables import write_settings

default = load_settings({})
read = load_settings({}, file=b"colour: green\\ncheck: make", name="concertmaster.yml")
os.environ["CONCERTMASTER_COLOUR"] = "violet"
by_variable = load_settings({}, file=b"colour: green", name="concertmaster.yml")
by_option = load_settings({"colour": "blue"}, file=b"colour: green", name="concertmaster.yml")
print(json.dumps({
    "help": CliRunner().invoke(commands, ["run", "--help"]).output,
    "comment": dict(read_comment("/orchestrate colour=blue").options),
    "wrong comment": read_comment("/orchestrate colour=$(id)").fix,
    "help on GitHub": help_comment(),
    "default": default.colour,
    "file": read.colour,
    "variable": by_variable.colour,
    "option": by_option.colour,
    "plan": freeze_settings(FilledSettings(settings=read), requester="").colour,
    "schema": json.loads(make_schema())["properties"].get("colour"),
    "inputs": [name for name, one in ActionSettings.model_fields.items() if is_for_callers(one)],
    "input": ActionSettings(colour="blue").options(),
    "table": [row for row in write_settings().splitlines() if "colour" in row],
}))
"""


@pytest.fixture(scope="module")
def found() -> dict[str, Any]:
    """What each place makes of the added setting."""
    done = subprocess.run(
        [sys.executable, "-c", LOOK],
        cwd=ROOT,
        env={"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "PATH": "/usr/bin:/bin"},
        input=json.dumps([FIRST, ADDED]),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_the_setting_is_new() -> None:
    assert "colour" not in declarations.SETTINGS


def test_the_command_line_has_its_option(found: dict[str, Any]) -> None:
    assert "--colour" in found["help"]
    assert "Colour of the stage" in found["help"]


def test_a_comment_may_set_it(found: dict[str, Any]) -> None:
    assert found["comment"] == {"colour": "blue"}
    assert "colour=blue" in found["help on GitHub"]


def test_a_wrong_value_in_a_comment_is_told_what_is_wanted(found: dict[str, Any]) -> None:
    assert "It takes a colour, as in `colour=blue`." in found["wrong comment"]


@pytest.mark.parametrize(
    ("source", "colour"),
    [("default", "red"), ("file", "green"), ("variable", "violet"), ("option", "blue")],
)
def test_each_source_overrules_the_one_before(
    found: dict[str, Any], source: str, colour: str
) -> None:
    assert found[source] == colour


def test_a_plan_keeps_it(found: dict[str, Any]) -> None:
    assert found["plan"] == "green"


def test_the_schema_knows_it(found: dict[str, Any]) -> None:
    assert found["schema"] == {
        "description": "Colour of the stage (default: red).",
        "type": "string",
        "default": "red",
    }


def test_the_action_takes_it_and_action_yml_is_found_to_lack_it(found: dict[str, Any]) -> None:
    """tests/workflows/test_inputs.py holds that both have the same inputs."""
    assert {*found["inputs"]} - {*ACTION.yaml["inputs"]} == {"colour"}
    assert found["input"] == {"colour": "blue"}


def test_the_table_of_the_documents_has_its_row(found: dict[str, Any]) -> None:
    (row,) = found["table"]
    assert row.split(" | ")[1:4] == ["`--colour`", "`colour=blue`, input", "`red`"]

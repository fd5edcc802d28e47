"""A single edit adds a setting: a copy of the source declares one more, and each place has it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commandline import concertmaster
from tests.conftest import Project

SOURCE = Path(__file__).parents[3] / "src/concertmaster"
CLASS = '''class FrozenSettings:
    """The settings that a plan keeps."""
'''
EDIT = """
    tint: Annotated[
        str,
        Setting(
            kind=Kind.NAME,
            help="The colour of the results.",
            places=Place.OPTION | Place.INPUT | Place.COMMENT,
            wants="a colour",
            example="red",
        ),
    ] = "blue"
"""
PROBE = """
import json
from concertmaster import github
from concertmaster.github.slash_command import help_comment, read_comment
from concertmaster.settings.action_inputs import load_action_settings
from concertmaster.settings.json_schema import make_schema
print(json.dumps({
    "place": github.__file__,
    "comment": read_comment("/orchestrate tint=green").options,
    "wrong comment": read_comment("/orchestrate tint=$(id)").fix,
    "help comment": help_comment(),
    "input": load_action_settings().options(),
    "schema": json.loads(make_schema())["properties"]["tint"],
}))
"""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder to import the changed copy from."""
    folder = tmp_path_factory.mktemp("source")
    shutil.copytree(SOURCE, folder / "concertmaster", ignore=shutil.ignore_patterns("__pycache__"))
    declarations = folder / "concertmaster/settings/declarations.py"
    text = declarations.read_text()
    assert text.count(CLASS) == 1
    declarations.write_text(text.replace(CLASS, CLASS + EDIT))
    return folder


@pytest.fixture
def env(source: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(source)}


def plan(project: Project, *options: str, env: dict[str, str]) -> dict[str, Any]:
    """Return the frozen settings of a plan."""
    project.commit("Prompt", {"one.md": "# Change a.txt\n"})
    agent = ("--agent-command", "true", "--check", "true")
    done = concertmaster(
        "plan", "one.md", *agent, *options, "--json", cwd=project.root, env=env, is_fresh=True
    )
    assert done.code == 0, done.err
    settings: dict[str, Any] = done.document["settings"]
    return settings


def test_the_command_line_offers_it_and_the_plan_keeps_it(
    project: Project, env: dict[str, str]
) -> None:
    help_text = concertmaster("run", "--help", cwd=project.root, env=env, is_fresh=True).out
    assert "--tint NAME" in help_text
    assert "The colour of the results." in help_text
    assert plan(project, "--tint", "red", env=env)["tint"] == "red"


@pytest.mark.parametrize(
    ("file", "variable", "tint"),
    [("", "", "blue"), ("tint: red\n", "", "red"), ("tint: red\n", "green", "green")],
)
def test_the_file_and_the_variable_set_it(
    project: Project, env: dict[str, str], file: str, variable: str, tint: str
) -> None:
    project.write({"concertmaster.yml": file})
    assert plan(project, env={**env, "CONCERTMASTER_TINT": variable})["tint"] == tint


def test_comments_inputs_and_the_schema_know_it(env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        env={**os.environ, **env, "INPUT_TINT": "red"},
        check=True,
        capture_output=True,
        text=True,
    )
    found = json.loads(done.stdout)
    assert found["place"].startswith(env["PYTHONPATH"])
    assert found["comment"] == [["tint", "green"]]
    assert "It takes a colour, as in `tint=red`." in found["wrong comment"]
    assert "- `tint=red`: a colour" in found["help comment"]
    assert found["input"] == {"tint": "red"}
    assert found["schema"] == {
        "description": "The colour of the results.",
        "type": "string",
        "default": "blue",
    }

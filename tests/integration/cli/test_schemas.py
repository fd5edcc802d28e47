"""Tests that what `--json` prints is described by a schema, and fits it."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pytest
from jsonschema import Draft202012Validator

from concertmaster.cli.main import commands as program
from schemas.write_schema import SCHEMAS
from tests.commandline import SCHEMA_FOLDER, called, fit_schema, write_prompt
from tests.conftest import Project


def test_each_command_with_json_has_a_schema() -> None:
    context = click.Context(program)
    found = {name: program.get_command(context, name) for name in program.list_commands(context)}
    with_json = {
        name
        for name, command in found.items()
        if command and any("--json" in one.opts for one in command.params)
    }

    assert with_json == {*SCHEMAS}


@pytest.mark.parametrize("path", sorted(SCHEMA_FOLDER.glob("*.json")), ids=lambda path: path.name)
def test_the_schema_is_one(path: Path) -> None:
    Draft202012Validator.check_schema(json.loads(path.read_text()))


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ("doctor", ("doctor", "--no-try")),
        ("clean", ("clean", "--dry-run")),
        ("init", ("init", "--no-try")),
        ("plan", ("plan", "prompts/one.md", "prompts/two.md")),
        ("explain", ("plan", "prompts/one.md", "prompts/two.md", "--explain", "one", "two")),
    ],
)
def test_what_json_prints_fits_the_schema(
    project: Project, monkeypatch: pytest.MonkeyPatch, schema: str, words: tuple[str, ...]
) -> None:
    for name in ("one", "two"):
        write_prompt(project, name, f"echo 1 > {name}.txt", head=f"touches: [{name}.txt]")
    project.commit("Prompts", {"Makefile": "test:\n\ttrue\n"})
    monkeypatch.chdir(project.root)

    fit_schema(schema, called(*words, "--json").document)

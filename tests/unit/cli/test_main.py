"""The group of commands: every command is there, and none is imported before it is asked for."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import click
import pytest

from concertmaster import cli
from concertmaster.cli import main
from concertmaster.errors import UsageError


def test_every_module_with_a_command_of_its_name_is_listed() -> None:
    modules = {
        module.name: import_module(f"concertmaster.cli.{module.name}")
        for module in iter_modules(cli.__path__)
    }
    found = [
        name
        for name, module in modules.items()
        if isinstance(getattr(module, name, None), click.Command)
    ]

    assert sorted(found) == main.NAMES


def test_the_version_is_told_without_any_command() -> None:
    program = (
        "import sys\n"
        "from concertmaster.cli.main import main\n"
        "main(['--version'])\n"
        "print([name for name in sys.modules if name.startswith('concertmaster.engine')])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_nearest_command_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["statu"]) == UsageError.exit_code
    assert "Did you mean 'status'?" in capsys.readouterr().err

"""The source keeps the rules of tests/source_rules.py, and each rule finds what breaks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.binding_rules import no_name_is_bound_again
from tests.pattern_rules import regular_expressions_read_what_others_wrote
from tests.source_rules import (
    BRIDGE,
    SHELL,
    STAND_ALONE,
    WITH_IT,
    Rule,
    dataclasses_are_frozen,
    each_outside_library_has_one_owner,
    every_module_has_a_package,
    few_functions_have_many_parameters,
    imports_form_no_cycle,
    imports_keep_the_order_of_packages,
    modules_have_names_of_their_own,
    nearly_all_functions_are_short,
    no_class_name_stands_twice,
    no_function_is_long,
    no_function_takes_url_and_token,
    no_job_imports_another,
    no_module_is_long,
    only_the_console_prints,
    only_the_settings_of_the_process_read_the_environment,
    only_the_top_catches_everything,
    parse,
    pure_modules_stay_pure,
    read_source,
    the_shell_lists_only_modules_that_need_it,
    the_stand_alone_script_imports_only_the_standard_library,
)

TESTS = Path(__file__).parent
LONGEST_TEST_MODULE = 500

# Each rule beside sources that break it.
BROKEN: dict[Rule, list[dict[str, str]]] = {
    every_module_has_a_package: [{"stray": ""}, {"gitlike.graph": ""}],
    imports_keep_the_order_of_packages: [
        {"graph": "from concertmaster.engine.event_loop import run", "engine.event_loop": ""},
        {"git.command": "from concertmaster.github import issues", "github.issues": ""},
        {"run.state": "from concertmaster.engine import journal", "engine.journal": ""},
        {"github.issues": "def f():\n import concertmaster.cli.main", "cli.main": ""},
        {
            "github.issues": "from concertmaster.settings.sources import load_settings",
            "settings.sources": "",
        },
        {
            "settings.declarations": "from concertmaster.text import display",
            "text.display": "",
        },
    ],
    no_name_is_bound_again: [
        {"model": "from concertmaster.settings import choices\nPhase = choices.Phase"},
        {"model": "from concertmaster import errors as e\nFault = UsageError = e.UsageError"},
    ],
    no_job_imports_another: [
        {"action.verify": "from concertmaster.action.work import work", "action.work": ""},
        {
            "action.reconcile": "from concertmaster.action.plan import publish",
            "action.plan.publish": "",
        },
    ],
    imports_form_no_cycle: [
        {
            "engine.event_loop": "from concertmaster.engine import phase_runner",
            "engine.phase_runner": "from concertmaster.engine.integrator import Integrator",
            "engine.integrator": "import concertmaster.engine.event_loop",
        },
    ],
    each_outside_library_has_one_owner: [
        {"engine.event_loop": "import markdown_it", "retry": "from markdown_it import x"},
        {"engine.event_loop": "import subprocess"},
        {"worktrees.worktree": "from git.cmd import Git"},
        {"engine.event_loop": "import click"},
        {"cli.main": "from rich.table import Table"},
        {"cli.main": "from pydantic_settings import BaseSettings"},
    ],
    the_stand_alone_script_imports_only_the_standard_library: [
        {STAND_ALONE: "from concertmaster.errors import Error"},
        {STAND_ALONE: "import psutil"},
        {WITH_IT: "from concertmaster.errors import Error"},
        {WITH_IT: "import psutil"},
        {BRIDGE: "from concertmaster.agents.protocol import Agent"},
    ],
    only_the_settings_of_the_process_read_the_environment: [
        {"cli.main": "import os\nos.environ['HOME']"},
        {"cli.main": "import os\nos.getenv('HOME')"},
        {"sandbox.supervisor": "from os import environ"},
        {"settings.sources": "import os\nos.environ['HOME']"},
    ],
    only_the_console_prints: [{"cli.main": "print()"}],
    no_function_is_long: [{"cli.main": "def f():\n" + " pass\n" * 50}],
    nearly_all_functions_are_short: [{"cli.main": "async def f():\n" + " pass\n" * 29}],
    few_functions_have_many_parameters: [
        {"cli.main": "def f(a, b, /, c, *d, e, **f): ...\n" * 7},
        {"cli.main": "class A:\n" + " async def f(self, a, b, c, *, d, e, f=1): ...\n" * 7},
    ],
    no_function_takes_url_and_token: [
        {"git.remote": "def f(url, *, token): ..."},
        {"git.remote": "class A:\n async def f(self, remote_url, b, token=''): ..."},
    ],
    regular_expressions_read_what_others_wrote: [
        {"comments.memory_file": "import re"},
        {"watch.follow": "from re import compile"},
        {"text.marks": ""},
    ],
    dataclasses_are_frozen: [
        {"model": "@dataclass\nclass A: ..."},
        {"model": "@dataclasses.dataclass(slots=True)\nclass A: ..."},
        {"model": "def f():\n @dataclass(frozen=False)\n class A: ..."},
        {"engine.agent_session": "@dataclass(frozen=True)\nclass UsageTotal: ..."},
    ],
    no_module_is_long: [{"cli.main": "x = 1\n" * 351}],
    no_class_name_stands_twice: [{"text.marks": "class A: ...", "model": "class A: ..."}],
    modules_have_names_of_their_own: [
        {"text.utils": ""},
        {"engine.github": ""},
        {"engine.manager": ""},
        {"text.jinja2": "", "engine.event_loop": "import jinja2"},
    ],
    pure_modules_stay_pure: [
        {"graph": "import os.path"},
        {"graph": "from time import monotonic"},
        {"graph": "from pathlib import Path"},
        {"graph": "import pathlib"},
        {"graph": "from datetime import datetime\ndatetime.now()"},
        {"graph": "open('x')"},
        {"run.state": "import requests"},
        {"run.state": "from concertmaster.git.command import Git", "git.command": ""},
    ],
    the_shell_lists_only_modules_that_need_it: [
        dict.fromkeys({*SHELL, "__main__"}, ""),
        {**dict.fromkeys({*SHELL, "__main__"}, "import os"), "git.command": ""},
    ],
    only_the_top_catches_everything: [
        {"engine.event_loop": "try: ...\nexcept: ..."},
        {"engine.event_loop": "try: ...\nexcept Exception: ..."},
        {"engine.event_loop": "try: ...\nexcept (OSError, BaseException): ..."},
        {"engine.event_loop": "import contextlib\nwith contextlib.suppress(Exception): ..."},
    ],
}
KEPT = {
    "__init__": "__version__ = '1'",
    "__main__": "from concertmaster.cli.main import main",
    "action.registry": "from concertmaster.action.work import work",
    "action.work": "from concertmaster.action.job import Job",
    "action.job": "",
    "cli.main": "import click\ntry: ...\nexcept Exception: ...",
    "cli.run": "import click",
    "engine.event_loop": "from concertmaster.sandbox.supervisor import run",
    "errors": "",
    "git.command": "import re\nfrom git.cmd import Git",
    "github.labels": "import stat\nfrom concertmaster import clock\nX = stat.X\nnow = clock.time",
    "graph": "from pathlib import PurePosixPath\nfrom concertmaster.model import Task",
    "model": "from concertmaster import __version__\nclass A: ...\ndef f():\n" + " pass\n" * 28,
    "run.state": "from concertmaster.landing.merge_queue import Landing",
    "landing.merge_queue": (
        "@dataclass(frozen=True, slots=True)\nclass B:\n"
        + " def f(self, a, b, c, d, url): ...\n" * 9
        + " def f(self, a, b, c, d, e, f): ...\n" * 6
    ),
    "sandbox.guard_server": "import os, sys\nprint()",
    "sandbox.supervisor": "import subprocess\ntry: process.environ()\nexcept OSError: ...",
    "github.slash_command": "import re\nfrom concertmaster.settings.declarations import SETTINGS",
    "settings.declarations": "",
    "settings.process": "import os\nos.environ['HOME']\nfrom concertmaster.errors import Error",
    "terminal.console": "import re, rich\nprint()",
    "terminal.live": "import rich",
    "worktrees.manager": "",
}
rules = pytest.mark.parametrize("rule", BROKEN, ids=lambda rule: rule.__name__.replace("_", "-"))


@rules
def test_the_source_keeps_the_rule(rule: Rule) -> None:
    assert rule(read_source()) == []


@rules
def test_the_rule_finds_what_breaks_it(rule: Rule) -> None:
    assert [sources for sources in BROKEN[rule] if not rule(parse(sources))] == []


@rules
def test_the_rule_accepts_what_keeps_it(rule: Rule) -> None:
    assert rule(parse(KEPT)) == []


def test_the_source_is_there_to_be_judged() -> None:
    assert {"__init__", "run.state", "errors"} <= read_source().keys()


def test_no_file_holds_the_markers_of_a_conflict() -> None:
    root = TESTS.parent
    folders = ("src", "docs", "schemas", "image", "host", ".github")
    files = [*root.glob("*.*"), *(file for name in folders for file in (root / name).rglob("*.*"))]
    texts = {file: file.read_bytes() for file in files if file.is_file() and file.suffix != ".pyc"}
    marked = {
        str(file.relative_to(root))
        for file, text in texts.items()
        for line in text.splitlines()
        if line.startswith((b"<<<<<<< ", b">>>>>>> "))
    }
    assert TESTS.parent / "src/concertmaster/templates/report.html" in texts
    assert not marked


def test_no_test_module_is_long() -> None:
    lengths = {file: len(file.read_text().splitlines()) for file in TESTS.rglob("*.py")}
    long = {
        f"{file.relative_to(TESTS)} has {lines} lines"
        for file, lines in lengths.items()
        if lines > LONGEST_TEST_MODULE
    }
    assert not long

"""The shape of the source, held by rules. Each rule is a function from modules to violations."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "concertmaster"

# From top to bottom. A module belongs to the longest prefix, and imports from its layer or below.
LAYERS = (
    ("__main__",),
    ("cli",),
    ("engine",),
    ("adapters", "insight", "settings", "templates"),
    ("core",),
    ("core.model", "errors", "__init__"),
)
# Beyond "one module each", which holds for every outside library.
# It gives outside data a shape, wherever such data comes in.
SHARED = frozenset({"pydantic"})

OWNERS = {
    "click": "cli",
    "git": "adapters.repository",
    "github3": "adapters.watch",
    "psutil": "adapters.host",
    "rich": "adapters.console",
    "subprocess": "adapters.process",
}
STAND_ALONE = "adapters.guard"  # a script of its own: neither imports ours nor has our console
FORBIDDEN_NAMES = {"utils", "helpers", "manager", "service", "base", "common", "git", "github"}
IMPURE = set(
    "asyncio getpass glob importlib io logging multiprocessing os pathlib platform random secrets"
    " shutil signal socket subprocess sys tempfile threading time urllib uuid".split()
)
PURE_NAMES = {"pathlib.PurePath", "pathlib.PurePosixPath"}
ENVIRONMENT = {"os.environ", "os.environb", "os.getenv", "os.getenvb"}
IMPURE_CALLS = {"open", "input", "now", "utcnow", "today"}
LONGEST_FUNCTION = 50
LONG_FUNCTION = 30
SHARE_OF_SHORT_FUNCTIONS = 0.9

Modules = Mapping[str, ast.Module]
Rule = Callable[[Modules], list[str]]


def parse(sources: Mapping[str, str]) -> Modules:
    """Name, relative to the package, to syntax tree."""
    return {name: ast.parse(source) for name, source in sources.items()}


def read_source() -> Modules:
    def name_of(file: Path) -> str:
        parts = file.relative_to(SOURCE).with_suffix("").parts
        return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)

    return parse({name_of(file): file.read_text() for file in SOURCE.rglob("*.py")})


def imported_names(tree: ast.Module) -> Iterator[str]:
    """Absolute dotted names of all imports, also late ones and those for types only."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_libraries(tree: ast.Module) -> set[str]:
    return {name.partition(".")[0] for name in imported_names(tree)} - {"concertmaster"}


def imported_modules(modules: Modules, name: str) -> set[str]:
    """Those of our own modules that the module imports; a name in a module counts as the module."""
    found = set()
    for imported in imported_names(modules[name]):
        package, _, ours = imported.partition(".")
        if package == "concertmaster":
            parent = ours.rpartition(".")[0]
            found.add(ours if ours in modules else parent or "__init__")
    return found


def layer_of(name: str) -> int | None:
    """0 is the top."""
    prefixes = {prefix: layer for layer, group in enumerate(LAYERS) for prefix in group}
    matching = [prefix for prefix in prefixes if f"{name}.".startswith(f"{prefix}.")]
    return prefixes[max(matching, key=len)] if matching else None


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines, without decorators."""
    return (function.end_lineno or function.lineno) - function.lineno + 1


def called_names(tree: ast.Module) -> Iterator[str]:
    """The last part of each called name: `now` for `datetime.now()`."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                yield name
            case _:
                pass


def used_names(tree: ast.Module) -> Iterator[str]:
    """Dotted names of all imports, and of what is used of them as `module.name`."""
    yield from imported_names(tree)
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name):
                yield f"{module}.{name}"
            case _:
                pass


def every_module_has_a_layer(modules: Modules) -> list[str]:
    return [f"{name} is in no layer" for name in modules if layer_of(name) is None]


def imports_point_down(modules: Modules) -> list[str]:
    return [
        f"{name} imports {imported}"
        for name in modules
        for imported in imported_modules(modules, name)
        if (layer_of(imported) or 0) < (layer_of(name) or 0)
    ]


def imports_form_no_cycle(modules: Modules) -> list[str]:
    graph = {name: imported_modules(modules, name) for name in modules}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" > ".join(error.args[1])]
    return []


def each_outside_library_has_one_owner(modules: Modules) -> list[str]:
    users: dict[str, list[str]] = {}
    for name, tree in modules.items():
        for library in imported_libraries(tree):
            users.setdefault(library, []).append(name)
    return [
        f"{library} is imported by {', '.join(names)}"
        for library, names in users.items()
        if (library in OWNERS and names != [OWNERS[library]])
        or (library not in {*sys.stdlib_module_names, *SHARED} and len(names) > 1)
    ]


def the_stand_alone_script_imports_only_the_standard_library(modules: Modules) -> list[str]:
    return [
        f"{STAND_ALONE} imports {name}"
        for name in (imported_names(modules[STAND_ALONE]) if STAND_ALONE in modules else ())
        if name.partition(".")[0] not in sys.stdlib_module_names
    ]


def only_settings_reads_the_environment(modules: Modules) -> list[str]:
    return [
        f"{name} reads {word}"
        for name, tree in modules.items()
        if name != "settings"
        for word in ENVIRONMENT.intersection(used_names(tree))
    ]


def only_the_console_prints(modules: Modules) -> list[str]:
    return [
        f"{name} prints"
        for name, tree in modules.items()
        if name not in {"adapters.console", STAND_ALONE} and "print" in called_names(tree)
    ]


def no_function_is_long(modules: Modules) -> list[str]:
    return [
        f"{name}.{function.name} has {length(function)} lines"
        for name, tree in modules.items()
        for function in functions(tree)
        if length(function) > LONGEST_FUNCTION
    ]


def nearly_all_functions_are_short(modules: Modules) -> list[str]:
    lengths = [length(function) for tree in modules.values() for function in functions(tree)]
    short = sum(lines < LONG_FUNCTION for lines in lengths)
    if short < SHARE_OF_SHORT_FUNCTIONS * len(lengths):
        return [f"only {short} of {len(lengths)} functions are under {LONG_FUNCTION} lines"]
    return []


def modules_have_names_of_their_own(modules: Modules) -> list[str]:
    libraries = {library for tree in modules.values() for library in imported_libraries(tree)}
    return [
        f"{name} is named like a library or like nothing"
        for name in modules
        if name.rpartition(".")[2] in FORBIDDEN_NAMES | (libraries - sys.stdlib_module_names)
    ]


def the_core_is_pure(modules: Modules) -> list[str]:
    core = {name: tree for name, tree in modules.items() if f"{name}.".startswith("core.")}
    imports = [
        f"{name} imports {imported}"
        for name, tree in core.items()
        for imported in imported_names(tree)
        if imported.partition(".")[0] in IMPURE and imported not in PURE_NAMES
    ]
    calls = [
        f"{name} calls {called}"
        for name, tree in core.items()
        for called in called_names(tree)
        if called in IMPURE_CALLS
    ]
    return imports + calls


def only_the_top_catches_everything(modules: Modules) -> list[str]:
    return [
        f"{name} catches everything"
        for name, tree in modules.items()
        if name not in {"cli", "__main__"} and any(map(catches_everything, ast.walk(tree)))
    ]


def catches_everything(node: ast.AST) -> bool:
    match node:
        case ast.ExceptHandler(type=None):
            return True
        case ast.ExceptHandler(type=ast.expr() as caught):
            pass
        case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args):
            caught = ast.Tuple(elts=args)
        case _:
            return False
    everything = {"Exception", "BaseException"}
    return any(isinstance(part, ast.Name) and part.id in everything for part in ast.walk(caught))


# Each rule beside sources that break it.
BROKEN: dict[Rule, list[dict[str, str]]] = {
    every_module_has_a_layer: [{"stray": ""}, {"corelike.graph": ""}],
    imports_point_down: [
        {"core.graph": "from concertmaster.engine.loop import run", "engine.loop": ""},
        {"core.model": "from concertmaster.core import graph", "core.graph": ""},
        {"adapters.forge": "def f():\n import concertmaster.cli", "cli": ""},
    ],
    imports_form_no_cycle: [
        {
            "engine.loop": "from concertmaster.engine import worker",
            "engine.worker": "from concertmaster.engine.train import Train",
            "engine.train": "import concertmaster.engine.loop",
        },
    ],
    each_outside_library_has_one_owner: [
        {"engine.loop": "import tenacity", "adapters.forge": "from tenacity import retry"},
        {"engine.loop": "import subprocess"},
        {"adapters.worktree": "from git.cmd import Git"},
        {"engine.loop": "import click"},
        {"cli": "from rich.table import Table"},
    ],
    the_stand_alone_script_imports_only_the_standard_library: [
        {STAND_ALONE: "from concertmaster.errors import Error"},
        {STAND_ALONE: "import psutil"},
    ],
    only_settings_reads_the_environment: [
        {"cli": "import os\nos.environ['HOME']"},
        {"cli": "import os\nos.getenv('HOME')"},
        {"adapters.process": "from os import environ"},
    ],
    only_the_console_prints: [{"cli": "print()"}],
    no_function_is_long: [{"cli": "def f():\n" + " pass\n" * 50}],
    nearly_all_functions_are_short: [{"cli": "async def f():\n" + " pass\n" * 29}],
    modules_have_names_of_their_own: [
        {"core.utils": ""},
        {"adapters.github": ""},
        {"adapters.jinja2": "", "engine.loop": "import jinja2"},
    ],
    the_core_is_pure: [
        {"core.graph": "import os.path"},
        {"core.graph": "from time import monotonic"},
        {"core.graph": "from pathlib import Path"},
        {"core.graph": "import pathlib"},
        {"core.graph": "from datetime import datetime\ndatetime.now()"},
        {"core.graph": "open('x')"},
    ],
    only_the_top_catches_everything: [
        {"engine.loop": "try: ...\nexcept: ..."},
        {"engine.loop": "try: ...\nexcept Exception: ..."},
        {"engine.loop": "try: ...\nexcept (OSError, BaseException): ..."},
        {"engine.loop": "import contextlib\nwith contextlib.suppress(Exception): ..."},
    ],
}
KEPT = {
    "__init__": "__version__ = '1'",
    "__main__": "from concertmaster.cli import main",
    "cli": "import click\ntry: ...\nexcept Exception: ...",
    "engine.loop": "from concertmaster.adapters.process import run",
    "adapters.console": "import rich\nprint()",
    "adapters.process": "import subprocess\ntry: process.environ()\nexcept OSError: ...",
    "adapters.guard": "import os, sys\nprint()",
    "core.graph": "from pathlib import PurePosixPath\nfrom concertmaster.core.model import Task",
    "core.model": "from concertmaster import __version__\ndef f():\n" + " pass\n" * 28,
    "settings": "import os\nos.environ['HOME']\nfrom concertmaster.errors import Error",
    "errors": "",
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
    assert {"__init__", "core.model", "errors"} <= read_source().keys()

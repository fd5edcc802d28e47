"""The sections of a file of tools that differ decide about its change."""

from __future__ import annotations

import json

import pytest

from concertmaster.landing.file_sections import judge_sections
from concertmaster.landing.path_classes import PathClass

TOOL, DEPENDENCIES = PathClass.TOOL, PathClass.DEPENDENCIES

PYPROJECT = """
[project]
name = "x"
version = "1"
dependencies = ["a"]
[tool.ruff]
line-length = 100
[tool.pytest.ini_options]
addopts = "-q"
[tool.mypy]
strict = true
"""
PACKAGE = json.dumps(
    {"version": "1", "scripts": {"test": "jest"}, "dependencies": {"a": "1"}, "jest": {}}
)
CARGO = '[package]\nname = "x"\nversion = "1"\n[dependencies]\na = "1"\n[[bin]]\nname = "y"\n'
GO = "module x\n\ngo 1.22\n\nrequire (\n\ta.b/c v1.0.0\n)\n"
SETUP = "[metadata]\nversion = 1\n[options]\ninstall_requires =\n a\n[tool:pytest]\naddopts = -q\n"

CHANGES = [
    ("pyproject.toml", PYPROJECT, ('version = "1"', 'version = "2"'), None),
    ("pyproject.toml", PYPROJECT, ("line-length = 100", "line-length = 80"), None),
    ("pyproject.toml", PYPROJECT, ("strict = true", "strict = false"), None),
    ("pyproject.toml", PYPROJECT, ("strict = true", 'plugins = ["evil"]'), TOOL),
    ("pyproject.toml", PYPROJECT, ('["a"]', '["a", "b"]'), DEPENDENCIES),
    ("pyproject.toml", PYPROJECT, ('"-q"', '"-p evil"'), TOOL),
    ("pyproject.toml", PYPROJECT, ("[tool.ruff]", "[tool.evil]"), TOOL),
    ("pyproject.toml", PYPROJECT, ("[tool.ruff]", "[build-system]\n[tool.ruff]"), TOOL),
    ("pyproject.toml", PYPROJECT, ('name = "x"', 'name = "x"\nscripts = {pytest = "e:e"}'), TOOL),
    ("pyproject.toml", PYPROJECT, ("[project]", "[project"), TOOL),
    ("pyproject.toml", PYPROJECT, ('name = "x"', f"{'a.' * 2000}b = 1"), TOOL),
    ("sub/PyProject.toml", PYPROJECT, ('"-q"', '"-p evil"'), TOOL),
    ("package.json", PACKAGE, ('"version": "1"', '"version": "2"'), None),
    ("package.json", PACKAGE, ('"a": "1"', '"a": "2"'), DEPENDENCIES),
    ("package.json", PACKAGE, ('"jest"', '"exit 0"'), TOOL),
    ("package.json", PACKAGE, ('"jest": {}', '"jest": {"transform": {}}'), TOOL),
    ("package.json", PACKAGE, ('"version": "1"', '"version": "1", "bin": "x.js"'), TOOL),
    ("package.json", PACKAGE, ('"scripts"', '"scripts": {}, "scripts"'), TOOL),  # comes twice
    ("package.json", PACKAGE, ("{", "["), TOOL),
    ("Cargo.toml", CARGO, ('version = "1"\n[dep', 'version = "2"\n[dep'), None),
    ("Cargo.toml", CARGO, ('name = "y"', 'name = "z"'), None),
    ("Cargo.toml", CARGO, ('a = "1"', 'a = "2"'), DEPENDENCIES),
    ("Cargo.toml", CARGO, ("[[bin]]", '[patch.crates-io]\na = {path = "e"}\n[[bin]]'), TOOL),
    ("Cargo.toml", CARGO, ('name = "x"', 'name = "x"\nbuild = "evil.rs"'), TOOL),
    ("go.mod", GO, ("v1.0.0", "v1.1.0"), DEPENDENCIES),
    ("go.mod", GO, ("go 1.22", "go 1.22\nreplace a.b/c => ./evil"), TOOL),
    ("go.mod", GO, ("go 1.22", "go 1.22\ntoolchain go9"), TOOL),
    ("setup.cfg", SETUP, ("version = 1", "version = 2"), None),
    ("setup.cfg", SETUP, (" a\n", " a\n b\n"), DEPENDENCIES),
    ("setup.cfg", SETUP, ("addopts = -q", "addopts = -p evil"), TOOL),
    (".gitattributes", "*.c text\n", ("*.c text", "*.c text eol=lf"), None),
    (".gitattributes", "*.c text\n", ("text", "text filter=evil"), TOOL),
    (".gitattributes", "*.c text\n", ("*.c", "[attr]c"), TOOL),
    (".gitattributes", "*.a filter=a\n*.b filter=b\n", ("*.a filter=a\n", ""), TOOL),
    ("requirements.txt", "a==1\n", ("a==1", "a==2"), DEPENDENCIES),
    ("requirements.txt", "a==1\n", ("a==1", "# why\na==1"), None),
    ("requirements.txt", "a==1\n", ("a==1", "--index-url https://evil\na==1"), TOOL),
    (".prettierrc", "semi: true\n", ("true", "false"), None),
    (".prettierrc", "semi: true\n", ("semi", "plugins: [./e.js]\nsemi"), TOOL),
    ("Makefile", "test:\n", ("test", "check"), TOOL),
]


@pytest.mark.parametrize(("path", "old", "edit", "kind"), CHANGES)
def test_what_differs_decides(
    path: str, old: str, edit: tuple[str, str], kind: PathClass | None
) -> None:
    assert edit[0] in old
    new = old.replace(*edit, 1)

    assert judge_sections(path, old.encode(), new.encode()) is kind
    assert judge_sections(path, new.encode(), old.encode()) is kind


@pytest.mark.parametrize(
    ("path", "text", "kind"),
    [
        ("pyproject.toml", PYPROJECT, TOOL),
        ("pyproject.toml", '[project]\nname = "x"\n', None),
        ("package.json", PACKAGE, TOOL),
        ("package.json", '{"dependencies": {}}', DEPENDENCIES),
        (".gitattributes", "* text=auto\n", None),
    ],
)
def test_a_file_that_comes_or_goes_is_judged_whole(
    path: str, text: str, kind: PathClass | None
) -> None:
    assert judge_sections(path, b"", text.encode()) is kind
    assert judge_sections(path, text.encode(), b"") is kind


@pytest.mark.parametrize("data", [b"\xff", b"#" * 300_000, b"a = " + b"[" * 5000])
def test_what_cannot_be_read_configures_code(data: bytes) -> None:
    assert judge_sections("pyproject.toml", b"", data) is TOOL


def test_lines_that_change_their_order_count() -> None:
    old, new = b"*.a filter=a\n*.b filter=b\n", b"*.b filter=b\n*.a filter=a\n"

    assert judge_sections(".gitattributes", old, new) is TOOL

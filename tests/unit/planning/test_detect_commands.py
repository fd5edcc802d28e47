"""Detection of check and setup, also in hostile trees."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.planning.detect_commands import (
    FILES,
    MAX_BYTES,
    DetectedCommands,
    detect_commands,
)

MAKE = {"Makefile": ".PHONY: test\nbuild test: all\n\tpytest\n"}
NPM = {"package.json": json.dumps({"scripts": {"test": "vitest run"}})}
NODE = {**NPM, ".gitignore": "node_modules/\n"}
PACKAGE = '[project]\nname = "shop"\n'
TESTS = {"tests/cli/test_main.py": ""}


LOCKS = {"package-lock.json": "", "go.sum": "", "Cargo.lock": "", "requirements.txt": ""}
ALL = {**MAKE, **NODE, **TESTS, **LOCKS, "go.mod": "", "Cargo.toml": ""}


def find(files: dict[str, str], *, check: str = "", has_setup: bool = False) -> DetectedCommands:
    data = {name: text.encode() for name, text in files.items() if name in FILES}
    return detect_commands(files, data, check=check, has_setup=has_setup)


def check_of(files: dict[str, str]) -> str:
    found = find(files).check
    return found.command if found else ""


def setup_of(files: dict[str, str]) -> str:
    found = find(files).setup
    return found.command if found else ""


@pytest.mark.parametrize(
    ("files", "command"),
    [
        (MAKE, "make test"),
        ({"GNUmakefile": "test:: build\n"}, "make test"),
        ({"Makefile": "lint \\\n test: build\n"}, "make test"),
        ({"pytest.ini": ""}, "python3 -m pytest -q"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python3 -m pytest -q"),
        ({"setup.cfg": "[tool:pytest]\n"}, "python3 -m pytest -q"),
        ({"tox.ini": "[pytest]\r\n"}, "python3 -m pytest -q"),
        (TESTS, "python3 -m pytest -q"),
        ({"test/shop_test.py": ""}, "python3 -m pytest -q"),
        ({**TESTS, "uv.lock": "", "pyproject.toml": ""}, "uv run python -m pytest -q"),
        ({**TESTS, "requirements.txt": ""}, ".venv/bin/python -m pytest -q"),
        (NPM, "npm test"),
        ({"Cargo.toml": ""}, "cargo test"),
        ({"go.mod": ""}, "go test ./..."),
    ],
    ids=str,
)
def test_a_check_is_found_by_the_files_of_the_tree(files: dict[str, str], command: str) -> None:
    assert check_of(files) == command


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"Makefile": "all:\n\techo test: none\n"},
        {"Makefile": "test = shop: one\ntest := a\ntest ::= b\n# test: c\ntests:\n.PHONY: test\n"},
        {"GNUmakefile": "all:\n", **MAKE},
        {"pyproject.toml": "[tool.ruff]\n", "setup.cfg": "[metadata]\n"},
        {"tests/conftest.py": "", "docs/test_me.py": "", "mytests/test_a.py": ""},
        {"package.json": '{"scripts": {"test": "echo \\"Error: no test specified\\" && exit 1"}}'},
        {"package.json": '{"scripts": {"test": " "}}'},
        {"package.json": '{"scripts": {"test": ["a"]}}'},
        {"package.json": '{"scripts": ["test"]}'},
        {"package.json": '["scripts"]'},
        {"sub/Cargo.toml": "", "sub/go.mod": "", "sub/Makefile": "test:\n"},
    ],
    ids=str,
)
def test_no_check_is_found_where_no_file_speaks_for_one(files: dict[str, str]) -> None:
    assert find(files) == DetectedCommands()


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({**TESTS, "pyproject.toml": PACKAGE, "uv.lock": ""}, "uv sync"),
        ({**MAKE, "pyproject.toml": PACKAGE, "uv.lock": ""}, "uv sync"),
        ({**NODE, "package-lock.json": ""}, "npm ci"),
        ({**NODE, "pnpm-lock.yaml": ""}, "pnpm install --frozen-lockfile"),
        ({**NODE, "yarn.lock": ""}, "yarn install --immutable"),
        ({**NODE, **MAKE, "package-lock.json": ""}, "npm ci"),
        ({**NODE, **TESTS, "package-lock.json": ""}, ""),  # pytest is the check
        ({**MAKE, "requirements.txt": ""}, ""),  # make would not use .venv
        ({"Cargo.toml": "", "Cargo.lock": ""}, "cargo fetch"),
        ({"Cargo.toml": ""}, ""),  # cargo would add a lock file to the result
        ({"go.mod": "", "go.sum": ""}, "go mod download"),
        ({"go.mod": ""}, ""),
        ({"go.mod": "", "go.sum": "", "vendor/modules.txt": ""}, ""),  # the modules are vendored
        ({"uv.lock": "", "pyproject.toml": PACKAGE, "requirements.txt": ""}, ""),  # no check
    ],
    ids=str,
)
def test_a_setup_is_found_that_serves_the_check(files: dict[str, str], command: str) -> None:
    assert setup_of(files) == command


@pytest.mark.parametrize(
    ("check", "files", "command"),
    [
        ("npm test", ALL, "npm ci"),
        ("npx vitest run", {**NODE, "yarn.lock": ""}, "yarn install --immutable"),
        ("pnpm -r test", {**NODE, "pnpm-lock.yaml": ""}, "pnpm install --frozen-lockfile"),
        ("cargo test --workspace", ALL, "cargo fetch"),
        ("CGO_ENABLED=0 go test ./...", ALL, "go mod download"),
        ("uv run pytest -q", {"uv.lock": "", "pyproject.toml": ""}, "uv sync"),
        (".venv/bin/pytest -q", {"uv.lock": "", "pyproject.toml": ""}, "uv sync"),
        ("npm test", {"go.mod": "", "go.sum": ""}, ""),
        ("pytest -q", ALL, ""),  # it would not use .venv
        ("make test", ALL, ""),  # it may do its own setup
        ("sh check.sh", ALL, ""),
        ("./going/mynpm --cargos", ALL, ""),
    ],
)
def test_beside_a_given_check_the_setup_of_the_tool_is_found_that_it_names(
    check: str, files: dict[str, str], command: str
) -> None:
    found = find(files, check=check)
    assert found.check is None
    assert (found.setup.command if found.setup else "") == command
    assert find(files, check=check, has_setup=True) == DetectedCommands()


def test_a_check_that_names_the_virtual_environment_gets_one() -> None:
    found = find({**TESTS, "requirements.txt": ""}, check=".venv/bin/python -m pytest")
    assert found.setup
    assert found.setup.command.endswith(" -m pip install --quiet pytest -r requirements.txt")


def test_pip_installs_lists_and_the_package_into_an_ignored_folder() -> None:
    extras = "[project.optional-dependencies]\ntest = []\n'x; rm -rf /' = []\n"
    package = {"pyproject.toml": PACKAGE + extras, ".gitignore": "*.egg-info/\n"}
    setup = setup_of({**TESTS, **package, "requirements-dev.txt": ""})
    assert setup.startswith("python3 -m venv ")
    assert "echo '*' > .venv/.gitignore" in setup
    assert setup.endswith(" pytest -r requirements-dev.txt -e '.[test]'")


@pytest.mark.parametrize(
    "files",
    [{**TESTS, "pyproject.toml": PACKAGE}, {**NPM, "package-lock.json": ""}],
    ids=["egg-info", "node_modules"],
)
def test_no_setup_is_found_whose_traces_would_become_part_of_results(files: dict[str, str]) -> None:
    assert find(files).check
    assert find(files).setup is None


def test_a_setup_of_the_user_is_not_doubled() -> None:
    found = find({**TESTS, "requirements.txt": ""}, has_setup=True)
    assert found.setup is None
    assert found.check
    assert found.check.command == "python3 -m pytest -q"


def test_the_reason_names_the_file_and_what_else_was_seen() -> None:
    found = find({**MAKE, **NODE, "go.mod": "", "yarn.lock": "", "package-lock.json": ""})
    assert found.check
    assert found.setup
    assert found.check.reason == (
        "the Makefile has a target test; also seen: `npm test`, `go test ./...`"
    )
    assert found.setup.reason == "package-lock.json; also seen: `yarn install --immutable`"


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xfe\x00",
        b"[" * 100_000,
        b'{"a":' * 40_000,
        b"a." * 100_000 + b"a = 1",
        b"test:\n" + b"#" * MAX_BYTES,
        b"9" * 10_000,
    ],
    ids=lambda data: repr(data[:8]),
)
def test_a_hostile_file_counts_as_absent(data: bytes) -> None:
    names = [name for name in FILES if name != "pytest.ini"]  # whose existence is enough
    assert detect_commands(names, dict.fromkeys(names, data)) == DetectedCommands()


CONTENT = st.binary(max_size=80) | st.sampled_from(
    [*MAKE.values(), *NPM.values(), PACKAGE, "[tool.pytest]", "node_modules", "1"]
).map(str.encode)
OTHERS = ["uv.lock", "yarn.lock", "package-lock.json", "requirements.txt", "go.mod", "tests/test_a"]


@given(
    files=st.dictionaries(st.sampled_from(FILES), CONTENT),
    others=st.sets(st.sampled_from(OTHERS) | st.text(max_size=20)),
    check=st.just("") | st.sampled_from(["npm test", "go vet", "uv run x"]) | st.text(max_size=20),
    has_setup=st.booleans(),
)
def test_no_tree_crashes_and_a_setup_never_comes_without_a_check(
    files: dict[str, bytes], others: set[str], check: str, *, has_setup: bool
) -> None:
    found = detect_commands({*files, *others}, files, check=check, has_setup=has_setup)
    assert found == detect_commands({*others, *files}, files, check=check, has_setup=has_setup)
    assert check or found.check or not found.setup
    assert not (check and found.check)
    assert not (has_setup and found.setup)


@pytest.mark.parametrize(
    ("files", "check", "setup"),
    [
        (
            {
                "package.json": '{"scripts": {"test": "mocha"}, "devDependencies": {"mocha": "1"}}',
                ".gitignore": "node_modules",
            },
            "npm test",
            "npm install --no-package-lock --no-audit --no-fund",
        ),
        (
            {"package.json": '{"scripts": {"test": "mocha"}}', ".gitignore": "node_modules"},
            "npm test",
            "",
        ),
        ({"Cargo.toml": "[workspace]\nmembers = ['a']\n[package]\n"}, "cargo test --workspace", ""),
        (
            {
                "pyproject.toml": "[tool.pytest]\n[project]\n[build-system]\n"
                'build-backend = "flit_core.buildapi"',
            },
            ".venv/bin/python -m pytest -q",
            "-e .",
        ),
    ],
    ids=["no lock file", "no dependencies", "workspace", "a backend that leaves no files"],
)
def test_repositories_without_a_lock_file_and_workspaces_are_served(
    files: dict[str, str], check: str, setup: str
) -> None:
    data = {name: text.encode() for name, text in files.items()}
    found = detect_commands(files, data)
    assert found.check is not None
    assert found.check.command == check
    assert (found.setup.command if found.setup else "").endswith(setup)
    assert bool(found.setup) is bool(setup)


def test_uv_is_installed_by_pip_where_it_is_not_on_path() -> None:
    files = {"uv.lock": b"", "pyproject.toml": b"[tool.pytest.ini_options]\n"}

    def detect(**more: Any) -> tuple[str, str]:
        found = detect_commands(files, files, **more)
        return (
            found.setup.command if found.setup else "",
            found.check.command if found.check else "",
        )

    assert detect() == ("uv sync", "uv run python -m pytest -q")
    setup, check = detect(has_uv=False)
    assert setup.split(" && ")[2:] == [
        ".venv/bin/python -m pip install --quiet uv",
        ".venv/bin/uv sync --inexact",
    ]
    assert check == ".venv/bin/python -m pytest -q"
    assert detect(has_uv=False, check=".venv/bin/pytest")[0] == setup
    assert detect(has_uv=False, has_setup=True) == ("", "uv run python -m pytest -q")
    assert detect(has_uv=False, check="uv run pytest")[0] == "uv sync"

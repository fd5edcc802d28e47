"""Names of a text that stand for files."""

from __future__ import annotations

import pytest

from concertmaster.insight.names import find_common, find_packages, find_symbols, resolve_common


@pytest.mark.parametrize(
    ("text", "sure", "maybe"),
    [
        ("`click.confirm` should", ["click.confirm"], []),
        ("the CliRunner needs", ["CliRunner"], []),
        ("Add middleware.Timeout", ["middleware.Timeout"], ["Add"]),
        ("call run() again", ["run"], []),
        ("read_lines breaks", ["read_lines"], []),
        ("Walk::new and Foo#bar", ["Walk.new", "Foo.bar"], []),
        ("the `timeout` option", ["timeout"], []),
        ("plain words only", [], []),
    ],
)
def test_a_name_is_code_by_its_spelling(text: str, sure: list[str], maybe: list[str]) -> None:
    found = find_symbols(text)

    assert [".".join(one.parts) for one in found if one.sure] == sure
    assert [".".join(one.parts) for one in found if not one.sure] == maybe


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("the get-dependents-graph package", ["get-dependents-graph"]),
        ("in package `cli`", ["cli"]),
        ("the throttle middleware", ["throttle"]),
        ("fix(router): mount", ["router"]),
        ("printer: fix a panic", ["printer"]),
        ("nothing here", []),
    ],
)
def test_a_package_is_named_by_the_word_beside_it(text: str, names: list[str]) -> None:
    assert [*find_packages(text)][:1] == names


TREE = {
    "changes.rst": ["CHANGES.rst"],
    "readme.md": ["README.md", "docs/README.md"],
    "cargo.lock": ["Cargo.lock"],
    "history.py": ["src/history.py"],
}


@pytest.mark.parametrize(
    ("text", "files"),
    [
        ("Note it in the changelog.", ["CHANGES.rst"]),
        ("Add to CHANGES", ["CHANGES.rst"]),
        ("the release notes", ["CHANGES.rst"]),
        ("it changes the world", []),
        ("document it in the readme", ["README.md"]),
        ("refresh the lock file", ["Cargo.lock"]),
        ("the lockfile", ["Cargo.lock"]),
        ("the license", []),
        ("- [Changelog](https://example.org/other/CHANGES.rst)", []),
        ("[`release notes`](https://example.org)", []),
        ("the [changelog](docs/index.md)", ["CHANGES.rst"]),
    ],
)
def test_a_common_name_means_what_the_tree_has(text: str, files: list[str]) -> None:
    words = [word for word, _ in find_common(text)]

    assert [path for word in words for path in resolve_common(word, TREE)] == files

"""Tells which part of a file of tools a change touches.

Such a file mixes harmless data, dependencies, and what runs or configures code. Only the parts that
differ decide. A file that cannot be read counts as one that configures code.
"""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from concertmaster.landing.path_classes import PathClass, fold_path

MOST_BYTES = 256 * 1024
LONGEST_LINE = 2000  # of TOML: parsing a key of n dots takes quadratic time

Document = Mapping[str, Any]
Found = Iterator[PathClass]

_TOOL, _DEPENDENCIES = PathClass.TOOL, PathClass.DEPENDENCIES


def judge_sections(path: str, old: bytes, new: bytes) -> PathClass | None:
    """Return the class of the change of a file of tools; None if any task may make it.

    `old` or `new` is empty where the file did not or does not exist.
    """
    judge = _find_judge(path)
    if judge is None or max(len(old), len(new)) > MOST_BYTES:
        return _TOOL
    try:
        found = set(judge(old.decode(), new.decode()))
    except (ValueError, RecursionError, configparser.Error):
        return _TOOL
    return _TOOL if _TOOL in found else (_DEPENDENCIES if found else None)


def mixes(path: str) -> bool:
    """Return whether the sections of the file decide about its change."""
    return _find_judge(path) is not None


def _find_judge(path: str) -> Callable[[str, str], Found] | None:
    name = fold_path(path).rpartition("/")[2]
    if name in _JUDGES:
        return _JUDGES[name]
    if re.fullmatch(r"\.prettierrc(?:\.(?:json5?|ya?ml|toml))?", name):
        return _prettier
    is_list = re.fullmatch(r"(?:.*requirements.*|constraints.*)\.(?:txt|in)", name)
    lies_in = fold_path(path).split("/")[-2:-1]
    return _requirements if is_list or lies_in == ["requirements"] else None


def _differ(old: Document, new: Document) -> Iterator[str]:
    """Yield the keys whose values differ, in both JSON types and values."""
    for key in {**old, **new}:
        if key not in old or key not in new or json_text(old[key]) != json_text(new[key]):
            yield key


def json_text(value: object) -> str:
    """Return the value as JSON, with the order of keys kept; dates become text."""
    return json.dumps(value, default=str)


def _table(document: Document, key: str) -> Document:
    found = document.get(key, {})
    if not isinstance(found, Mapping):
        raise ValueError(f"{key} is no table")
    return found


def _sorted_out(
    old: Document, new: Document, *, free: Iterable[str] = (), dependencies: Iterable[str] = ()
) -> Found:
    """Yield a class for each key that differs and is not free."""
    for key in _differ(old, new):
        if key in dependencies:
            yield _DEPENDENCIES
        elif key not in free:
            yield _TOOL


# --- pyproject.toml ----------------------------------------------------------------------------

_PROJECT = (
    *("name", "version", "description", "readme", "license", "license-files", "authors"),
    *("maintainers", "keywords", "classifiers", "urls", "requires-python"),
)
_PLAIN_TOOLS = (
    *("ruff", "black", "isort", "towncrier", "codespell", "typos", "djlint", "docformatter"),
    *("check-manifest", "bumpver", "bumpversion", "commitizen", "pyright", "basedpyright"),
    *("ty", "vulture", "interrogate", "pydocstyle", "pycodestyle", "yapf", "autopep8"),
    *("refurb", "deptry", "cibuildwheel-docs", "pyrefly"),
)


def _toml(text: str) -> Document:
    if max(map(len, text.splitlines()), default=0) > LONGEST_LINE:
        raise ValueError("a line is too long")
    return tomllib.loads(text)


def _pyproject(old_text: str, new_text: str) -> Found:
    old, new = _toml(old_text), _toml(new_text)
    yield from _sorted_out(old, new, free=("project", "tool"), dependencies=("dependency-groups",))
    deps = ("dependencies", "optional-dependencies")
    yield from _sorted_out(
        _table(old, "project"), _table(new, "project"), free=_PROJECT, dependencies=deps
    )
    tools_old, tools_new = _table(old, "tool"), _table(new, "tool")
    for tool in _differ(tools_old, tools_new):
        if tool not in _PLAIN_TOOLS:
            yield from _python_tool(tool, _table(tools_old, tool), _table(tools_new, tool))


def _python_tool(tool: str, old: Document, new: Document) -> Found:
    if tool == "mypy":
        held = {"plugins", "python_executable", "mypy_path"} & set(_differ(old, new))
        yield from [_TOOL] * bool(held)
    elif tool == "poetry":
        deps = ("dependencies", "dev-dependencies", "group", "extras")
        free = ("name", "version", "description", "readme", "license", "authors", "keywords")
        more = ("classifiers", "homepage", "repository", "documentation", "urls", "maintainers")
        yield from _sorted_out(old, new, free=(*free, *more), dependencies=deps)
    elif tool in ("uv", "pdm"):
        yield from _sorted_out(old, new, dependencies=("dev-dependencies",))
    else:
        yield _TOOL


# --- package.json, composer.json ---------------------------------------------------------------

_PACKAGE_DEPENDENCIES = (
    *("dependencies", "devDependencies", "peerDependencies", "optionalDependencies"),
    *("peerDependenciesMeta", "bundledDependencies", "bundleDependencies", "overrides"),
    *("resolutions", "require", "require-dev", "conflict", "suggest"),
)
_PACKAGE_FREE = (
    *("name", "version", "description", "keywords", "author", "authors", "contributors"),
    *("maintainers", "license", "repository", "bugs", "homepage", "support", "funding", "files"),
    *("sideEffects", "types", "typings", "typesVersions", "main", "module", "exports", "browser"),
    *("unpkg", "jsdelivr", "browserslist", "private", "$schema"),
)


def _package(old_text: str, new_text: str) -> Found:
    old, new = (_json_object(text) for text in (old_text, new_text))
    yield from _sorted_out(old, new, free=_PACKAGE_FREE, dependencies=_PACKAGE_DEPENDENCIES)


def _json_object(text: str) -> Document:
    found = json.loads(text, object_pairs_hook=_without_twins) if text else {}
    if not isinstance(found, Mapping):
        raise ValueError("no object")
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object. Raises ValueError if a key comes twice: programs may take either."""
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key comes twice")
    return dict(pairs)


# --- Cargo.toml --------------------------------------------------------------------------------

_CARGO_DEPENDENCIES = ("dependencies", "dev-dependencies", "build-dependencies", "target")
_CARGO_FREE = ("features", "lints", "lib", "bin", "test", "bench", "example", "badges")
_CARGO_PACKAGE = (
    *("name", "version", "authors", "edition", "rust-version", "description", "documentation"),
    *("readme", "homepage", "repository", "license", "license-file", "keywords", "categories"),
    *("include", "exclude", "publish", "metadata", "default-run"),
)
_CARGO_WORKSPACE = ("members", "exclude", "default-members", "lints", "package", "metadata")


def _cargo(old_text: str, new_text: str) -> Found:
    old, new = _toml(old_text), _toml(new_text)
    free = (*_CARGO_FREE, "package", "workspace")
    yield from _sorted_out(old, new, free=free, dependencies=_CARGO_DEPENDENCIES)
    yield from _sorted_out(_table(old, "package"), _table(new, "package"), free=_CARGO_PACKAGE)
    before, after = _table(old, "workspace"), _table(new, "workspace")
    yield from _sorted_out(before, after, free=_CARGO_WORKSPACE, dependencies=("dependencies",))


# --- lines -------------------------------------------------------------------------------------

_GO_DEPENDENCY = re.compile(r"(?:require\s+)?\S+\s+v\S+(?:\s*//.*)?|require\s*\(|\)|go\s+[\d.]+")
_GO_PLAIN = re.compile(r"//.*|module\s+\S+")


def _compare_lines(
    old: str, new: str, classify: Callable[[str], PathClass | None]
) -> Iterator[PathClass]:
    """Yield each class whose lines, in their order, are not the same in both texts."""
    sides = [[(classify(line), line) for line in _lines(text)] for text in (old, new)]
    for wanted in (_TOOL, _DEPENDENCIES):
        before, after = ([line for kind, line in side if kind is wanted] for side in sides)
        if before != after:
            yield wanted


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _go_mod(old: str, new: str) -> Found:
    return _compare_lines(old, new, _classify_go_line)


def _classify_go_line(line: str) -> PathClass | None:
    if _GO_PLAIN.fullmatch(line):
        return None
    return _DEPENDENCIES if _GO_DEPENDENCY.fullmatch(line) else _TOOL


def _requirements(old: str, new: str) -> Found:
    return _compare_lines(old, new, _classify_requirement)


def _classify_requirement(line: str) -> PathClass | None:
    if line.startswith("#"):
        return None
    return _TOOL if line.startswith("-") and not line.startswith("--hash") else _DEPENDENCIES


_PLAIN_ATTRIBUTE = re.compile(
    r"[-!]?(?:text|binary|linguist-[\w-]+|export-ignore|whitespace|eol)"
    r"|(?:text=auto|eol=(?:lf|crlf)|linguist-[\w-]+=[\w-]+|whitespace=[\w,=-]+)"
)


def _attributes(old: str, new: str) -> Found:
    return _compare_lines(old, new, _classify_attributes)


def _classify_attributes(line: str) -> PathClass | None:
    words = line.split()
    is_macro_or_quoted = line.startswith(("[", '"'))
    is_plain = not is_macro_or_quoted and all(map(_PLAIN_ATTRIBUTE.fullmatch, words[1:]))
    return None if is_plain or line.startswith("#") else _TOOL


def _prettier(old: str, new: str) -> Found:
    if "plugin" in old + new or "\\" in old + new:
        yield _TOOL


# --- setup.cfg ---------------------------------------------------------------------------------

_PLAIN_SECTIONS = ("metadata", "flake8", "pycodestyle", "pydocstyle", "isort", "codespell", "yapf")


def _setup_cfg(old_text: str, new_text: str) -> Found:
    old, new = _sections(old_text), _sections(new_text)
    free = (*_PLAIN_SECTIONS, "options")
    yield from _sorted_out(old, new, free=free, dependencies=("options.extras_require",))
    options_old, options_new = old.get("options", {}), new.get("options", {})
    yield from _sorted_out(options_old, options_new, dependencies=("install_requires",))


def _sections(text: str) -> dict[str, dict[str, str]]:
    parser = configparser.RawConfigParser()
    parser.read_string(text)
    return {name: dict(parser.items(name)) for name in (*parser.sections(), "DEFAULT")}


_JUDGES: Mapping[str, Callable[[str, str], Found]] = {
    "pyproject.toml": _pyproject,
    "package.json": _package,
    "composer.json": _package,
    "cargo.toml": _cargo,
    "go.mod": _go_mod,
    "setup.cfg": _setup_cfg,
    ".gitattributes": _attributes,
}

"""Detects the check and the setup command of a repository that names none.

All commands are built from constants of this module: no text of a file becomes part of one.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

MAX_BYTES = 256 * 1024
LONGEST_LINE = 2000  # of TOML: parsing a key of n dots takes quadratic time
MAKEFILES = ("GNUmakefile", "makefile", "Makefile")  # in make's order of search
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "requirements-test.txt")
EXTRAS = ("dev", "test", "tests")
FILES = (
    *MAKEFILES,
    *("pyproject.toml", "pytest.ini", "setup.cfg", "tox.ini"),
    *("package.json", ".gitignore", "Cargo.toml"),
)

_OWN_VENV = "python3 -m venv .venv && echo '*' > .venv/.gitignore"
_VENV = "python3 -m venv --system-site-packages .venv && echo '*' > .venv/.gitignore"
_TEST_FILE = re.compile(r"tests?/(?:[^/]+/)*(?:test_[^/]+|[^/]+_test)\.py")
_UNREADABLE = "\0"
_NO_TEST = "no test specified"
_NODE_LOCKS = {
    "package-lock.json",
    "npm-shrinkwrap.json",
    "pnpm-lock.yaml",
    "yarn.lock",
    "bun.lock",
}
_WORD = re.compile(r"[\w.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCommand:
    """A detected command and the reason for it, for people to read."""

    command: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedCommands:
    """The detected check and setup; None where none was found."""

    check: FoundCommand | None = None
    setup: FoundCommand | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """The tree of a commit, with the texts of the files that detection reads.

    `project` and `package` are pyproject.toml and package.json, None where they cannot be parsed.
    """

    paths: frozenset[str]
    texts: Mapping[str, str]
    project: object
    package: object
    has_setup: bool
    has_uv: bool

    def text(self, name: str) -> str:
        return self.texts.get(name, "")

    def ignores(self, word: str) -> bool:
        """Return whether .gitignore contains the word."""
        return word in self.text(".gitignore")


_Finder = Callable[[_Tree], FoundCommand | None]


def detect_commands(
    paths: Iterable[str],
    files: Mapping[str, bytes],
    *,
    check: str = "",
    has_setup: bool = False,
    has_uv: bool = True,
) -> DetectedCommands:
    """Return the check and the setup that the files of a commit suggest. Never raises.

    `paths` are all paths of the commit, `files` the contents of those of FILES that it has. With a
    `check` from the user, only a setup is looked for: one of a tool that the check names.
    `has_setup` means that the user gave a setup or said that there is none, `has_uv` that uv is on
    PATH.
    """
    texts = {name: _decode(data) for name, data in files.items()}
    tree = _Tree(
        paths=frozenset(paths),
        texts=texts,
        project=_load_toml(texts.get("pyproject.toml", "")),
        package=_load_json(texts.get("package.json", "")),
        has_setup=has_setup,
        has_uv=has_uv,
    )
    found, finder = (None, None) if check else _choose(tree, tuple(_SETUPS_OF))
    finders = _SETUPS_OF[finder] if finder else _setups_for(check)
    setup = None if has_setup else _choose(tree, finders)[0]
    return DetectedCommands(check=found, setup=setup)


def _setups_for(check: str) -> tuple[_Finder, ...]:
    """Return the setups of the tools that the user's check names."""
    words = set(_WORD.findall(check))
    named = [finders for word, finders in _SETUPS_NAMED.items() if word in words]
    return tuple(dict.fromkeys(chain.from_iterable(named)))


def _choose(tree: _Tree, finders: Sequence[_Finder]) -> tuple[FoundCommand | None, _Finder | None]:
    """Return the first command found and its finder; its reason names the other commands."""
    pairs = [(found, finder) for finder in finders if (found := finder(tree))]
    if not pairs:
        return None, None
    first, finder = pairs[0]
    others = ", ".join(f"`{found.command}`" for found, _ in pairs[1:])
    reason = f"{first.reason}; also seen: {others}" if others else first.reason
    return FoundCommand(command=first.command, reason=reason), finder


# --- files -------------------------------------------------------------------------------------


def _decode(data: bytes) -> str:
    """Return the text, or one that no parser takes if the file is too large or not UTF-8."""
    try:
        return data.decode() if len(data) <= MAX_BYTES else _UNREADABLE
    except UnicodeDecodeError:
        return _UNREADABLE


def _load_toml(text: str) -> object:
    if max(map(len, text.splitlines()), default=0) > LONGEST_LINE:
        return None
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError):
        return None


def _load_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _look_up(value: object, *keys: str) -> object:
    """Return the value at the keys of nested tables, None if there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


# --- checks ------------------------------------------------------------------------------------


def _make_test(tree: _Tree) -> FoundCommand | None:
    name = next((name for name in MAKEFILES if name in tree.paths), "")
    lines = tree.text(name).replace("\\\n", " ").splitlines()
    if not any(map(_is_rule_of_test, lines)):
        return None
    return FoundCommand(command="make test", reason=f"the {name} has a target test")


def _is_rule_of_test(line: str) -> bool:
    targets, colon, rest = line.partition(":")
    is_rule = bool(colon) and not line.startswith(("\t", "#")) and "=" not in targets
    return is_rule and not rest.lstrip(":").startswith("=") and "test" in targets.split()


def _pytest(tree: _Tree) -> FoundCommand | None:
    reason = _why_pytest(tree)
    if not reason:
        return None
    if _uses_uv(tree) and (tree.has_uv or tree.has_setup):
        python = "uv run python"
    else:
        makes_own = not tree.has_setup and (_uses_uv(tree) or _pip(tree))
        python = ".venv/bin/python" if makes_own else "python3"
    return FoundCommand(command=f"{python} -m pytest -q", reason=reason)


def _why_pytest(tree: _Tree) -> str:
    if "pytest.ini" in tree.paths:
        return "pytest.ini"
    if isinstance(_look_up(tree.project, "tool", "pytest"), dict):
        return "pyproject.toml configures pytest"
    for name, section in (("setup.cfg", "[tool:pytest]"), ("tox.ini", "[pytest]")):
        if section in map(str.strip, tree.text(name).splitlines()):
            return f"{name} configures pytest"
    has_tests = any(map(_TEST_FILE.fullmatch, tree.paths))
    return "there are Python files of tests" if has_tests else ""


def _npm_test(tree: _Tree) -> FoundCommand | None:
    script = _look_up(tree.package, "scripts", "test")
    if not isinstance(script, str) or not script.strip() or _NO_TEST in script:
        return None
    return FoundCommand(command="npm test", reason="package.json has a script test")


def _cargo_test(tree: _Tree) -> FoundCommand | None:
    """Return `cargo test`, of all members where the root package would be tested alone."""
    cargo = _load_toml(tree.text("Cargo.toml"))
    if not isinstance(cargo, dict):
        return None
    if isinstance(_look_up(cargo, "workspace"), dict):
        return FoundCommand(command="cargo test --workspace", reason="Cargo.toml has a workspace")
    return _by_file(tree, "Cargo.toml", command="cargo test")


def _go_test(tree: _Tree) -> FoundCommand | None:
    return _by_file(tree, "go.mod", command="go test ./...")


def _by_file(tree: _Tree, name: str, *, command: str) -> FoundCommand | None:
    return FoundCommand(command=command, reason=name) if name in tree.paths else None


# --- setups ------------------------------------------------------------------------------------


def _uses_uv(tree: _Tree) -> bool:
    return {"uv.lock", "pyproject.toml"} <= tree.paths


def _uv(tree: _Tree) -> FoundCommand | None:
    return FoundCommand(command="uv sync", reason="uv.lock") if _uses_uv(tree) else None


def _uv_or_pip(tree: _Tree) -> FoundCommand | None:
    """Return the setup with uv, which pip installs into the environment if it is not on PATH."""
    if tree.has_uv or not _uses_uv(tree):
        return _uv(tree)
    install = f"{_OWN_VENV} && .venv/bin/python -m pip install --quiet uv"
    command = f"{install} && .venv/bin/uv sync --inexact"  # an exact one would remove uv
    return FoundCommand(command=command, reason="uv.lock, and uv is not on PATH")


def _pip(tree: _Tree) -> FoundCommand | None:
    """Return the setup of a virtual environment that also sees the system's packages.

    Without a network those packages may suffice.
    """
    lists = [name for name in REQUIREMENTS if name in tree.paths]
    words = [f"-r {name}" for name in lists]
    if _is_package(tree):
        extras = _look_up(tree.project, "project", "optional-dependencies")
        wanted = [name for name in EXTRAS if isinstance(extras, dict) and name in extras]
        words.append(f"-e '.[{','.join(wanted)}]'" if wanted else "-e .")
        lists.append("pyproject.toml")
    if not words:
        return None
    install = f".venv/bin/python -m pip install --quiet pytest {' '.join(words)}"
    return FoundCommand(command=f"{_VENV} && {install}", reason=", ".join(lists))


def _is_package(tree: _Tree) -> bool:
    """Return whether pip can install the tree without leaving files that git would add."""
    names = ("project", "build-system")
    has_table = any(isinstance(_look_up(tree.project, name), dict) for name in names)
    backend = _look_up(tree.project, "build-system", "build-backend")
    leaves_files = not isinstance(backend, str) or backend.startswith("setuptools")
    return has_table and (tree.ignores("egg-info") or not leaves_files)


def _npm(tree: _Tree) -> FoundCommand | None:
    return _node(tree, "package-lock.json", command="npm ci")


def _pnpm(tree: _Tree) -> FoundCommand | None:
    return _node(tree, "pnpm-lock.yaml", command="pnpm install --frozen-lockfile")


def _npm_without_lock(tree: _Tree) -> FoundCommand | None:
    """Return `npm install` where there are dependencies and no lock file of any kind."""
    wanted = [_look_up(tree.package, key) for key in ("dependencies", "devDependencies")]
    is_fit = any(isinstance(one, dict) and one for one in wanted) and tree.ignores("node_modules")
    if not is_fit or tree.paths & _NODE_LOCKS:
        return None
    command = "npm install --no-package-lock --no-audit --no-fund"
    return FoundCommand(command=command, reason="package.json has dependencies, and no lock file")


def _yarn(tree: _Tree) -> FoundCommand | None:
    return _node(tree, "yarn.lock", command="yarn install --immutable")


def _node(tree: _Tree, lock: str, *, command: str) -> FoundCommand | None:
    is_fit = "package.json" in tree.paths and tree.ignores("node_modules")
    return _by_file(tree, lock, command=command) if is_fit else None


def _cargo_fetch(tree: _Tree) -> FoundCommand | None:
    """Return `cargo fetch` if there is a lock file, which it would create otherwise."""
    is_fit = "Cargo.toml" in tree.paths
    return _by_file(tree, "Cargo.lock", command="cargo fetch") if is_fit else None


def _go_download(tree: _Tree) -> FoundCommand | None:
    """Return `go mod download` unless the tree has all modules in its vendor folder."""
    is_fit = "go.mod" in tree.paths and "vendor/modules.txt" not in tree.paths
    return _by_file(tree, "go.sum", command="go mod download") if is_fit else None


# Checks with the setups that can serve them, both in order of preference. `make test` gets no
# virtual environment, because the commands of a Makefile would not use it.
_SETUPS_OF: Mapping[_Finder, tuple[_Finder, ...]] = {
    _make_test: (_uv, _npm, _pnpm, _yarn, _npm_without_lock),
    _pytest: (_uv_or_pip, _pip),
    _npm_test: (_npm, _pnpm, _yarn, _npm_without_lock),
    _cargo_test: (_cargo_fetch,),
    _go_test: (_go_download,),
}

# Words in a check of the user with the setups that they allow. Scripts and `make test` are absent
# because they may do their own setup, `pytest` because it would not use a virtual environment.
_NODE = (_npm, _pnpm, _yarn, _npm_without_lock)
_SETUPS_NAMED: Mapping[str, tuple[_Finder, ...]] = {
    ".venv": (_uv_or_pip, _pip),
    "uv": (_uv,),
    **dict.fromkeys(("npm", "npx", "pnpm", "yarn"), _NODE),
    "cargo": (_cargo_fetch,),
    "go": (_go_download,),
}

"""Files that commands name, directly and through one step."""

from __future__ import annotations

import json

import pytest

from concertmaster.landing.named_files import find_named_files

FILES = {
    "check.sh": "python tools/a.py\n. ./lib.sh\n",
    "lib.sh": "python deep.py\n",
    "tools/a.py": "",
    "tools/run": "exec tools/b.py ./helper.py",
    "tools/b.py": "",
    "tools/helper.py": "",
    "deep.py": "",
    "tests/test_a.py": "",
    "Makefile": "SOURCES = src/a.c\ninclude mk/more.mk\ntest:\n\tbash check.sh\n",
    "mk/more.mk": "",
    "src/a.c": "",
    "package.json": json.dumps(
        {"scripts": {"test": "node tools/a.py", "lint": "node deep.py", "prepare": "sh lib.sh"}}
    ),
}
CASES = {
    "sh check.sh": {"check.sh", "tools/a.py", "lib.sh"},
    "./check.sh && pytest -q": {"check.sh", "tools/a.py", "lib.sh"},
    "tools/run": {"tools/run", "tools/b.py", "tools/helper.py"},
    "pytest tests/": set(),
    "pytest tests/test_a.py::test_x": {"tests/test_a.py"},
    "python tools/a.py --config=lib.sh": {"tools/a.py", "lib.sh", "deep.py"},
    "make test": {"Makefile", "mk/more.mk", "check.sh"},
    "npm test": {"package.json", "tools/a.py", "lib.sh"},
    "npm run lint": {"package.json", "deep.py", "lib.sh"},
    "cargo test": set(),
}


@pytest.mark.parametrize(("command", "named"), CASES.items())
def test_one_step_is_followed(command: str, named: set[str]) -> None:
    found = find_named_files(
        [command], [], paths=FILES.keys(), read=lambda path: FILES[path].encode()
    )

    assert found == named


def test_texts_name_files_and_are_not_followed() -> None:
    found = find_named_files([], ["check: 'sh check.sh'"], paths=FILES.keys(), read=lambda _: b"")

    assert found == {"check.sh"}


@pytest.mark.parametrize("package", ["[", "[]", '{"scripts": []}', '{"scripts": {"test": 1}}'])
def test_a_broken_package_names_nothing(package: str) -> None:
    found = find_named_files(
        ["npm test"], [], paths=["package.json"], read=lambda _: package.encode()
    )

    assert found == {"package.json"}

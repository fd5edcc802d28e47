"""Which repository and ref the workflows of a user name as the action."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from concertmaster.errors import UsageError
from concertmaster.settings import action_source
from concertmaster.settings.action_source import (
    CALLED,
    EXAMPLE_SOURCE,
    ActionSource,
    find_action_source,
    make_compatible,
)

ROOT = Path(__file__).parents[3]
COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Examples and documents name the source for readers; `init` replaces it in what it writes.
HELD = ("examples/", "docs/", ".github/ISSUE_TEMPLATE/config.yml", ".github/zizmor.yml", "tests/")


def installed(monkeypatch: pytest.MonkeyPatch, origin: Any) -> None:
    class Package:
        def read_text(self, name: str) -> str:
            assert name == "direct_url.json"
            return origin if isinstance(origin, str) else json.dumps(origin)

    monkeypatch.setattr(action_source, "distribution", lambda _: Package())


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("octo/music@v1", ("octo/music", "v1")),
        (f"octo-org/music.dev_2@{COMMIT}", ("octo-org/music.dev_2", COMMIT)),
        ("octo/music@release/1.2", ("octo/music", "release/1.2")),
    ],
)
def test_a_source_is_taken_as_given(given: str, found: tuple[str, str]) -> None:
    source = find_action_source(given)
    assert (source.repository, source.ref) == found


@pytest.mark.parametrize(
    "given",
    [
        *("octo/music", "music@v1", "octo/music@", "octo/music@v1 x", "octo/../x@v1", "a/b/c@v1"),
        *("ö/b@v1", "octo/music@v1\n- run: evil", "octo/music@${{ x }}", "o/m@../main"),
        "https://github.com/octo/music@v1",
    ],
)
def test_another_form_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="names no action"):
        find_action_source(given)


@pytest.mark.parametrize("url", ["git+https://github.com/o/m.git", "https://github.com/o/m"])
def test_a_package_from_a_repository_names_its_commit(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    installed(monkeypatch, {"url": url, "vcs_info": {"vcs": "git", "commit_id": COMMIT}})

    assert find_action_source("") == ActionSource(repository="o/m", ref=COMMIT)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "no json",
        [],
        {"url": "file:///src", "dir_info": {"editable": True}},
        {"url": "https://example.org/o/m", "vcs_info": {"commit_id": COMMIT}},
        {"url": "https://github.com/o/m", "vcs_info": {"commit_id": "main"}},
        {"url": "https://github.com/o/m/../x", "vcs_info": {"commit_id": COMMIT}},
    ],
)
def test_a_package_from_elsewhere_asks_for_the_source(
    monkeypatch: pytest.MonkeyPatch, origin: Any
) -> None:
    installed(monkeypatch, origin)

    with pytest.raises(UsageError) as error:
        find_action_source("")
    assert "--action OWNER/NAME@REF" in error.value.next_step


def test_an_example_names_the_source_alone() -> None:
    name, ref = EXAMPLE_SOURCE.repository, EXAMPLE_SOURCE.ref
    text = (
        f"uses: {name}/.github/workflows/x.yml@{ref}\n"
        f"uses: {name}@{ref} # see {name}\n"
        "uses: actions/checkout@v1\n"
    )
    assert ActionSource(repository="o/m", ref="v9").fill(text) == (
        "uses: o/m/.github/workflows/x.yml@v9\nuses: o/m@v9 # see o/m\nuses: actions/checkout@v1\n"
    )


NAME = f"{EXAMPLE_SOURCE.repository}"


@pytest.mark.parametrize(
    ("line", "compatible"),
    [
        ("cache-mode: none # why\n", ""),
        ("      queue: max\n", ""),
        ("      - uses: $/agents # the action\n", f"      - uses: {NAME}/agents@v1\n"),
        (
            f"    uses: {NAME}/.github/workflows/control.yml@v1\n",
            "    uses: ./.github/workflows/concertmaster-control.yml\n",
        ),
        (f"    uses: {NAME}/trusted@v1\n", f"    uses: {NAME}/trusted@v1\n"),
        ("# a cache-mode: none\n", "# a cache-mode: none\n"),
    ],
)
def test_a_line_that_older_servers_refuse_has_another_form(line: str, compatible: str) -> None:
    assert make_compatible(f"a: b\n{line}c: d\n") == f"a: b\n{compatible}c: d\n"


def test_no_example_and_no_called_workflow_keeps_such_a_line() -> None:
    called = [ROOT / ".github/workflows" / name for name in CALLED]
    for path in (*(ROOT / "examples").glob("*.yml"), *called):
        text = make_compatible(path.read_text())
        assert not [word for word in ("$/", "\ncache-mode", "queue:") if word in text], path
        assert set(re.findall(r"/\.github/(workflows/[\w-]+\.yml)\n", text)) <= {
            place.removeprefix(".github/") for place in CALLED.values()
        }


def test_no_other_place_of_the_source_names_an_owner() -> None:
    owner = EXAMPLE_SOURCE.repository.partition("/")[0]
    found = subprocess.run(
        ["git", "grep", "--name-only", "--fixed-strings", owner],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    others = [name for name in found if not name.startswith(HELD)]
    assert others == ["src/concertmaster/settings/action_source.py"]

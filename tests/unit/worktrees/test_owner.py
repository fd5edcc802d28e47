"""The record of an attempt lies where an agent can write, so anything may be in its place."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from concertmaster.worktrees.owner import (
    OWNER_FILE,
    AttemptOwner,
    discard_attempt,
    list_attempts,
    read_owner,
)

RECORD: dict[str, Any] = {
    "repository": "/runs/r-1/repository.git",
    "run": "r-1",
    "task": "a-3f2a",
    "attempt": 1,
    "branch": "concertmaster/r-1/a-3f2a",
    "uid": 0,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "cache" / "a-3f2a-1-abcdefgh"
    found.mkdir(parents=True)
    return found


def test_a_whole_record_is_read(folder: Path) -> None:
    (folder / OWNER_FILE).write_text(json.dumps(RECORD))

    assert read_owner(folder) == AttemptOwner(**RECORD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{",
        "[" * 50_000,
        json.dumps({**RECORD, "attempt": float("inf")}),
        json.dumps({**RECORD, "attempt": -1}),
        json.dumps({**RECORD, "attempt": "1"}),
        json.dumps({**RECORD, "uid": 1.5}),
        json.dumps({**RECORD, "repository": 1}),
        json.dumps({**RECORD, "repository": "runs/repository.git"}),
        json.dumps({**RECORD, "repository": "/runs/\0"}),
        json.dumps({**RECORD, "run": "a/b"}),
        json.dumps({**RECORD, "run": ".."}),
        json.dumps({**RECORD, "run": ""}),
        json.dumps({**RECORD, "run": 3}),
        json.dumps({"run": "r-1"}),
    ],
)
def test_any_other_record_is_none_and_its_folder_can_be_removed(folder: Path, text: str) -> None:
    (folder / OWNER_FILE).write_text(text)

    assert read_owner(folder) is None
    assert list_attempts(folder.parent) == {}
    discard_attempt(folder)
    assert not folder.exists()

"""Files are added to a user's folder all together or not at all, and never over another."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.files.add_files import add_files, check_folder
from tests.commandline import fingerprint

FILES = {"a.md": b"a\n", "b.md": b"b\n", "c.md": b"c\n"}


def test_files_are_added_to_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "own.md").write_text("own\n")

    add_files(tmp_path, FILES)

    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {**FILES, "own.md": b"own\n"}


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    add_files(tmp_path / "x" / "y", FILES)
    assert {path.name for path in (tmp_path / "x" / "y").iterdir()} == {*FILES}


@pytest.mark.parametrize("kind", ["file", "folder", "link", "dangling link"])
def test_nothing_is_added_where_one_of_the_names_is_taken(tmp_path: Path, kind: str) -> None:
    taken, other = tmp_path / "b.md", tmp_path / "other"
    other.write_text("other\n")
    match kind:
        case "file":
            taken.write_text("own\n")
        case "folder":
            taken.mkdir()
        case "link":
            taken.symlink_to(other)
        case _:
            taken.symlink_to(tmp_path / "nowhere")
    before = fingerprint(tmp_path)

    with pytest.raises(UsageError, match=r"b\.md exists already"):
        add_files(tmp_path, FILES)

    assert fingerprint(tmp_path) == before


def test_nothing_stays_where_a_name_is_taken_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_meanwhile(source: Path, target: Path) -> None:
        if target.name == "b.md":
            target.write_text("somebody else's\n")
        link(source, target)

    link = os.link
    monkeypatch.setattr(os, "link", taken_meanwhile)

    with pytest.raises(UsageError, match=r"b\.md exists already"):
        add_files(tmp_path / "new", FILES)

    found = {path.name: path.read_text() for path in (tmp_path / "new").iterdir()}
    assert found == {"b.md": "somebody else's\n"}


def test_nothing_stays_where_the_disk_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: Path, target: Path) -> None:
        if target.name == "c.md":
            raise OSError(28, "No space left on device", str(target))
        link(source, target)

    link = os.link
    monkeypatch.setattr(os, "link", refuse)

    with pytest.raises(EnvironmentFault) as caught:
        add_files(tmp_path / "x" / "y", FILES)

    assert "No space left" in caught.value.why
    assert [*tmp_path.iterdir()] == []


def test_an_interrupt_in_the_middle_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(source: Path, target: Path) -> None:
        if target.name == "c.md":
            raise KeyboardInterrupt
        link(source, target)

    link = os.link
    monkeypatch.setattr(os, "link", interrupt)

    with pytest.raises(KeyboardInterrupt):
        add_files(tmp_path / "new", FILES)

    assert [*tmp_path.iterdir()] == []


def test_a_place_where_no_folder_can_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")

    check_folder(tmp_path)
    check_folder(tmp_path / "new" / "newer")
    for name in ("file", "file/below", "link"):
        with pytest.raises(UsageError, match="cannot go to"):
            check_folder(tmp_path / name)

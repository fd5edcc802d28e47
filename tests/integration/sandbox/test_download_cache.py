"""Download caches are copied between homes, without secrets, links out or shared files."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.sandbox import download_cache
from concertmaster.sandbox.download_cache import CACHES, hand_out, keep
from concertmaster.sandbox.users import Account
from tests.isolation import needs_root

UID = 80_000


def make_home(folder: Path, **files: str) -> Path:
    """Make a home with these files in its pip cache."""
    home = folder / "home"
    write(home, {f".cache/pip/{name}": text for name, text in files.items()})
    return home


def write(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def names(folder: Path) -> set[str]:
    """Return the relative paths of all entries except folders."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }


def share(folder: Path, home: Path) -> Path:
    """Copy the caches of the home into another home by way of `kept`; return that home."""
    assert keep(home, folder / "kept") == ""
    other = folder / "other"
    other.mkdir()
    assert hand_out(folder / "kept", other, account=None) == ""
    return other


def test_every_known_cache_comes_into_the_other_home_and_nothing_else_does(tmp_path: Path) -> None:
    home = make_home(tmp_path)
    write(home, {f"{cache}/a/b": cache for cache in CACHES})
    secrets = (".cargo/credentials.toml", ".npmrc", ".npm/_logs/log", ".cache/other/x", ".ssh/id")
    write(home, dict.fromkeys(secrets, "secret"))
    other = share(tmp_path, home)
    assert names(other) == {f"{cache}/a/b" for cache in CACHES}
    assert {(other / cache / "a" / "b").read_text() for cache in CACHES} == {*CACHES}


def test_a_home_without_caches_is_no_fault(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    assert names(share(tmp_path, home)) == set()
    assert hand_out(tmp_path / "nothing", home, account=None) == ""


def test_a_copy_has_the_time_and_the_rights_of_the_owner_but_no_more(tmp_path: Path) -> None:
    home = make_home(tmp_path, program="#!/bin/sh", fixed="1")
    program, fixed = (home / ".cache/pip" / name for name in ("program", "fixed"))
    program.chmod(0o6777)
    fixed.chmod(0o444)
    os.utime(program, (1_700_000_000, 1_700_000_000))
    copied = share(tmp_path, home) / ".cache/pip"
    modes = [stat.S_IMODE((copied / name).stat().st_mode) for name in ("program", "fixed")]
    assert modes == [0o700, 0o400]
    assert (copied / "program").stat().st_mtime == 1_700_000_000


def test_what_is_kept_is_closed_to_others(tmp_path: Path) -> None:
    home = make_home(tmp_path, a="1")
    for path in (home, *home.rglob("*")):
        path.chmod(0o777)
    keep(home, tmp_path / "kept")
    kept = [tmp_path / "kept", *(tmp_path / "kept").rglob("*")]
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in kept} == {0}


def test_a_home_that_changes_its_copy_changes_no_other(tmp_path: Path) -> None:
    home = make_home(tmp_path, a="good")
    (home / ".cache/pip/b").hardlink_to(home / ".cache/pip/a")
    other = share(tmp_path, home)
    for name in ("a", "b"):
        copied = other / ".cache/pip" / name
        assert copied.stat().st_nlink == 1
        copied.write_text("evil")
    again = tmp_path / "again"
    again.mkdir()
    hand_out(tmp_path / "kept", again, account=None)
    texts = {top: (top / ".cache/pip/a").read_text() for top in (home, tmp_path / "kept", again)}
    assert set(texts.values()) == {"good"}


def test_links_within_a_cache_stay_and_lead_to_the_copy(tmp_path: Path) -> None:
    home = make_home(tmp_path, file="1")
    cache = home / ".cache/pip"
    (cache / "deep").mkdir()
    links = {"near": "file", "whole": str(cache), "deep/far": str(cache / "file"), "chain": "near"}
    for name, target in links.items():
        (cache / name).symlink_to(target)
    copied = share(tmp_path, home) / ".cache/pip"
    found = {name: (copied / name).resolve() for name in links}
    assert found == {name: copied if name == "whole" else copied / "file" for name in links}


@pytest.mark.parametrize(
    "target",
    ["/etc/shadow", "/", "..", "../..", "../../.ssh/id", "../uv/a", "sub/out/../../x", "out/x"],
)
def test_links_that_leave_their_cache_are_left_out(tmp_path: Path, target: str) -> None:
    home = make_home(tmp_path, file="1")
    write(home, {".ssh/id": "secret", ".cache/uv/a": "1", ".cache/pip/sub/a": "1"})
    (home / ".cache/pip/sub/out").symlink_to("/etc")
    (home / ".cache/pip/out").symlink_to(tmp_path)
    (home / ".cache/pip/link").symlink_to(target)
    assert names(share(tmp_path, home)) == {".cache/pip/file", ".cache/pip/sub/a", ".cache/uv/a"}


@pytest.mark.parametrize("place", [".cache", ".cache/pip"])
def test_a_cache_that_is_itself_a_link_is_left_out(tmp_path: Path, place: str) -> None:
    write(tmp_path / "elsewhere", {"file": "secret", "pip/file": "secret"})
    home = make_home(tmp_path)
    (home / place).parent.mkdir(parents=True)
    (home / place).symlink_to(tmp_path / "elsewhere")
    assert names(share(tmp_path, home)) == set()


def test_a_home_that_is_itself_a_link_is_left_out(tmp_path: Path) -> None:
    real = make_home(tmp_path, file="secret")
    (tmp_path / "link").symlink_to(real)
    assert keep(tmp_path / "link", tmp_path / "kept") == ""
    assert names(tmp_path / "kept") == set()


def test_pipes_sockets_and_devices_are_left_out(tmp_path: Path) -> None:
    home = make_home(tmp_path, file="1")
    os.mkfifo(home / ".cache/pip/pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(home / ".cache/pip/socket"))
    assert names(share(tmp_path, home)) == {".cache/pip/file"}


@needs_root
def test_what_is_another_users_is_left_out(tmp_path: Path) -> None:
    home = make_home(tmp_path, own="1", foreign="secret")
    for path in (home, *home.rglob("own")):
        os.chown(path, UID, UID)
    assert names(share(tmp_path, home)) == {".cache/pip/own"}


@needs_root
def test_a_copy_belongs_to_the_account_of_its_home(tmp_path: Path) -> None:
    keep(make_home(tmp_path, file="1"), tmp_path / "kept")
    home = tmp_path / "new"
    home.mkdir()
    assert hand_out(tmp_path / "kept", home, account=Account(uid=UID)) == ""
    assert {path.lstat().st_uid for path in (home, *home.rglob("*"))} == {UID}
    assert {path.lstat().st_uid for path in (tmp_path / "kept").rglob("*")} == {0}


@pytest.mark.parametrize(("limit", "value"), [("MOST_BYTES", 9), ("MOST_ENTRIES", 1)])
def test_of_too_much_nothing_is_kept_and_a_note_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    monkeypatch.setattr(download_cache, limit, value)
    home = make_home(tmp_path, a="12345", b="67890")
    assert "download caches are not shared: there is more than" in keep(home, tmp_path / "kept")
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


def test_a_file_that_only_says_it_is_huge_costs_nothing(tmp_path: Path) -> None:
    home = make_home(tmp_path, small="1")
    with (home / ".cache/pip/sparse").open("wb") as file:
        file.truncate(1 << 42)
    assert "more than 2048 MiB" in keep(home, tmp_path / "kept")


def test_where_copying_fails_the_home_is_empty_and_a_note_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(make_home(tmp_path, a="1", b="2"), tmp_path / "kept")
    home = tmp_path / "new"
    home.mkdir()
    monkeypatch.setattr(download_cache, "MOST_ENTRIES", 1)
    note = hand_out(tmp_path / "kept", home, account=None)
    assert note.startswith("its download caches are empty: there is more than")
    assert [*home.iterdir()] == []


def test_what_is_kept_stays_and_half_of_it_never_counts(tmp_path: Path) -> None:
    home = make_home(tmp_path, a="first")
    write(tmp_path / "kept.new", {".cache/pip/half": ""})  # left by a killed process
    keep(home, tmp_path / "kept")
    write(home, {".cache/pip/a": "second"})
    keep(home, tmp_path / "kept")
    assert names(tmp_path / "kept") == {".cache/pip/a"}
    assert (tmp_path / "kept/.cache/pip/a").read_text() == "first"
    assert not (tmp_path / "kept.new").exists()


def test_folders_in_folders_are_followed_only_as_far_as_caches_go(tmp_path: Path) -> None:
    deepest = "d/" * download_cache.DEEPEST
    home = make_home(tmp_path, **{"file": "1", f"{deepest}in": "1", f"{deepest}d/out": "1"})
    assert names(share(tmp_path, home)) == {".cache/pip/file", f".cache/pip/{deepest}in"}


NAME = st.sampled_from(["a", "b", "c"])
PLACE = st.lists(NAME, min_size=1, max_size=3).map("/".join)
TARGET = st.lists(st.sampled_from(["a", "b", "..", "."]), min_size=1, max_size=5).map("/".join)


@given(entries=st.dictionaries(PLACE, st.none() | TARGET | TARGET.map("/".__add__), max_size=8))
def test_no_tangle_of_links_leads_out_of_the_copy(entries: dict[str, str | None]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        top = Path(scratch)
        cache = top / "home" / CACHES[0]
        cache.mkdir(parents=True)
        for name, target in entries.items():
            try:
                (cache / name).parent.mkdir(parents=True, exist_ok=True)
                if target is None:
                    (cache / name).write_text(name)
                else:
                    (cache / name).symlink_to(target)
            except OSError:
                continue  # another entry is in the way
        other = share(top, top / "home")
        for folder in (top / "kept", other):
            for path in folder.rglob("*"):
                if path.is_symlink() or not path.is_dir():
                    assert Path(os.path.realpath(path)).is_relative_to(folder / CACHES[0])

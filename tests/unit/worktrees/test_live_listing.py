"""Tests that a look at a worktree sees what its attempt changes, and nothing outside."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.worktrees import live_listing
from concertmaster.worktrees.live_listing import LiveListing

KNOWN = {"src", "src/inner", "docs"}


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "top"
    for name in ("src/inner", "docs", "node_modules/lib", "left", ".git"):
        (folder / name).mkdir(parents=True)
    for name in ("src/a", "src/inner/b", "docs/c", "node_modules/lib/d", "left/e", ".git/f"):
        (folder / name).write_text("old")
    return folder


def look(top: Path, before: LiveListing | None = None) -> LiveListing:
    return LiveListing.see(top, known=KNOWN, before=before)


def write(place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text("new and longer")


def swap_for_link(top: Path) -> None:
    shutil.rmtree(top / "src/inner")
    (top / "src/inner").symlink_to(top / "docs")


CHANGES: dict[str, tuple[Callable[[Path], object], set[str]]] = {
    "nothing": (lambda top: None, set()),
    "only read": (lambda top: (top / "src/a").read_text(), set()),
    "changed": (lambda top: write(top / "src/a"), {"src/a"}),
    "new": (lambda top: write(top / "src/n"), {"src/n"}),
    "new at the top": (lambda top: write(top / "n"), {"n"}),
    "new in a new folder": (lambda top: write(top / "more/sub/n"), {"more/sub/n"}),
    "gone": (lambda top: (top / "src/a").unlink(), {"src/a"}),
    "renamed": (lambda top: (top / "src/a").rename(top / "src/z"), {"src/a", "src/z"}),
    "a folder is gone": (lambda top: shutil.rmtree(top / "src"), {"src/a", "src/inner/b"}),
    "what setup left": (lambda top: write(top / "left/e"), set()),
    "packages": (lambda top: write(top / "node_modules/lib/d"), set()),
    "new packages": (lambda top: write(top / "docs/node_modules/x/y"), set()),
    "its repository": (lambda top: write(top / ".git/f"), set()),
    "a link in the place of a folder": (swap_for_link, {"src/inner", "src/inner/b"}),
    "a pipe": (lambda top: os.mkfifo(top / "src/pipe"), {"src/pipe"}),
    "a link to itself": (lambda top: (top / "src/loop").symlink_to("loop"), {"src/loop"}),
    "the whole worktree": (shutil.rmtree, set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_look_sees_what_has_changed(top: Path, name: str) -> None:
    change, expected = CHANGES[name]
    before = look(top)
    change(top)

    assert look(top, before).changes_since(before) == expected


def test_a_link_in_the_place_of_the_worktree_is_not_followed(top: Path, tmp_path: Path) -> None:
    before = look(top)
    top.rename(tmp_path / "moved")
    top.symlink_to(tmp_path / "moved")

    assert not look(top, before).entries


def test_folders_deep_inside_each_other_end_the_look_and_no_descriptor_stays(top: Path) -> None:
    before = look(top)
    place = top
    for _ in range(live_listing.DEEPEST + 5):
        place /= "d"
    write(place / "n")
    open_before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0  # noqa: PTH112, PTH208
    seen = look(top, before)

    assert not seen.changes_since(before)
    if open_before:
        assert len(os.listdir("/proc/self/fd")) == open_before  # noqa: PTH208


@pytest.mark.parametrize(("name", "limit"), [("MOST_ENTRIES", 3), ("MOST_SECONDS", -1.0)])
def test_nothing_counts_as_gone_when_a_limit_ends_the_look(
    top: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: float
) -> None:
    before = look(top)
    monkeypatch.setattr(live_listing, name, limit)
    (top / "src/a").unlink()
    seen = look(top, before)

    assert not seen.is_whole
    assert not seen.changes_since(before)

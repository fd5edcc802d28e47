"""The folder of attempts lies where tools behave as they do in the checkout."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.errors import UsageError
from concertmaster.worktrees import place as places
from concertmaster.worktrees.place import choose_place, close_place, open_place


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout below a folder that has no configuration, whatever lies above `tmp_path`."""
    found_above = places._configuration_above

    def below_tmp_path(folder: Path) -> Iterator[Path]:
        return (one for one in found_above(folder) if one.is_relative_to(tmp_path))

    monkeypatch.setattr(places, "_configuration_above", below_tmp_path)
    monkeypatch.setattr(places, "_SHARED", (str(tmp_path / "shared"),))
    monkeypatch.setattr(places, "LONGEST", len(str(tmp_path)) + 40)
    found = tmp_path / "src" / "shop"
    found.mkdir(parents=True)
    (tmp_path / "shared").mkdir()
    return found


def choose(root: Path, wanted: str = "") -> tuple[str, str]:
    """Return the chosen folder relative to the temporary one, and the reason."""
    top = root.parents[1]
    found = choose_place(root, root.name, wanted=wanted, home=top / "home", cache=top / ".cache")
    return str(found.folder.relative_to(top)), found.reason


def test_attempts_lie_beside_the_checkout(root: Path) -> None:
    assert choose(root) == ("src/shop.attempts", "beside the checkout")


@pytest.mark.parametrize(
    "name", ["conftest.py", "package.json", "node_modules", "go.work", ".git", ".eslintrc.json"]
)
def test_what_a_test_runner_would_find_above_sends_them_elsewhere(root: Path, name: str) -> None:
    (root.parent / name).mkdir()
    if name == ".git":
        assert choose(root)[0] == "src/shop.attempts"
        (root.parent / name / "HEAD").touch()
    folder, reason = choose(root)
    assert folder.startswith("shared/concertmaster-")
    assert reason == f"not beside the checkout: a check there would find {root.parent / name}"


def test_a_dot_folder_or_a_long_path_sends_them_elsewhere(root: Path) -> None:
    for name, told in ((".hidden", "dot folder (.hidden)"), ("x" * 60, "is a long path")):
        other = root.parent / name / "shop"
        other.mkdir(parents=True)
        found = choose_place(other, "shop", home=root, cache=root)
        assert str(found.folder).endswith("/shop.attempts")
        assert told in found.reason


def test_files_of_somebody_else_are_left_alone(root: Path) -> None:
    (root.parent / "shop.attempts").mkdir()
    assert choose(root)[0] == "src/shop.attempts"
    (root.parent / "shop.attempts" / "theirs.txt").touch()
    assert "holds other files" in choose(root)[1]


def test_a_shared_folder_that_others_can_write_to_is_not_used(root: Path) -> None:
    (root.parent / "go.mod").touch()
    private = root.parents[1] / choose(root)[0]
    private.parent.mkdir(mode=0o700)
    private.parent.chmod(0o777)
    assert choose(root)[0] == ".cache"


@pytest.mark.parametrize(
    ("wanted", "folder"),
    [
        ("../other", "src/other/shop.attempts"),
        ("~", "home/shop.attempts"),
        ("~/work", "home/work/shop.attempts"),
    ],
)
def test_the_setting_decides(root: Path, wanted: str, folder: str) -> None:
    assert choose(root, wanted) == (folder, "set by `worktrees`")


@pytest.mark.parametrize("wanted", ["inside", ".", "../theirs"])
def test_a_setting_that_cannot_work_is_refused(root: Path, wanted: str) -> None:
    theirs = root.parent / "theirs" / "shop.attempts"
    theirs.mkdir(parents=True)
    (theirs / "photo.jpg").touch()
    with pytest.raises(UsageError, match="is no place for attempts"):
        choose(root, wanted)


def test_an_empty_folder_of_ours_goes_and_any_other_stays(root: Path) -> None:
    place = root.parent / "shop.attempts"
    open_place(place)
    assert choose(root)[1] == "beside the checkout"
    (place / "task-1-abcdefgh").mkdir()
    close_place(place)
    assert place.exists()
    (place / "task-1-abcdefgh").rmdir()
    close_place(place)
    assert not place.exists()

"""Files and folders are closed to others while attempts run, and reopened afterwards."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.sandbox import permissions
from tests.isolation import make_open_folder

tmp_path = pytest.fixture(make_open_folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def make(path: Path, mode: int, *, folder: bool = False) -> Path:
    path.mkdir() if folder else path.write_text("text")
    path.chmod(mode)
    return path


def test_others_lose_all_rights_and_get_them_back(tmp_path: Path) -> None:
    file, folder = make(tmp_path / "a", 0o666), make(tmp_path / "b", 0o755, folder=True)
    with permissions.closed([file, folder], passages=[]):
        assert (mode(file), mode(folder)) == (0o660, 0o750)
    assert (mode(file), mode(folder)) == (0o666, 0o755)


def test_they_come_back_after_an_error_too(tmp_path: Path) -> None:
    file = make(tmp_path / "a", 0o644)
    with pytest.raises(ZeroDivisionError), permissions.closed([file], passages=[]):
        raise ZeroDivisionError
    assert mode(file) == 0o644


def test_a_folder_on_the_way_can_be_passed_but_not_listed(tmp_path: Path) -> None:
    folder = make(tmp_path / "temp", 0o755, folder=True)
    beside = make(folder / "beside", 0o755, folder=True)
    with permissions.closed([folder, beside], passages=[folder / "later" / "on"]):
        assert (mode(folder), mode(beside)) == (0o751, 0o750)


def test_a_link_is_closed_where_it_leads(tmp_path: Path) -> None:
    file = make(tmp_path / "a", 0o644)
    (tmp_path / "link").symlink_to(file)
    with permissions.closed([tmp_path / "link", tmp_path / "missing"], passages=[]):
        assert mode(file) == 0o640


@pytest.mark.skipif(not Path("/proc/sys/kernel/ostype").exists(), reason="there is no /proc/sys")
def test_what_cannot_be_closed_stops_the_start_and_opens_the_rest_again(tmp_path: Path) -> None:
    file, stubborn = make(tmp_path / "a", 0o644), Path("/proc/sys/kernel/ostype")
    with (
        pytest.raises(EnvironmentFault, match="ostype cannot be closed") as caught,
        permissions.closed([file, stubborn], passages=[]),
    ):
        pytest.fail("it has begun")
    assert "isolation: none" in caught.value.next_step
    assert caught.value.why == "Operation not permitted"
    assert mode(file) == 0o644


@pytest.mark.parametrize(
    ("its_mode", "words"), [(0o700, "is closed"), (0o777, "can be changed by everybody")]
)
def test_a_way_that_leads_nowhere_or_anywhere_stops_the_start(
    tmp_path: Path, its_mode: int, words: str
) -> None:
    folder = make(tmp_path / "temp", its_mode, folder=True)
    with (
        pytest.raises(EnvironmentFault, match=words),
        permissions.closed([], passages=[folder / "later"]),
    ):
        pytest.fail("it has begun")


def test_a_folder_that_is_ajar_shows_only_what_it_is_told_to(tmp_path: Path) -> None:
    folder = make(tmp_path / "run", 0o755, folder=True)
    shown = make(folder / "shown", 0o755, folder=True)
    journal = make(folder / "journal", 0o644)
    permissions.restrict_folder(folder, shown=["shown"])
    assert (mode(folder), mode(shown), mode(journal)) == (0o751, 0o755, 0o640)

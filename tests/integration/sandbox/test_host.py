"""Free resources are measured on this machine and in simulated control groups."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import psutil
import pytest

from concertmaster.sandbox.host import measure, measure_memory
from concertmaster.sandbox.resource_limits import judge_resources

MIB = 1 << 20
WITHOUT_LIMIT = (1 << 63) - 4096  # how control groups v1 say it


def second(group: Path, *, limit: str, used: int, cached: int = 0) -> None:
    """Write the files of a v2 control group."""
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"anon 1\ninactive_file {cached}\nactive_file 7\n")


def first(group: Path, *, limit: int, used: int, cached: int = 0) -> None:
    """Write the files of a v1 control group."""
    group.mkdir(parents=True, exist_ok=True)
    (group / "memory.limit_in_bytes").write_text(f"{limit}\n")
    (group / "memory.usage_in_bytes").write_text(f"{used}\n")
    (group / "memory.stat").write_text(f"inactive_file 1\ntotal_inactive_file {cached}\n")


@pytest.fixture
def groups(tmp_path: Path) -> Path:
    folder = tmp_path / "cgroup"
    folder.mkdir()
    return folder


def memory_in(groups: Path, membership: str) -> int:
    """Return the free bytes of memory for a process in these control groups."""
    file = groups.parent / "membership"
    file.write_text(membership)
    return measure_memory(groups=groups, membership=file)


def test_what_is_measured_here_is_sane(tmp_path: Path) -> None:
    free = measure([tmp_path / "still" / "to be made", tmp_path])

    assert 0 < free.memory_bytes <= psutil.virtual_memory().total
    assert free.memory_bytes > 64 * MIB  # the tests themselves need that much
    assert free.disk_bytes == pytest.approx(shutil.disk_usage(tmp_path).free, rel=0.2)
    assert Path(free.folder).is_relative_to(tmp_path)
    assert judge_resources(free).reason == "" or "GiB" in judge_resources(free).reason


def test_of_two_folders_the_one_on_the_fuller_disk_counts(tmp_path: Path) -> None:
    others = [path for path in (Path("/dev/shm"), Path("/sys")) if path.is_dir()]
    free = {path: shutil.disk_usage(path).free for path in (tmp_path, *others)}
    fullest = min(free, key=lambda path: free[path])

    assert measure([*free]).disk_bytes == pytest.approx(free[fullest], rel=0.2, abs=MIB)


@pytest.mark.parametrize("path", ["/", "/app.slice/run-1", "/../other", "/not/to/be/seen"])
def test_a_container_of_the_second_version_has_what_its_limit_leaves(
    groups: Path, path: str
) -> None:
    second(groups, limit=str(100 * MIB), used=70 * MIB, cached=20 * MIB)

    assert memory_in(groups, f"0::{path}\n") == 50 * MIB


def test_a_container_of_the_first_version_has_what_its_limit_leaves(groups: Path) -> None:
    first(groups / "memory", limit=100 * MIB, used=70 * MIB, cached=20 * MIB)

    assert memory_in(groups, "9:name=systemd:/\n4:cpu,memory:/docker/ab:c\n0::/\n") == 50 * MIB


def test_the_tightest_of_the_groups_around_us_counts(groups: Path) -> None:
    second(groups / "a", limit=str(40 * MIB), used=MIB)
    second(groups / "a/b", limit=str(60 * MIB), used=MIB)
    second(groups / "a/b/c", limit="max", used=MIB)
    second(groups / "other", limit="1", used=MIB)

    assert memory_in(groups, "0::/a/b/c\n") == 39 * MIB


def test_a_group_that_is_over_its_limit_has_nothing_left(groups: Path) -> None:
    second(groups, limit=str(MIB), used=2 * MIB)

    assert memory_in(groups, "0::/\n") == 0


@pytest.mark.parametrize("membership", ["", "0::/\n", "garbage\n\n::::\n0\n", "4:memory:/\n"])
@pytest.mark.parametrize("limit", ["max", "", "many", str(WITHOUT_LIMIT)])
def test_without_a_limit_that_can_be_read_the_machine_counts(
    groups: Path, membership: str, limit: str
) -> None:
    second(groups, limit=limit, used=MIB)
    first(groups / "memory", limit=WITHOUT_LIMIT, used=MIB)
    (groups / "memory" / "memory.stat").write_text("what is this\n")

    available = psutil.virtual_memory().available
    assert memory_in(groups, membership) == pytest.approx(available, rel=0.2)


def test_where_there_are_no_control_groups_the_machine_counts(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"

    found = measure_memory(groups=nowhere, membership=nowhere)

    assert found == pytest.approx(psutil.virtual_memory().available, rel=0.2)


def test_a_machine_that_does_not_tell_is_an_error_of_the_system(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(psutil, "PROCFS_PATH", os.fspath(tmp_path))
    with pytest.raises(OSError, match="meminfo"):
        measure([tmp_path])

    (tmp_path / "meminfo").write_text("nothing: 1 kB\n")
    with pytest.raises(OSError, match="cannot be measured"):
        measure([tmp_path])

"""Tests that work which a change does not hold leaves the runner, and that the report names it."""

from __future__ import annotations

import os
import re
import tarfile
from pathlib import Path

import pytest

from concertmaster.action import left_work
from concertmaster.action.artifacts import share_folder
from concertmaster.action.left_work import LeftWork, pack_left_work
from concertmaster.git.command import git_version
from tests.action.rounds import House
from tests.action.workflow import Workflow
from tests.github.double import Double

TOKEN = "ghs_0123456789abcdef0123456789abcdef0123"
AGENT = f"""\
echo hidden > stashed.txt; git stash --quiet --include-untracked
echo {TOKEN} > 'a:b.ignored'; echo beside > ../beside.txt
grep -q fail && exit 1
echo 1 > new.txt
"""
PLACE = re.compile(r"concertmaster-work-0/left/[\w.-]+\.bundle")


def test_the_report_names_what_an_agent_left_and_the_artifact_has_it(
    double: Double, tmp_path: Path
) -> None:
    prompts = {"apple": "# Write apple\n", "plum": "# Write plum\n\nfail\n"}
    files = {"agent.sh": AGENT, ".gitignore": "*.ignored\n"}
    house = House.build(double, tmp_path, prompts, files=files)
    issue = house.open_issue(*prompts)
    held = house.ask(issue).hold()

    artifact = share_folder(held.artifacts, 0)
    bundles = {f"{artifact.name}/left/{one.name}" for one in artifact.glob("left/*.bundle")}
    assert len(bundles) >= 2
    report = "".join(comment.body for comment in issue.comments)
    [pull] = [one.body or "" for one, _ in house.repository.pulls()]
    [failure] = house.issues("failure")
    assert {*PLACE.findall(report), *PLACE.findall(pull)} == bundles
    assert {*PLACE.findall(report)} < bundles  # the pull request tells of its own task
    assert {*PLACE.findall(failure.body or "")} < bundles
    [machine] = [line for line in (failure.body or "").splitlines() if "machine" in line]
    assert re.search(r"[\d.]+ GiB of memory free, [\d.]+ GiB of disk free; load", machine)
    assert f"git {git_version()}" in machine
    for archive in artifact.glob("left/*.tar.gz"):
        assert TOKEN.encode() not in contents(archive)
    assert any(b"beside\n" in contents(one) for one in artifact.glob("left/*.tar.gz"))
    assert not any(":" in path.name for path in artifact.rglob("*"))


def pack(double: Double, tmp_path: Path) -> tuple[LeftWork, Path]:
    """Pack the folder `strays` of the test's folder, and return the folder of the artifact too."""
    workflow = Workflow(
        double=double,
        repository=double.add_repository("ada/opera"),
        folder=tmp_path,
        token="",
        event="push",
        payload={},
    )
    artifact = tmp_path / "concertmaster-work-0"
    artifact.mkdir()
    return pack_left_work(workflow.job(), tmp_path / "strays", artifact), artifact / "left"


def note_on(left: LeftWork, name: str) -> str:
    [told] = left.tell([f"it is kept in {left.source}/{name}"])
    return told


def test_what_is_too_large_for_the_artifact_is_told_and_the_rest_is_packed(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_work, "MOST_LEFT_BYTES", 1000)
    strays = tmp_path / "strays"
    for name, size in {"a": 900, "b": 10, "c": 2000}.items():
        (strays / name).mkdir(parents=True)
        (strays / name / "file").write_bytes(b"-" * size)
    (strays / "b" / "more").write_bytes(b"-" * 950)
    (strays / "d.bundle").write_bytes(b"-" * 5000)
    with (strays / "c" / "sparse").open("wb") as file:
        file.truncate(3 << 40)
    left, packed = pack(double, tmp_path)
    assert {path.name for path in packed.iterdir()} == {"a.tar.gz", "b.tar.gz"}
    assert note_on(left, "a") == "it is kept in concertmaster-work-0/left/a"
    assert "; a part is lost with the runner" in note_on(left, "b")
    assert "; it is lost with the runner" in note_on(left, "c")
    assert "; it is lost with the runner" in note_on(left, "d.bundle")


def test_notes_that_name_a_place_come_first_so_that_no_other_note_displaces_them(
    tmp_path: Path,
) -> None:
    left = LeftWork(source=tmp_path, artifact="work-0")
    told = left.tell([*(f"note {number}" for number in range(60)), f"kept as {tmp_path}/x.bundle"])
    assert told[:2] == ("kept as work-0/left/x.bundle", "note 0")


def test_files_without_number_are_told_and_the_first_are_packed(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(left_work, "MOST_LEFT_FILES", 3)
    (tmp_path / "strays" / "a").mkdir(parents=True)
    for number in range(5):
        (tmp_path / "strays" / "a" / str(number)).write_text(str(number))
    left, packed = pack(double, tmp_path)
    assert contents(packed / "a.tar.gz") == b"012"
    assert "; a part is lost with the runner" in note_on(left, "a")


def test_links_are_packed_as_links_and_pipes_are_not_opened(double: Double, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "private").write_text("private\n")
    strays = tmp_path / "strays" / "a"
    strays.mkdir(parents=True)
    (strays / "file").symlink_to(outside / "private")
    (strays / "folder").symlink_to(outside)
    (tmp_path / "strays" / "b").symlink_to(outside)
    os.mkfifo(strays / "pipe")
    (strays / "own\n\udcff").write_text("own\n")
    _, packed = pack(double, tmp_path)
    whole = b"".join(contents(archive) for archive in packed.iterdir())
    assert whole == b"own\n"
    with tarfile.open(packed / "a.tar.gz") as tar:
        kinds = {one.name: one.issym() for one in tar.getmembers()}
    assert kinds == {"a/file": True, "a/folder": True, "a/own\n\ufffd": False}


def contents(archive: Path) -> bytes:
    with tarfile.open(archive) as tar:
        files = [tar.extractfile(one) for one in tar.getmembers() if one.isreg()]
        return b"".join(file.read() for file in files if file)

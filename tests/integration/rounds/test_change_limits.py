"""Tests the limits on changes that may land, against real git."""

from __future__ import annotations

import pytest

from concertmaster.git.command import Git
from concertmaster.landing.change_limits import ChangeLimits, check_change
from tests.integration.rounds.bundle_job import Job
from tests.integration.rounds.job_documents import AT


def reasons(job: Job, commit: str, **limits: int) -> tuple[str, ...]:
    return check_change(job.work, base=job.base, head=commit, limits=ChangeLimits(**limits))


def test_a_plain_change_may_land(job: Job) -> None:
    assert reasons(job, job.commit({"new.txt": b"x", "folder/d.txt": b"y", "a.txt": b"z"})) == ()


def test_a_change_of_too_many_files_is_refused(job: Job) -> None:
    commit = job.commit({f"{number}.txt": b"x" for number in range(4)})
    assert reasons(job, commit, files=4) == ()
    assert reasons(job, commit, files=3) == ("it changes more than 3 files",)


def test_changes_and_removals_count_as_well(job: Job) -> None:
    commit = job.commit({"a.txt": b"x", "b.txt": b"x"})
    assert reasons(job, commit, files=1) == ("it changes more than 1 files",)


def test_a_few_trees_that_stand_for_billions_of_files_are_refused_at_once(job: Job) -> None:
    tree = job.work.tree(job.base)
    for _ in range(12):
        lines = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
        tree = job.work.git.run("mktree", stdin=lines.encode())
    bomb = job.work.commit(tree, parents=(job.base,), message="x", at=AT)
    assert reasons(job, bomb) == ("it changes more than 10000 files",)


def test_folders_without_end_are_refused(job: Job) -> None:
    tree = job.work.tree(job.base)
    for _ in range(150):
        tree = job.work.git.run("mktree", stdin=f"040000 tree {tree}\tx\n".encode())
    deep = job.work.commit(tree, parents=(job.base,), message="x", at=AT)
    assert reasons(job, deep) != ()


def test_a_file_that_github_does_not_take_is_refused(job: Job) -> None:
    commit = job.commit({"large.bin": b"x" * (3 << 20)})
    assert reasons(job, commit, file_bytes=3 << 20) == ()
    (reason,) = reasons(job, commit, file_bytes=2 << 20)
    assert reason == "large.bin: 3 MB are more than the 2 MB GitHub takes"


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[31mb", "a\tb", "a\x7fb"])
def test_a_name_with_control_characters_is_refused(job: Job, name: str) -> None:
    (reason,) = reasons(job, job.commit({name: b"x"}))
    assert "control character" in reason
    assert "\n" not in reason
    assert "\x1b" not in reason


def test_two_names_that_differ_only_in_case_are_refused(job: Job) -> None:
    assert reasons(job, job.commit({"A.TXT": b"x"})) == ("A.TXT: differs from a.txt only in case",)
    assert reasons(job, job.commit({"Folder/x.txt": b"x"})) == (
        "Folder: differs from folder only in case",
    )
    assert len(reasons(job, job.commit({"new": b"x", "New": b"y"}))) == 2


def test_a_rename_that_only_changes_case_may_land(job: Job) -> None:
    git = Git(job.work.path, git_dir=job.work.path, index=job.index, private=True)
    git.run("read-tree", job.base)
    entries = f"0 {'0' * 40}\ta.txt\n100644 {job.work.write_blob(b'a')}\tA.txt\n"
    git.run("update-index", "--index-info", stdin=entries.encode())
    renamed = job.work.commit(git.run("write-tree"), parents=(job.base,), message="x", at=AT)
    assert reasons(job, renamed) == ()


def test_names_that_were_twins_before_do_not_stop_a_change(job: Job) -> None:
    base = job.commit({"A.TXT": b"x"})
    head = job.commit({"A.TXT": b"y"}, on=base)
    assert check_change(job.work, base=base, head=head) == ()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1\n"


def test_a_new_file_of_lfs_is_refused_and_a_moved_one_is_not(job: Job) -> None:
    with_pointer = job.commit({"image.png": POINTER})
    (reason,) = reasons(job, with_pointer)
    assert reason.startswith("image.png: a file of Git LFS")
    moved = job.commit({"other.png": POINTER}, on=with_pointer)
    assert check_change(job.work, base=with_pointer, head=moved) == ()


def test_links_and_submodules_are_left_to_the_path_policy(job: Job) -> None:
    link = job.commit({"link": POINTER}, mode="120000")
    assert reasons(job, link) == ()
    git = Git(job.work.path, git_dir=job.work.path, index=job.index, private=True)
    git.run("read-tree", job.base)
    git.run("update-index", "--add", "--cacheinfo", f"160000,{job.base},sub")
    sub = job.work.commit(git.run("write-tree"), parents=(job.base,), message="x", at=AT)
    assert reasons(job, sub) == ()

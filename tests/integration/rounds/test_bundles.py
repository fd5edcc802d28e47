"""Tests that only bundles in the expected form are received from other jobs."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from concertmaster.model import Outcome, TaskState
from concertmaster.rounds import bundles
from concertmaster.rounds.bundles import RECEIVED
from tests.integration.rounds.bundle_job import Job
from tests.integration.rounds.job_documents import AT, BREAD, FRUIT, RUN


def test_a_commit_comes_as_a_bundle(job: Job) -> None:
    commit = job.commit({"new.txt": b"new\n"})
    assert job.receive(job.bundle(commit)) == commit
    assert job.objects.pinned(RECEIVED + FRUIT) == (commit,)
    assert job.objects.git.run("cat-file", "blob", f"{commit}:new.txt") == "new"
    assert job.objects.git.ask("fsck", "--connectivity-only", "--no-dangling").code == 0
    assert [path.name for path in job.objects.path.glob("arriving-*")] == []


def test_a_bundle_is_received_twice_and_two_bundles_beside_each_other(job: Job) -> None:
    one, two = job.commit({"one": b"1"}), job.commit({"two": b"2"})
    results = [job.bundle(one), job.bundle(two, name=BREAD)]
    for result in [*results, *results]:
        assert job.receive(result) == result.head
    assert set(job.objects.pinned(RECEIVED)) == {one, two}


def test_a_synthetic_base_travels_in_the_bundle(job: Job) -> None:
    built = job.commit({"needed": b"n"})
    head = job.commit({"new": b"x"}, on=built)
    result = replace(job.bundle(head), base=built)
    assert job.receive(result) == head


def test_the_work_of_a_failed_task_is_received_whoever_made_it(job: Job) -> None:
    first = job.commit({"half": b"1"})
    work = job.commit({"half": b"2"}, on=first)
    result = job.bundle(work)
    failed = replace(
        result, state=TaskState.FAILED, outcome=Outcome.FAILED, head="", work=work, base=job.base
    )
    assert job.receive(failed) == work


def test_a_bundle_that_was_tampered_with_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    path = job.folder / result.bundle
    path.write_bytes(path.read_bytes() + b"\0")
    assert "sha256" in job.refuses(result)


def test_a_bundle_that_was_cut_off_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": os.urandom(5000)}))
    for size in (0, 10, 100, 2000):
        assert job.refuses(job.rewrite(result, lambda data, size=size: data[:size]))  # type: ignore[misc]
        job.bundle(result.head)


@pytest.mark.parametrize("at", [-1, -30, -300])
def test_a_bundle_with_a_wrong_byte_is_refused(job: Job, at: int) -> None:
    result = job.bundle(job.commit({"new": os.urandom(500)}))

    def flip(data: bytes) -> bytes:
        return data[:at] + bytes([data[at] ^ 1]) + data[len(data) + at + 1 :]

    job.refuses(job.rewrite(result, flip))


def test_bundles_of_two_tasks_that_were_swapped_are_refused(job: Job) -> None:
    one = job.bundle(job.commit({"one": b"1"}))
    two = job.bundle(job.commit({"two": b"2"}), name=BREAD)
    swapped = (job.folder / two.bundle).read_bytes()
    assert "other refs" in job.refuses(job.rewrite(one, lambda _: swapped))


def test_a_bundle_that_is_a_link_or_lies_behind_one_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    path = job.folder / result.bundle
    path.rename(job.folder / "real.bundle")
    path.symlink_to(job.folder / "real.bundle")
    job.refuses(result)
    path.unlink()
    (job.folder / "bundles").rmdir()
    (job.folder / "real").mkdir()
    (job.folder / "real.bundle").rename(job.folder / "real" / path.name)
    (job.folder / "bundles").symlink_to(job.folder / "real")
    job.refuses(result)


@pytest.mark.parametrize(
    ("task", "bundle"),
    [
        (FRUIT, "../work-1/bundles/x.bundle"),
        (FRUIT, "/etc/passwd"),
        (FRUIT, f"bundles/{BREAD}.bundle"),
        ("../../evil", "bundles/../../evil.bundle"),
    ],
)
def test_a_bundle_that_lies_elsewhere_is_refused(job: Job, task: str, bundle: str) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    (job.folder.parent / "evil.bundle").write_bytes((job.folder / result.bundle).read_bytes())
    job.refuses(replace(result, task=task, bundle=bundle))


def test_a_bundle_that_is_too_large_is_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    monkeypatch.setattr(bundles, "MOST_BUNDLE_BYTES", 100)
    assert "more than 100" in job.refuses(result)


def test_a_bundle_that_is_missing_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    (job.folder / result.bundle).unlink()
    job.refuses(result)


def test_a_bundle_with_a_further_or_another_ref_is_refused(job: Job) -> None:
    commit = job.commit({"new": b"x"})
    result = job.bundle(commit)
    line = f"{commit} refs/heads/concertmaster/{RUN}/{FRUIT}\n".encode()
    further = f"{commit} refs/heads/main\n".encode()
    job.refuses(job.rewrite(result, lambda data: data.replace(line, line + further)))
    job.refuses(job.bundle(commit, ref="refs/heads/main"))
    job.refuses(job.bundle(commit, ref=f"refs/heads/concertmaster/other/{FRUIT}"))


def test_a_bundle_that_holds_another_commit_than_the_result_says_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    job.refuses(replace(result, head=job.base))
    job.refuses(replace(result, head="7" * 40))


def test_a_bundle_that_needs_other_commits_than_the_base_is_refused(job: Job) -> None:
    first = job.commit({"one": b"1"})
    head = job.commit({"two": b"2"}, on=first)
    assert "needs other commits" in job.refuses(job.bundle(head, base=first))


def test_a_bundle_that_hides_what_it_needs_is_refused(job: Job) -> None:
    """The header names only the base, but the objects build on another commit."""
    first = job.commit({"one": b"1"})
    head = job.commit({"two": b"2"}, on=first)
    result = job.bundle(head, base=first)
    job.refuses(job.rewrite(result, lambda data: data.replace(first.encode(), job.base.encode())))


def test_a_history_of_its_own_is_refused(job: Job) -> None:
    root = job.commit({"new": b"x"}, root=True)
    assert "does not build on the base" in job.refuses(job.bundle(root))


def test_more_than_one_commit_is_refused(job: Job) -> None:
    head = job.commit({"two": b"2"}, on=job.commit({"one": b"1"}))
    assert "not one commit" in job.refuses(job.bundle(head))


def test_a_commit_in_the_name_of_somebody_else_is_refused(job: Job) -> None:
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    who |= {"GIT_COMMITTER_NAME": "Concertmaster", "GIT_COMMITTER_EMAIL": "x@example.org"}
    tree = job.work.tree(job.commit({"new": b"x"}))
    forged = job.work.git.run("commit-tree", tree, "-p", job.base, "-m", "x", env=who)
    assert "did not make" in job.refuses(job.bundle(forged))


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", "..", "."])
def test_objects_that_git_itself_finds_evil_are_refused(job: Job, name: str) -> None:
    blob = job.work.write_blob(b"x")
    tree = f"100644 {name}\0".encode() + bytes.fromhex(blob)
    sha = job.work.git.run("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=tree)
    evil = job.work.commit(sha, parents=(job.base,), message="x", at=AT)
    assert "index-pack" in job.refuses(job.bundle(evil))


@pytest.mark.parametrize("head", [b"", b"# v1 git bundle", b"# v3 git bundle\n@filter=blob:none"])
def test_what_is_no_plain_bundle_is_refused(job: Job, head: bytes) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    job.refuses(job.rewrite(result, lambda data: data.replace(b"# v2 git bundle", head)))

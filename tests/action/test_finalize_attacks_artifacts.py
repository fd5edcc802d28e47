"""Tests attacks on finalize by git settings, artifacts and trees (cases 10, 15 and 17)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from concertmaster.git.command import Git
from concertmaster.model import TaskState
from tests.action.finalize_attacks import (
    HONEST,
    MEMORY,
    PROMPTS,
    WORDS,
    begin,
    nothing_acts,
    nothing_lands,
    only_honest_work_lands,
    said,
    state_of,
)
from tests.action.forged_results import Document, Entry, Forger, sparse
from tests.action.rounds import House
from tests.github.double import Double

pytestmark = pytest.mark.matrix

SECRET = "what only the runner may read"


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return House.build(double, tmp_path, PROMPTS)


@pytest.fixture
def forger(house: House, tmp_path: Path) -> Forger:
    return begin(house, tmp_path / "forger", "apple", "pear", "plum")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forger]:
    folder = tmp_path_factory.mktemp("made")
    with Double(folder / "hosting") as double:
        house = House.build(double, folder, PROMPTS)
        yield begin(house, folder / "forger", "apple", "pear", "plum")


@pytest.fixture
def copied(made: Forger, tmp_path: Path) -> Forger:
    """The shared forger with artifacts of its own, for what is refused before any write."""
    return made.copy(tmp_path)


@pytest.mark.parametrize("path", [".git/hooks/pre-push", ".GIT/config", "a/.git/config"])
def test_case_10_a_git_folder_in_the_tree_loses_its_task(copied: Forger, path: str) -> None:
    copied.claim("apple", copied.commit("apple", raw_tree(copied, path, b"#!/bin/sh\n")))

    assert copied.accepted() == {"pear", "plum"}


def raw_tree(forger: Forger, path: str, data: bytes, *, mode: str = "100644") -> str:
    """Return the base's tree with a path that git's index does not accept."""
    git, blob = forger.objects.git, forger.objects.write_blob(data)
    first, *rest = reversed(path.split("/"))
    tree = git.run("mktree", "-z", stdin=f"{mode} blob {blob}\t{first}\0".encode())
    for name in rest[:-1]:
        tree = git.run("mktree", "-z", stdin=f"040000 tree {tree}\t{name}\0".encode())
    top = rest[-1] if rest else first
    entry = f"040000 tree {tree}\t{top}\0" if rest else f"{mode} blob {blob}\t{first}\0"
    listed = git.run("ls-tree", "-z", forger.base)
    return git.run("mktree", "-z", stdin=f"{listed}{entry}".encode())


def test_case_10_attributes_wait_for_a_person_and_drive_no_merge(forger: Forger) -> None:
    forger.write("apple", {".gitattributes": "* merge=ours filter=evil\n", "a.txt": "a\n"})
    forger.held.verify()
    forger.finalize()

    assert forger.landed() == {"pear", "plum"}
    assert state_of(forger, "apple") is TaskState.AWAITING_MERGE
    assert forger.history_of_paths() == HONEST | {MEMORY}


def test_case_10_a_repository_among_the_artifacts_sets_nothing_up(
    forger: Forger, tmp_path: Path
) -> None:
    marker = tmp_path / "marker"
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\necho x >> {marker}\n")
    trap.chmod(0o755)
    settings = f"[core]\n\tfsmonitor = {trap}\n\thooksPath = {tmp_path}\n\tsshCommand = {trap}\n"
    for folder in (
        forger.share_of("apple"),
        forger.artifacts,
        forger.share_of("apple") / "bundles",
    ):
        Git(folder, private=True).run("init", "--quiet", "--template=")
        (folder / ".git" / "config").write_text(settings)
        for name in ("pre-push", "reference-transaction", "post-checkout"):
            shutil.copy(trap, tmp_path / name)
    forger.held.verify()
    forger.finalize()

    assert not marker.exists()
    assert forger.landed() == {"apple", "pear", "plum"}


def spoil_file(change: Callable[[Path], object]) -> Callable[[Forger], None]:
    return lambda forger: (change(forger.share_of("apple") / "results.json"), None)[1]


def spoil(change: Callable[[Document], object]) -> Callable[[Forger], None]:
    return lambda forger: forger.bend("apple", change)


def link_to_a_secret(path: Path) -> None:
    secret = path.parents[1] / "secret"
    secret.write_text(SECRET)
    path.unlink(missing_ok=True)
    path.symlink_to(secret)


def make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def with_task_of(name: str) -> Callable[[Forger], None]:
    """Make the share report a task that another share owns."""

    def change(forger: Forger) -> None:
        stolen = {**forger.result("apple"), "task": forger.id_of(name)}
        stolen["bundle"] = f"bundles/{stolen['task']}.bundle"
        shutil.copy(forger.bundle("apple"), forger.share_of("apple") / stolen["bundle"])
        forger.bend("apple", lambda document: document["tasks"].append(stolen))

    return change


RESULTS: dict[str, Callable[[Forger], object]] = {
    "missing": spoil_file(Path.unlink),
    "the whole share is missing": lambda forger: shutil.rmtree(forger.share_of("apple")),
    "empty": spoil_file(lambda path: path.write_bytes(b"")),
    "truncated": spoil_file(lambda path: path.write_bytes(path.read_bytes()[:-20])),
    "no JSON": spoil_file(lambda path: path.write_text("results: yes")),
    "nested": spoil_file(lambda path: path.write_text("[" * 200_000)),
    "not UTF-8": spoil_file(lambda path: path.write_bytes(b'{"run": "\xff"}')),
    "a number of 10,000 digits": spoil_file(lambda path: path.write_text("9" * 10_000)),
    "500 MB": spoil_file(lambda path: sparse(path, 500 << 20)),
    "a symbolic link": spoil_file(link_to_a_secret),
    "a pipe": spoil_file(make_fifo),
    "a folder": spoil_file(make_folder),
    "wrong run": spoil(lambda document: document.update(run="i9-c9")),
    "wrong round": spoil(lambda document: document.update(round=2)),
    "wrong share": spoil(lambda document: document.update(share=7)),
    "wrong version": spoil(lambda document: document.update(version=99)),
    "wrong base": spoil(lambda document: document.update(base="1" * 40)),
    "no tasks": spoil(lambda document: document.update(tasks=[])),
    "a task twice": spoil(lambda document: document["tasks"].append(document["tasks"][0])),
    "landed by itself": lambda forger: forger.tell("apple", state="landed"),
    "merged by a person": lambda forger: forger.tell("apple", state="awaiting_merge"),
    "another share's task": with_task_of("pear"),
}


@pytest.mark.parametrize("how", RESULTS)
def test_case_15_results_that_cannot_be_true_lose_only_their_own_share(
    copied: Forger, how: str
) -> None:
    RESULTS[how](copied)

    assert copied.accepted() == {"pear", "plum"}


@pytest.mark.parametrize("how", ["missing", "a symbolic link", "wrong run"])
def test_case_15_whoever_leaves_such_results_the_others_land(forger: Forger, how: str) -> None:
    RESULTS[how](forger)

    only_honest_work_lands(forger)
    assert SECRET not in "".join([*said(forger.house), forger.held.said])


def spoil_bundle(change: Callable[[Path], object]) -> Callable[[Forger], None]:
    """Change the bundle; the results have the digest of the changed one."""

    def apply(forger: Forger) -> None:
        path = forger.bundle("apple")
        change(path)
        if path.is_file() and path.stat().st_size < 1 << 20:
            forger.tell("apple", sha256=forger.digest(path))

    return apply


def name_bundle(name: str) -> Callable[[Forger], None]:
    def apply(forger: Forger) -> None:
        path = forger.share_of("apple") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(forger.bundle("apple"), path)
        forger.tell("apple", bundle=name)

    return apply


def take_bundle_of_pear(forger: Forger) -> None:
    shutil.copy(forger.bundle("pear"), forger.bundle("apple"))
    one = forger.result("pear")
    forger.tell("apple", head=one["head"], base=one["base"], sha256=one["sha256"])


def bring_another_ref(forger: Forger) -> None:
    head = forger.receive("apple")
    forger.objects.pin("refs/heads/main", head)
    ref = f"refs/heads/concertmaster/{forger.plan.run}/{forger.id_of('apple')}"
    forger.objects.pin(ref, head)
    path = forger.bundle("apple")
    forger.objects.git.run("bundle", "create", "--quiet", str(path), ref, "refs/heads/main")
    forger.tell("apple", sha256=forger.digest(path))


def bring_a_commit_more(forger: Forger) -> None:
    """Add a workflow and remove it again, so that the tree of the head does not show it."""
    evil = forger.tree(forger.base, {".github/workflows/evil.yml": "on: push\n"})
    first = forger.commit("apple", evil)
    good = forger.tree(forger.base, {"apple.txt": "apple\n"})
    head = forger.commit("apple", good, parent=first)
    forger.claim("apple", head)


def bring_a_base_with_more(forger: Forger) -> None:
    evil = forger.tree(forger.base, {".github/workflows/evil.yml": "on: push\n"})
    first = forger.commit("apple", evil)
    good = forger.tree(first, {"apple.txt": "apple\n"})
    head = forger.commit("apple", good, parent=first)
    forger.claim("apple", head, base=first)


BUNDLES: dict[str, Callable[[Forger], object]] = {
    "missing": spoil_bundle(Path.unlink),
    "empty": spoil_bundle(lambda path: path.write_bytes(b"")),
    "truncated": spoil_bundle(lambda path: path.write_bytes(path.read_bytes()[:-30])),
    "no bundle": spoil_bundle(lambda path: path.write_bytes(b"PK\x03\x04" * 99)),
    "over 500 MB": spoil_bundle(lambda path: sparse(path, (500 << 20) + 1)),
    "500 MB of nothing": spoil_bundle(lambda path: sparse(path, 500 << 20)),
    "a symbolic link": spoil_bundle(link_to_a_secret),
    "a pipe": spoil_bundle(make_fifo),
    "not as the digest says": lambda forger: forger.tell("apple", sha256="0" * 64),
    "zip-slip": name_bundle("../evil.bundle"),
    "another name": name_bundle("bundles/evil.bundle"),
    "an absolute name": lambda forger: forger.tell("apple", bundle="/etc/passwd"),
    "of another task": take_bundle_of_pear,
    "another ref": bring_another_ref,
    "a commit more": bring_a_commit_more,
    "a base with more": bring_a_base_with_more,
    "another head": lambda forger: forger.tell("apple", head="1" * 40),
    "no object id": lambda forger: forger.tell("apple", head="--upload-pack=x"),
    "another base": lambda forger: forger.tell("apple", base="1" * 40),
}


@pytest.mark.parametrize("how", BUNDLES)
def test_case_15_a_bundle_that_is_not_what_the_results_say_loses_only_its_task(
    copied: Forger, how: str
) -> None:
    BUNDLES[how](copied)

    assert copied.accepted() == {"pear", "plum"}


@pytest.mark.parametrize(
    "how", ["missing", "truncated", "zip-slip", "a commit more", "another head"]
)
def test_case_15_whoever_leaves_such_a_bundle_the_others_land(forger: Forger, how: str) -> None:
    BUNDLES[how](forger)

    only_honest_work_lands(forger)


def test_case_15_results_that_change_after_they_were_checked_land_nothing(forger: Forger) -> None:
    forger.held.verify()
    forger.write("apple", {"evil.txt": "never checked\n"})

    nothing_lands(forger, "cannot be repeated")


def test_case_15_artifacts_of_jobs_that_are_not_ours_are_not_looked_at(forger: Forger) -> None:
    honest = forger.share_of("apple")
    for name in ("7", "00", "0 2", "\n", "..", "é\x1b", "x"):
        folder = forger.artifacts / f"concertmaster-work-{name}"
        shutil.copytree(honest, folder)
        (folder / "journal.jsonl").write_text(WORDS)
    forger.held.verify()
    forger.finalize()

    assert forger.landed() == {"apple", "pear", "plum"}
    state = f"concertmaster/{forger.plan.run}/state"
    kept = {one.path for one in forger.bare.tree(forger.house.tip(state), recursive=True)}
    shares = {f"rounds/1/work-{number}.jsonl" for number in range(len(forger.plan.shares))}
    assert {path for path in kept if "work-" in path} == shares


@pytest.mark.parametrize(
    ("key", "value"),
    [("run", "i9-c9"), ("round", 2), ("target", "other"), ("version", 3), ("tip", "HEAD")],
)
def test_case_15_a_verdict_on_something_else_lands_nothing(
    forger: Forger, key: str, value: object
) -> None:
    forger.receive("apple")
    forger.judge(forger.step(forger.base, "apple"), **{key: value})

    nothing_lands(forger, "verdict")


@pytest.mark.parametrize("data", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"steps": NaN}'])
def test_case_15_a_verdict_that_is_none_lands_nothing(forger: Forger, data: bytes) -> None:
    forger.hand_over(data)

    nothing_lands(forger, "verdict")


@pytest.mark.parametrize("key", ["verdict_sha256", "plan_sha256"])
def test_case_15_what_was_swapped_on_the_way_lands_nothing(forger: Forger, key: str) -> None:
    forger.held.verify()
    forger.given[key] = "0" * 64

    nothing_lands(forger, "is not the")


def test_case_15_a_verdict_of_500_mb_is_not_even_read(forger: Forger) -> None:
    forger.held.verify()
    sparse(forger.artifacts / "concertmaster-verify" / "verdict.json", 500 << 20)

    nothing_lands(forger, "verdict")


def test_case_15_without_the_digest_of_the_verify_job_nothing_lands(forger: Forger) -> None:
    forger.receive("apple")
    forger.judge(forger.step(forger.base, "apple"))
    del forger.given["verdict_sha256"]
    forger.finalize()

    assert forger.landed() == set()
    assert forger.brought() == []


def test_case_15_the_verdict_of_an_earlier_round_lands_nothing_in_a_later_one(
    forger: Forger,
) -> None:
    forger.held.verify()
    old = (forger.artifacts / "concertmaster-verify" / "verdict.json").read_bytes()
    forger.finalize(cancelled=True)
    again = forger.house.ask(forger.house.repository.issues[1], "/orchestrate retry")
    again.plan()
    again.work()
    later = Forger(house=forger.house, held=again, folder=forger.folder)
    later.hand_over(old)

    nothing_lands(later, "round")


POINTER = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
ODD: dict[str, dict[str, Entry | str | None]] = {
    "a link out of the tree": {"link": ("120000", b"../../etc/passwd")},
    "an absolute link": {"link": ("120000", b"/etc/passwd")},
    "a link into git's folder": {"link": ("120000", b".git/config")},
    "a link through a link": {"a": ("120000", b"."), "b": ("120000", b"a/../../x")},
    "a submodule": {"vendor": ("160000", b"1" * 40)},
    "a submodule with its file": {
        "vendor": ("160000", b"1" * 40),
        ".gitmodules": '[submodule "vendor"]\n\tpath = vendor\n\turl = ext::sh -c evil\n',
    },
    "an LFS pointer": {"huge.bin": POINTER},
    "a line break in a name": {"a\n\nCloses #1": "a\n"},
    "a bell in a name": {"a\x07": "a\n"},
    "a twin of another case": {"Check.sh": "true\n"},
    "twins of each other": {"Read.me": "a\n", "read.me": "b\n"},
    "twin folders": {"Prompts/x.md": "x\n"},
    "10,001 files": {f"many/{number}": "x\n" for number in range(10_001)},
    "a file over 100 MB": {"huge.bin": ("100644", bytes((100 << 20) + 1))},
}


@pytest.mark.parametrize("how", ODD)
def test_case_17_what_no_repository_should_get_loses_its_task(copied: Forger, how: str) -> None:
    copied.write("apple", ODD[how])

    assert copied.accepted() == {"pear", "plum"}


@pytest.mark.parametrize("how", ["a submodule", "a line break in a name", "an LFS pointer"])
def test_case_17_whoever_leaves_that_the_others_land(forger: Forger, how: str) -> None:
    forger.write("apple", ODD[how])

    only_honest_work_lands(forger)


@pytest.mark.parametrize("name", ["..", "."])
def test_case_17_a_path_that_climbs_loses_its_task(forger: Forger, name: str) -> None:
    forger.claim("apple", forger.commit("apple", raw_tree(forger, name, b"evil")))

    only_honest_work_lands(forger)


def test_case_17_programs_binaries_and_links_within_the_tree_land_as_they_are(
    forger: Forger,
) -> None:
    files: dict[str, Entry | str | None] = {
        "run.sh": ("100755", b"#!/bin/sh\n"),
        "image.png": ("100644", b"\x89PNG\0\xff\x1a\n" * 9),
        "link": ("120000", b"run.sh"),
        "with space ünd $(id) `x`.txt": "x\n",
        "-rf": "x\n",
    }
    forger.write("apple", files)
    forger.held.verify()
    forger.finalize()

    assert forger.landed() == {"apple", "pear", "plum"}
    assert {*files} <= forger.history_of_paths()
    tree = {one.path: one.mode for one in forger.bare.tree(forger.house.tip())}
    assert (tree["run.sh"], tree["link"]) == ("100755", "120000")
    nothing_acts(forger.house)

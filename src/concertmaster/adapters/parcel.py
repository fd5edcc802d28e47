"""What other jobs left for those that land: documents and bundles, hostile until checked here."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from concertmaster.adapters import document
from concertmaster.adapters.document import unfit
from concertmaster.adapters.extent import count_files
from concertmaster.adapters.repository import (
    ABSENT,
    OUR_EMAIL,
    OUR_NAME,
    SYMLINK,
    Answer,
    object_id,
    records,
    text,
)
from concertmaster.adapters.run_repository import RunRepository, quoted
from concertmaster.core import doubt, portability
from concertmaster.core.history import History
from concertmaster.core.model import Plan
from concertmaster.core.policy import GITLINK
from concertmaster.core.result import Result, ShareResults
from concertmaster.core.text import display
from concertmaster.core.verdict import Verdict

HISTORY_FILE = "history.json"
RESULTS_FILE = "results.json"
VERDICT_FILE = "verdict.json"
RECEIVED = "refs/concertmaster/received/"

MOST_BUNDLE_BYTES = 500 << 20
MOST_HEAD_BYTES = 1 << 16  # of a bundle, before its objects begin
LONGEST_POINTER = 1024  # bytes, says the specification of LFS
POINTER = b"version https://git-lfs.github.com/spec/v1"

_PREREQUISITE = re.compile(rb"-([0-9a-f]{40}(?:[0-9a-f]{24})?)(?: .*)?")
_REF = re.compile(rb"([0-9a-f]{40}(?:[0-9a-f]{24})?) (refs/\S+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Of one task's change: how many files, how many bytes in each."""

    files: int = 10_000
    file_bytes: int = 100 << 20  # GitHub's own


# --- documents ---------------------------------------------------------------------------------


def read_results(
    folder: Path,
    *,
    plan: Plan,
    round: int,  # noqa: A002  the design's word
    share: int,
) -> ShareResults:
    """results.json of a work job. EnvironmentFault for what such a job never writes."""
    what = f"what share {share} left in {RESULTS_FILE}"
    results = document.read_file(folder / RESULTS_FILE, ShareResults, what=what)
    _believe(what, doubt.doubt_results(results, plan=plan, number=round, share=share))
    return document.shorten(results)


def read_verdict(folder: Path, *, history: History) -> Verdict:
    """verdict.json of the verify job. EnvironmentFault for what that job never writes."""
    what = "the verdict of the verify job"
    verdict = document.read_file(folder / VERDICT_FILE, Verdict, what=what)
    _believe(what, doubt.doubt_verdict(verdict, history=history))
    return document.shorten(verdict)


def read_history(data: bytes) -> History:
    """EnvironmentFault for what `write_history` never writes."""
    what = "the history of the run"
    return _credible(document.read(data, History, what=what), what)


def read_history_file(folder: Path) -> History:
    """The history.json in this folder. EnvironmentFault as for `read_history`."""
    what = f"the history of the run in {HISTORY_FILE}"
    return _credible(document.read_file(folder / HISTORY_FILE, History, what=what), what)


def write_history(history: History) -> bytes:
    """As JSON; the same history gives the same bytes."""
    written = json.dumps(asdict(history), indent=1, allow_nan=False, ensure_ascii=False)
    return written.encode("utf-8", "replace") + b"\n"


def _credible(history: History, what: str) -> History:
    _believe(what, doubt.doubt_history(history))
    return history


def _believe(what: str, doubts: Iterator[str]) -> None:
    for one in doubts:
        raise unfit(what, one)


# --- bundles -----------------------------------------------------------------------------------


def receive(objects: RunRepository, folder: Path, result: Result, *, run: str, base: str) -> str:
    """Bring in the commit of the result's bundle, as refs/concertmaster/received/<task>.

    Raises EnvironmentFault, and leaves nothing behind, when anything is not as the result says.
    """
    what = f"the bundle of {display(result.task)}"
    commit = object_id(result.head or result.work)
    pack = _read_bundle(
        folder, result, ref=f"refs/heads/concertmaster/{run}/{result.task}", base=base, what=what
    )
    with _quarantine(objects) as arriving:
        arriving.run("index-pack", "--stdin", "--fix-thin", "--strict", stdin=pack, what=what)
        _check_commit(arriving, result, commit, base=base, what=what)
        arriving.release()
    objects.pin(RECEIVED + result.task, commit)
    return commit


def _read_bundle(folder: Path, result: Result, *, ref: str, base: str, what: str) -> bytes:
    """The objects in the bundle, as a pack."""
    name = f"bundles/{result.task}.bundle"
    if result.bundle != name or "/" in result.task or (folder / "bundles").is_symlink():
        raise unfit(what, f"{result.bundle} is not where a bundle belongs")
    path = folder / name
    with document.open_plain(path, what=what, most_bytes=MOST_BUNDLE_BYTES) as descriptor:
        data = b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
    if hashlib.sha256(data).hexdigest() != result.sha256:
        raise unfit(what, "its sha256 differs from the one in the results")
    head, _, pack = data.partition(b"\n\n")
    needs, refs = _read_head(head[:MOST_HEAD_BYTES], what=what)
    if refs != {ref: result.head or result.work}:
        raise unfit(what, "it holds other refs than the one of the task")
    if not needs <= {base}:
        raise unfit(what, "it needs other commits than the base of the run")
    return pack


def _read_head(head: bytes, *, what: str) -> tuple[set[str], Mapping[str, str]]:
    """The commits that the bundle builds on, and its refs."""
    first, *lines = head.split(b"\n")
    if first not in (b"# v2 git bundle", b"# v3 git bundle"):
        raise unfit(what, "it is no bundle of git")
    needs, refs = set(), {}
    for line in lines:
        if need := _PREREQUISITE.fullmatch(line):
            needs.add(text(need[1]))
        elif ref := _REF.fullmatch(line):
            refs[text(ref[2])] = text(ref[1])
        elif not line.startswith(b"@object-format="):
            raise unfit(what, f"its head holds {text(line[:80])!r}")
    return needs, refs


class _Arriving:
    """Objects that are seen on top of the run's repository, and are not yet in it."""

    def __init__(self, objects: RunRepository, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._env = {
            "GIT_OBJECT_DIRECTORY": str(folder),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(str(objects.path / "objects")),
        }

    def ask(self, *args: str, stdin: bytes = b"") -> Answer:
        return self._objects.git.ask(*args, stdin=stdin, env=self._env)

    def run(self, *args: str, what: str, stdin: bytes = b"") -> str:
        """Stdout; the fault of the bundle when git fails."""
        answer = self.ask(*args, stdin=stdin)
        if answer.code != 0:
            raise unfit(what, f"git {args[0]}: {answer.err.strip()}")
        return text(answer.out).removesuffix("\n")

    def release(self) -> None:
        """Into the repository; the index last, as it is what makes git see a pack."""
        target = self._objects.path / "objects" / "pack"
        target.mkdir(exist_ok=True)
        for file in sorted(self._folder.glob("pack/pack-*"), key=lambda one: one.suffix == ".idx"):
            file.rename(target / file.name)


@contextmanager
def _quarantine(objects: RunRepository) -> Iterator[_Arriving]:
    folder = Path(tempfile.mkdtemp(prefix="arriving-", dir=objects.path))
    try:
        (folder / "pack").mkdir()
        yield _Arriving(objects, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_commit(
    arriving: _Arriving, result: Result, commit: str, *, base: str, what: str
) -> None:
    """It is whole, builds on the run's base and, where it is to land, was made by us."""
    arriving.run("rev-list", "--objects", "--quiet", commit, "--not", base, what=what)
    if arriving.ask("merge-base", "--is-ancestor", base, commit).code != 0:
        raise unfit(what, "it does not build on the base of the run")
    if not result.head:
        return
    parents = arriving.run("rev-parse", f"{commit}^@", what=what).split()
    if parents != [result.base]:
        raise unfit(what, "it is not one commit on the base of the task")
    people = "--format=%an <%ae>%n%cn <%ce>"
    lines = arriving.run("log", people, commit, "--not", base, what=what).split("\n")
    if {*lines} != {f"{OUR_NAME} <{OUR_EMAIL}>"}:
        raise unfit(what, "it holds commits that Concertmaster did not make")


# --- changes -----------------------------------------------------------------------------------


def check_change(
    objects: RunRepository, *, base: str, head: str, limits: Limits = Limits()
) -> tuple[str, ...]:
    """Reasons to refuse a change that the path policy does not know; empty when it may land."""
    too_many = f"it changes more than {limits.files} files"
    before, after = (count_files(objects, commit) for commit in (base, head))
    if after is None or after - (before or 0) > limits.files:
        return (too_many,)  # without a look at each: a few trees may stand for billions of files
    changes = objects.changes(base, head)
    if len(changes) > limits.files:
        return (too_many,)
    new = {one.path: one for one in changes if one.new_mode != ABSENT}
    added = [path for path, one in new.items() if one.old_mode == ABSENT]
    paths = records(objects.git.run("ls-tree", "-r", "-z", "--name-only", head))
    blobs = {path: one.blob for path, one in new.items() if one.new_mode not in (SYMLINK, GITLINK)}
    return (
        *portability.doubt_paths(new),
        *portability.find_twins(added, paths),
        *_doubt_blobs(objects, blobs, base=base, limits=limits),
    )


def _doubt_blobs(
    objects: RunRepository, blobs: Mapping[str, str], *, base: str, limits: Limits
) -> Iterator[str]:
    """`blobs` by path."""
    sizes = _sizes(objects, set(blobs.values()))
    known = set(objects.git.run("ls-tree", "-r", "--format=%(objectname)", base).split("\n"))
    small = {blob for blob, size in sizes.items() if size < LONGEST_POINTER} - known
    found = objects.read_objects(small)
    for path, blob in blobs.items():
        if sizes[blob] > limits.file_bytes:
            most = f"{limits.file_bytes >> 20} MB"
            yield f"{display(path)}: {sizes[blob] >> 20} MB are more than the {most} GitHub takes"
        if found.get(blob, b"").startswith(POINTER):
            yield f"{display(path)}: a file of Git LFS, whose content would not come along"


def _sizes(objects: RunRepository, blobs: set[str]) -> dict[str, int]:
    """In bytes."""
    wanted = "".join(f"{blob}\n" for blob in sorted(blobs)).encode()
    form = "--batch-check=%(objectname) %(objectsize)"
    lines = objects.git.run("cat-file", form, stdin=wanted).splitlines()
    return {blob: int(size) for blob, size in (line.split(" ") for line in lines)}

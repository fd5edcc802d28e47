"""Receives git bundles of other jobs through a quarantine."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from concertmaster.files import untrusted
from concertmaster.files.untrusted import unfit_file
from concertmaster.git.command import (
    OUR_EMAIL,
    OUR_NAME,
    GitAnswer,
    decode,
    parse_object_id,
    quoted,
)
from concertmaster.git.our_branches import REFERENCES, branch_of
from concertmaster.git.run_repository import RunRepository
from concertmaster.rounds.pack_size import measure_pack
from concertmaster.rounds.result import Result
from concertmaster.text.display import display
from concertmaster.text.object_ids import OBJECT_ID

RECEIVED = f"{REFERENCES}received/"
MOST_BUNDLE_BYTES = 500 << 20
MOST_HEAD_BYTES = 1 << 16  # the header before the pack
_PREREQUISITE = re.compile(f"-({OBJECT_ID})(?: .*)?".encode())
_REF = re.compile(rf"({OBJECT_ID}) (refs/\S+)".encode())


def receive_bundle(
    objects: RunRepository, folder: Path, result: Result, *, run: str, base: str
) -> str:
    """Pin the commit of the result's bundle as refs/concertmaster/received/<task>, and return it.

    Raises EnvironmentFault if anything is not as the result says. The repository is unchanged then.
    """
    what = f"the bundle of {display(result.task)}"
    commit = parse_object_id(result.head or result.work)
    pack = _read_bundle(
        folder, result, ref=f"refs/heads/{branch_of(run, result.task)}", base=base, what=what
    )
    with _quarantine(objects) as arriving:
        arriving.take_pack(pack, commit, what=what)
        _check_commit(arriving, result, commit, base=base, what=what)
        arriving.release()
    objects.pin(RECEIVED + result.task, commit)
    return commit


def receive_kept(objects: RunRepository, data: bytes, *, task: str, ref: str, commit: str) -> None:
    """Pin the commit of a bundle that a state branch keeps as refs/concertmaster/received/<task>.

    What the bundle needs must be in `objects`. Raises EnvironmentFault if it is not so or the
    bundle holds anything else. The repository is unchanged then.
    """
    what = f"the kept work of {display(task)}"
    head, _, pack = data.partition(b"\n\n")
    needs, refs = _read_head(head[:MOST_HEAD_BYTES], what=what)
    if refs != {ref: commit} or not all(map(objects.holds, needs)):
        raise unfit_file(what, "it does not hold the commit of the task, or needs others")
    with _quarantine(objects) as arriving:
        arriving.take_pack(pack, commit, what=what)
        known = [f"^{one}" for one in sorted(needs)]
        arriving.run("rev-list", "--objects", "--quiet", commit, *known, what=what)
        arriving.release()
    objects.pin(RECEIVED + task, commit)


def _read_bundle(folder: Path, result: Result, *, ref: str, base: str, what: str) -> bytes:
    """Return the objects of the bundle as a pack.

    Raises EnvironmentFault if place, size, digest, refs or prerequisites are not as expected.
    """
    name = f"bundles/{result.task}.bundle"
    if result.bundle != name or "/" in result.task or (folder / "bundles").is_symlink():
        raise unfit_file(what, f"{result.bundle} is not where a bundle belongs")
    path = folder / name
    with untrusted.open_plain(path, what=what, most_bytes=MOST_BUNDLE_BYTES) as descriptor:
        data = b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
    if hashlib.sha256(data).hexdigest() != result.sha256:
        raise unfit_file(what, "its sha256 differs from the one in the results")
    head, _, pack = data.partition(b"\n\n")
    needs, refs = _read_head(head[:MOST_HEAD_BYTES], what=what)
    if refs != {ref: result.head or result.work}:
        raise unfit_file(what, "it holds other refs than the one of the task")
    if not needs <= {base}:
        raise unfit_file(what, "it needs other commits than the base of the run")
    return pack


def _read_head(head: bytes, *, what: str) -> tuple[set[str], Mapping[str, str]]:
    """Return the prerequisite commits of the bundle and its refs."""
    first, *lines = head.split(b"\n")
    if first not in (b"# v2 git bundle", b"# v3 git bundle"):
        raise unfit_file(what, "it is no bundle of git")
    needs, refs = set(), {}
    for line in lines:
        if need := _PREREQUISITE.fullmatch(line):
            needs.add(decode(need[1]))
        elif ref := _REF.fullmatch(line):
            refs[decode(ref[2])] = decode(ref[1])
        elif not line.startswith(b"@object-format="):
            raise unfit_file(what, f"its head holds {decode(line[:80])!r}")
    return needs, refs


class _QuarantinedObjects:
    """Received objects in a folder of their own, on top of those of the run's repository."""

    def __init__(self, objects: RunRepository, folder: Path) -> None:
        self._objects = objects
        self._folder = folder
        self._env = {
            "GIT_OBJECT_DIRECTORY": str(folder),
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": quoted(str(objects.path / "objects")),
        }

    def ask(self, *args: str, stdin: bytes = b"") -> GitAnswer:
        return self._objects.git.ask(*args, stdin=stdin, env=self._env)

    def run(self, *args: str, what: str, stdin: bytes = b"") -> str:
        """Return the output of git. Raises the fault of the bundle if git fails."""
        answer = self.ask(*args, stdin=stdin)
        if answer.code != 0:
            raise unfit_file(what, f"git {args[0]}: {answer.err.strip()}")
        return decode(answer.out).removesuffix("\n")

    def take_pack(self, pack: bytes, commit: str, *, what: str) -> None:
        """Write the objects of the pack. `commit` is an id of the repository's format.

        Raises the fault of the bundle if the pack inflates to too much or git refuses it.
        """
        try:
            measure_pack(pack, id_bytes=len(commit) // 2)
        except ValueError as error:
            raise unfit_file(what, str(error)) from error
        self.run("index-pack", "--stdin", "--fix-thin", "--strict", stdin=pack, what=what)

    def release(self) -> None:
        """Move the packs into the repository.

        The index moves last, because git sees a pack as soon as its index is there.
        """
        target = self._objects.path / "objects" / "pack"
        target.mkdir(exist_ok=True)
        for file in sorted(self._folder.glob("pack/pack-*"), key=lambda one: one.suffix == ".idx"):
            file.rename(target / file.name)


@contextmanager
def _quarantine(objects: RunRepository) -> Iterator[_QuarantinedObjects]:
    folder = Path(tempfile.mkdtemp(prefix="arriving-", dir=objects.path))
    try:
        (folder / "pack").mkdir()
        yield _QuarantinedObjects(objects, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _check_commit(
    arriving: _QuarantinedObjects, result: Result, commit: str, *, base: str, what: str
) -> None:
    """Check that the commit is complete and builds on the run's base.

    A commit that is to land must also be a single one with our identity. Raises EnvironmentFault.
    """
    arriving.run("rev-list", "--objects", "--quiet", commit, "--not", base, what=what)
    if arriving.ask("merge-base", "--is-ancestor", base, commit).code != 0:
        raise unfit_file(what, "it does not build on the base of the run")
    if not result.head:
        return
    parents = arriving.run("rev-parse", f"{commit}^@", what=what).split()
    if parents != [result.base]:
        raise unfit_file(what, "it is not one commit on the base of the task")
    people = "--format=%an <%ae>%n%cn <%ce>"
    lines = arriving.run("log", people, commit, "--not", base, what=what).split("\n")
    if {*lines} != {f"{OUR_NAME} <{OUR_EMAIL}>"}:
        raise unfit_file(what, "it holds commits that Concertmaster did not make")

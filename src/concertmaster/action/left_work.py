"""Packs what agents left beside their changes into the artifact of a work job.

The runner is gone when a person reads the notes, so the notes name places in the artifact.
"""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.action.job import Job
from concertmaster.text.redaction import redact_lines

FOLDER = "left"
MOST_LEFT_BYTES = 50 << 20  # of one share, before they are packed
MOST_LEFT_FILES = 20_000
_LONGEST_NAME = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftWork:
    """What one share keeps of it.

    `source` is the folder on the runner, `artifact` the name of the artifact. `lost` are the
    entries that are too large, `cut` those of which a part is.
    """

    source: Path
    artifact: str
    lost: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()

    def tell(self, notes: Sequence[str]) -> tuple[str, ...]:
        """Return the notes with places in the artifact; those that name one come first."""
        here, there = f"{self.source}/", f"{self.artifact}/{FOLDER}/"
        told = [note.replace(here, there) + self._limit(note) for note in notes]
        return tuple(sorted(told, key=lambda note: there not in note))

    def _limit(self, note: str) -> str:
        most = f"{MOST_LEFT_BYTES >> 20} MiB or {MOST_LEFT_FILES:,} files"
        if any(f"{self.source}/{name}" in note for name in self.lost):
            return f"; it is lost with the runner, because all that was left is more than {most}"
        if any(f"{self.source}/{name}" in note for name in self.cut):
            return (
                f"; a part is lost with the runner, because all that was left is more than {most}"
            )
        return ""


class PackRoom:
    """The bytes and files that the artifact still takes."""

    def __init__(self) -> None:
        self.size, self.files = MOST_LEFT_BYTES, MOST_LEFT_FILES

    def take(self, size: int) -> bool:
        """Return whether one more file of this size fits; it is then counted."""
        if size > self.size or not self.files:
            return False
        self.size -= size
        self.files -= 1
        return True


def pack_left_work(job: Job, source: Path, artifact: Path) -> LeftWork:
    """Pack each entry of `source`, the smallest first, into the folder of the artifact.

    A bundle stays a file. A folder becomes an archive, because GitHub takes neither every name nor
    every kind of file. Secrets are removed from the files of an archive.
    """
    room, lost, cut = PackRoom(), list[str](), list[str]()
    for entry in sorted(_entries(source), key=_size):
        place = artifact / FOLDER
        place.mkdir(exist_ok=True)
        packed, missed = _pack(job, entry, place, room)
        if missed:
            (cut if packed else lost).append(entry.name)
    return LeftWork(
        source=source, artifact=artifact.name, lost=tuple(lost), cut=tuple(cut)
    )  # fmt: skip


def _entries(source: Path) -> list[Path]:
    if not source.is_dir() or source.is_symlink():
        return []
    return [entry for entry in source.iterdir() if len(entry.name) <= _LONGEST_NAME]


def _size(entry: Path) -> tuple[int, str]:
    """Return the bytes of a file or of all files of a folder, and the name."""
    return sum(path.lstat().st_size for path in _walk(entry)), entry.name


def _walk(entry: Path) -> Iterator[Path]:
    """Yield the files and links of an entry. Links are not followed."""
    if entry.is_symlink() or not entry.is_dir():
        yield entry
        return
    for folder, folders, files in os.walk(entry):
        here = Path(folder)
        yield from (here / name for name in sorted(files))
        yield from (here / name for name in sorted(folders) if (here / name).is_symlink())


def _pack(job: Job, entry: Path, place: Path, room: PackRoom) -> tuple[bool, bool]:
    """Pack an entry; return whether anything of it was packed, and whether anything was not."""
    if stat.S_ISREG(entry.lstat().st_mode):
        fits = room.take(entry.lstat().st_size)
        if fits:
            shutil.copyfile(entry, place / entry.name, follow_symlinks=False)
        return fits, not fits
    packed = missed = False
    archive = place / f"{entry.name}.tar.gz"
    with tarfile.open(archive, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for path in _walk(entry):
            fits = _add(job, tar, path, top=entry.parent, room=room)
            packed, missed = packed or fits, missed or not fits
    if not packed:
        archive.unlink()
    return packed, missed


def _add(job: Job, tar: tarfile.TarFile, path: Path, *, top: Path, room: PackRoom) -> bool:
    """Add a file or a link to the archive; return whether it is there."""
    facts = path.lstat()
    name = job.redact(os.fsencode(path.relative_to(top)).decode("utf-8", "replace"))
    member = tarfile.TarInfo(name)
    if stat.S_ISLNK(facts.st_mode):
        target = os.fsencode(path.readlink()).decode("utf-8", "replace")
        member.type, member.linkname = tarfile.SYMTYPE, job.redact(target)
        fits = room.take(0)
        if fits:
            tar.addfile(member)
        return fits
    if not stat.S_ISREG(facts.st_mode) or not room.take(facts.st_size):
        return False
    with path.open("rb") as lines:
        data = b"".join(redact_lines(lines, secrets=job.secrets))
    member.size, member.mtime, member.mode = len(data), int(facts.st_mtime), facts.st_mode & 0o777
    tar.addfile(member, io.BytesIO(data))
    return True

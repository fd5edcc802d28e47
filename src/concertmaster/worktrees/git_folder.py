"""Reads a repository that an agent could write to, as plain files.

No git runs in it: git would run what its configuration names.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.files.untrusted import open_plain
from concertmaster.text.object_ids import OBJECT_ID
from concertmaster.worktrees.removal import is_folder

MOST_IDS = 20_000
_MOST_TEXT_BYTES = 4 << 20  # of one reference, log or state of a merge
_MOST_INDEX_BYTES = 256 << 20
_MOST_LINKS = 5  # references that name another one
_ID = re.compile(rf"(?<![0-9a-f]){OBJECT_ID}(?![0-9a-f])")
_NO_REFERENCES = frozenset({"objects", "modules", "hooks", "index", "config", "description"})
_NULL = re.compile("0+")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitFolder:
    """The folder of an agent's repository: what is `.git` elsewhere."""

    path: Path

    @property
    def objects(self) -> Path:
        """Return the folder of its objects."""
        return self.path / "objects"

    def object_ids(self) -> list[str]:
        """Return the ids that its references, logs and unfinished commands name."""
        found = dict[str, None]()
        for file in _files_below(self.path):
            found |= dict.fromkeys(_ID.findall(_read_text(file)))
            if len(found) > MOST_IDS:
                break
        return [one for one in found if not _NULL.fullmatch(one)][:MOST_IDS]

    def remote_ids(self) -> list[str]:
        """Return the ids of its remote-tracking branches."""
        packed = _read_text(self.path / "packed-refs").split("\n")
        lines = [line for line in packed if " refs/remotes/" in line]
        files = _files_below(self.path / "refs" / "remotes")
        return list(dict.fromkeys(_ID.findall("\n".join([*lines, *map(_read_text, files)]))))

    def head(self) -> str:
        """Return the id of the commit that is checked out, "" if there is none."""
        text = _read_text(self.path / "HEAD").strip()
        for _ in range(_MOST_LINKS):
            if not text.startswith("ref: refs/") or ".." in text:
                break
            text = self._reference(text.removeprefix("ref: "))
        return text if _ID.fullmatch(text) else ""

    def _reference(self, name: str) -> str:
        found = _read_text(self.path / name).strip()
        ending = f" {name}"
        packed = _read_text(self.path / "packed-refs").split("\n") if not found else []
        return found or next((line.split(" ")[0] for line in packed if line.endswith(ending)), "")

    def text(self, name: str) -> str:
        """Return the text of a file in it, "" if there is none that can be read."""
        return _read_text(self.path / name)

    def index(self) -> bytes:
        """Return its index, b"" if there is none that can be read."""
        return _read(self.path / "index", _MOST_INDEX_BYTES)

    def has_file_of(self, object_id: str) -> bool:
        """Return whether it has a file of its own for the object, readable or not."""
        return os.path.lexists(self.objects / object_id[:2] / object_id[2:])

    def alternates(self) -> bytes:
        """Return the list of the other folders that it has objects in."""
        return _read(self.objects / "info" / "alternates", _MOST_TEXT_BYTES)

    def is_empty(self) -> bool:
        """Return whether it has no objects of its own."""
        return not any(stat.S_ISREG(mode) for mode in _modes_below(self.objects))

    def is_plain(self, alternates: bytes) -> bool:
        """Return whether git can read its objects and is not led elsewhere.

        `alternates` is what the list of other folders must be.
        """
        kinds = {stat.S_IFMT(mode) for mode in _modes_below(self.objects)}
        is_ours = is_folder(self.path) and is_folder(self.objects)
        return is_ours and kinds <= {stat.S_IFREG} and self.alternates() == alternates


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield the files that can name objects."""
    for above, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NO_REFERENCES)
        yield from (Path(above, name) for name in sorted(files) if name not in _NO_REFERENCES)


def _modes_below(objects: Path) -> Iterator[int]:
    """Yield the mode of everything below but folders and lists of other folders."""
    for above, folders, files in os.walk(objects):
        for name in (*folders, *files):
            with suppress(FileNotFoundError):
                mode = os.lstat(Path(above, name)).st_mode
                if not stat.S_ISDIR(mode) and not above.endswith("/objects/info"):
                    yield mode


def _read_text(file: Path) -> str:
    return _read(file, _MOST_TEXT_BYTES).decode("utf-8", "replace")


def _read(file: Path, most_bytes: int) -> bytes:
    with (
        suppress(EnvironmentFault, OSError),
        open_plain(file, what="a file of git", most_bytes=most_bytes) as descriptor,
    ):
        return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))
    return b""


def write_reference(place: Path, commit: str) -> None:
    """Write a reference of git as a file."""
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(f"{commit}\n", encoding="ascii")

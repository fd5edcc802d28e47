"""Reads the files and the history of commits from git objects, within bounds."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from concertmaster.git.command import decode, parse_object_id, split_records
from concertmaster.git.repository import Repository
from concertmaster.insight.change_distance import Changes, parse_changes
from concertmaster.insight.facts_cache import FactsCache, dump_all, load_kept
from concertmaster.insight.file_facts import MAX_BYTES, NOTHING, FileFacts, study_file
from concertmaster.insight.history import PastCommit

HISTORY = 600  # commits that are learnt from
MAX_FILES = 8_000  # files whose content is read
MAX_TOTAL_BYTES = 64 * 1024 * 1024  # of their content
BATCH_BYTES = 8 * 1024 * 1024  # read at once
MAX_MESSAGE = 8_000  # characters
_FILE_MODES = {"100644", "100755"}
_NO_TEXT = frozenset(
    """7z a avi bin bmp bz2 class dat db dll dylib eot exe gif gz ico jar jpeg jpg map min.js mov
    mp3 mp4 o ogg otf pdf png pyc so svg tar tgz tif tiff ttf wasm wav webm webp whl woff woff2 xz
    zip zst""".split()
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedFile:
    """A file of a tree; `size` is in bytes."""

    path: str
    blob: str
    size: int


class RepositoryReader:
    """Reads one repository; facts of a blob are studied once, and kept in the cache."""

    def __init__(self, repository: Repository, cache: FactsCache) -> None:
        self.repository = repository
        self.cache = cache
        self._facts: dict[str, FileFacts] = {}

    def history(self, commit: str, *, count: int = HISTORY) -> tuple[PastCommit, ...]:
        """Return the last commits that lead to `commit`, newest first, without merges.

        A commit without a parent has no paths.
        """
        git = self.repository.git
        which = ("--no-merges", f"--max-count={count}", parse_object_id(commit))
        log = git.ask("log", "-z", "--encoding=UTF-8", "--format=%H%n%B", *which)
        messages = {
            record[:at]: record[at + 1 : at + MAX_MESSAGE].strip()
            for record in split_records(log.out)
            if (at := record.find("\n")) > 0
        }
        wanted = "".join(f"{sha}\n" for sha in messages).encode()
        # A first commit, also that of a shallow clone, adds files that do not change together.
        options = ("--stdin", "-r", "-z", "--name-only", "--no-renames")
        changed = git.ask("diff-tree", *options, stdin=wanted)
        paths: dict[str, list[str]] = {sha: [] for sha in messages}
        current: list[str] = []
        for entry in split_records(changed.out):
            sha = entry.removesuffix("\n")
            if sha in paths:
                current = paths[sha]
            else:
                current.append(entry)
        return tuple(
            PastCommit(id=sha, message=message, paths=tuple(paths[sha]))
            for sha, message in messages.items()
        )

    def changes(self, commits: Sequence[str]) -> tuple[Changes, ...]:
        """Return the changed lines of each commit by path."""
        wanted = "".join(f"{parse_object_id(sha)}\n" for sha in commits).encode()
        options = ("--stdin", "-r", "-p", "-U0", "--no-renames", "--no-ext-diff", "--no-textconv")
        git = ("-c", "core.quotePath=false", "diff-tree")
        out = self.repository.git.ask(*git, *options, stdin=wanted).out if commits else b""
        found = parse_changes(decode(out), frozenset(commits))
        return tuple(found.get(sha, {}) for sha in commits)

    def list_files(self, commit: str) -> tuple[ListedFile, ...]:
        """Return the files of the commit, without links and submodules."""
        out = self.repository.git.ask("ls-tree", "-r", "-z", "--long", parse_object_id(commit)).out
        found = []
        for record in decode(out).split("\0"):
            facts, tab, path = record.partition("\t")
            if tab and (words := facts.split())[0] in _FILE_MODES:
                size = int(words[3]) if words[3].isdecimal() else 0
                found.append(ListedFile(path=path, blob=words[2], size=size))
        return tuple(found)

    def facts(
        self, files: Sequence[ListedFile], *, first: Iterable[str] = ()
    ) -> dict[str, FileFacts]:
        """Return the facts of each file by path.

        Files in `first` are read before others, in case that there are too many to read all.
        """
        chosen = choose_files(files, first=first)
        missing = {file.blob: file.size for file in chosen if file.blob not in self._facts}
        self._facts.update(load_kept(self.cache.read(missing)))
        unknown = [blob for blob in missing if blob not in self._facts]
        self._study({blob: missing[blob] for blob in unknown})
        self.cache.write(dump_all(self._facts, unknown))
        blobs = {file.path: file.blob for file in chosen}
        return {
            file.path: self._facts[file.blob] if file.path in blobs else NOTHING for file in files
        }

    def _study(self, sizes: dict[str, int]) -> None:
        """Read blobs and study them, some megabytes at a time."""
        batch: list[str] = []
        total = 0
        for blob, size in sizes.items():
            batch.append(blob)
            total += size
            if total >= BATCH_BYTES:
                self._study_batch(batch)
                batch, total = [], 0
        self._study_batch(batch)

    def _study_batch(self, blobs: Sequence[str]) -> None:
        for blob, data in self.repository.read_blobs(blobs).items():
            self._facts[blob] = study_file(data)
        for blob in blobs:
            self._facts.setdefault(blob, NOTHING)


def choose_files(
    files: Sequence[ListedFile], *, first: Iterable[str] = ()
) -> tuple[ListedFile, ...]:
    """Return the files whose content is read: no binary or large ones, within the bounds."""
    rank = {path: number for number, path in enumerate(first)}
    ordered = sorted(files, key=lambda file: (rank.get(file.path, len(rank)), file.path))
    total, found = 0, []
    for file in islice((f for f in ordered if _is_readable(f)), MAX_FILES):
        total += file.size
        if total > MAX_TOTAL_BYTES:
            break
        found.append(file)
    return tuple(found)


def _is_readable(file: ListedFile) -> bool:
    name = posixpath.basename(file.path).lower()
    endings = {name.rpartition(".")[2], name.partition(".")[2]}
    return 0 < file.size <= MAX_BYTES and not endings & _NO_TEXT

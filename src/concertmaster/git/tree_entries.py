"""Writes single files into trees, and reads their attributes; an index of the whole is not made.

Reading a tree of 100,000 files into an index takes a third of a second.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path

from concertmaster.errors import GitFault
from concertmaster.git.command import Git, decode, parse_object_id, split_records
from concertmaster.git.merge_conflict import FileVersion

ATTRIBUTES = ".gitattributes"
_FOLDER, _GITLINK = "40000", "160000"
Entries = dict[str, tuple[str, str]]  # mode and id by name


def put_entries(git: Git, tree: str, entries: Mapping[str, FileVersion]) -> str:
    """Return the id of the tree or commit's tree with these files at their paths.

    Only the folders of the paths are read and written. Raises GitFault when a folder of a path is
    a file in the tree, or a path is a folder.
    """
    below: dict[str, dict[str, FileVersion]] = {}
    folder = _read_folder(git, tree)
    for path, entry in entries.items():
        name, _, rest = path.partition("/")
        if rest:
            below.setdefault(name, {})[rest] = entry
        else:
            _put(folder, name, (entry.mode, parse_object_id(entry.blob)))
    for name, inner in below.items():
        there = folder.get(name, (_FOLDER, ""))
        _put(folder, name, (_FOLDER, there[1]))
        folder[name] = (_FOLDER, put_entries(git, there[1], inner))
    return _write_folder(git, folder)


def _put(folder: Entries, name: str, entry: tuple[str, str]) -> None:
    """Put an entry into a folder. Raises GitFault if one is a folder and the other is not."""
    there = folder.get(name, entry)
    if (there[0] == _FOLDER) != (entry[0] == _FOLDER):
        raise GitFault(f"{name} is a folder on one side and a file on the other")
    folder[name] = entry


def _read_folder(git: Git, tree: str) -> Entries:
    """Return the entries of a tree or commit, not of its folders; none without an id."""
    if not tree:
        return {}
    name = f"{parse_object_id(tree)}^{{tree}}"
    data = git.ask("cat-file", "--batch", stdin=f"{name}\n".encode()).out
    header, _, content = data.partition(b"\n")
    fields = header.split(b" ")
    if len(fields) != 3:  # id, kind, size
        raise GitFault(f"{tree} is no tree")
    return dict(_split_tree(content[: int(fields[2])], size=len(tree) // 2))


def _split_tree(content: bytes, *, size: int) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield name, mode and id of each entry; an id has `size` bytes."""
    at = 0
    while at < len(content):
        end = content.index(b"\0", at)
        mode, _, name = content[at:end].partition(b" ")
        at = end + 1 + size
        yield decode(name), (mode.decode(), content[end + 1 : at].hex())


def _write_folder(git: Git, folder: Entries) -> str:
    kinds = {_FOLDER: "tree", _GITLINK: "commit"}
    lines = (
        f"{mode} {kinds.get(mode, 'blob')} {sha}\t{name}\0" for name, (mode, sha) in folder.items()
    )
    return git.run("mktree", "-z", "--missing", stdin=os.fsencode("".join(lines)))


def find_attribute(repository: Path, tree: str, name: str, paths: Sequence[str]) -> dict[str, str]:
    """Return the value of an attribute by path, as the files of the tree say.

    The value is "unspecified" where nothing says it.
    """
    sources = {f"{folder}{ATTRIBUTES}" for path in paths for folder in _above(path)}
    found = Git(repository, git_dir=repository, private=True).run(
        "ls-tree", "-z", parse_object_id(tree), "--", *sorted(sources)
    )
    entries = [record for record in split_records(found) if " blob " in record]
    wanted = os.fsencode("".join(f"{path}\0" for path in paths))
    with tempfile.TemporaryDirectory(dir=repository) as folder:
        index = Path(folder) / "index"
        git = Git(repository, git_dir=repository, index=index, private=True)
        git.run("update-index", "-z", "--index-info", stdin=os.fsencode("\0".join(entries)))
        answer = git.ask("check-attr", "--cached", "-z", "--stdin", name, stdin=wanted)
    fields = split_records(answer.out)
    return dict(zip(fields[::3], fields[2::3], strict=True))


def _above(path: str) -> list[str]:
    """Return the folders above a path, each with its slash; the first one is empty."""
    return list(accumulate(path.split("/")[:-1], lambda above, part: f"{above}{part}/", initial=""))


def write_empty_tree(git: Git) -> str:
    """Return the id of the tree without any file."""
    return parse_object_id(git.run("mktree", stdin=b"").strip())

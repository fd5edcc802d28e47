"""Tells which filters encrypt: by their names, their programs, and the files of a commit."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from concertmaster.git.command import Git, parse_object_id, split_records
from concertmaster.git.repository import Repository

_MOST_LOOKS = 20  # files of one filter
_READ_BYTES = 64 << 10
# Programs that people use in filters, and names that they give to such filters.
_NAMES = re.compile(
    r"(?<![\w-])(?:(?:git-?age-?|git-|trans|en|de)?crypt|sops|gpg2?|age|rage|openssl|strongbox"
    r"|ejson|ansible-vault)(?![\w.])",
    re.IGNORECASE,
)
# Beginnings of files by git-crypt, openssl, age, gpg, ansible-vault and strongbox.
_STARTS = (
    b"\0GITCRYPT",
    b"U2FsdGVkX1",
    b"Salted__",
    b"age-encryption.org/v1",
    b"-----BEGIN AGE ENCRYPTED FILE-----",
    b"-----BEGIN PGP MESSAGE-----",
    b"$ANSIBLE_VAULT;",
    b"# STRONGBOX ENCRYPTED RESOURCE",
)
_SOPS = b"ENC[AES256_GCM,"


def names_encryption(text: str) -> bool:
    """Return whether the name or the command of a filter names a program that encrypts."""
    return _NAMES.search(text) is not None


def is_encrypted(data: bytes) -> bool:
    """Return whether the content looks like that of a file which a known program encrypted."""
    return data.startswith(_STARTS) or _SOPS in data[:_READ_BYTES]


def list_filtered(user: Repository, commit: str, names: Iterable[str]) -> dict[str, list[str]]:
    """Return the files of the commit that have one of these filters, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        git = Git(user.root, git_dir=user.git_dir, index=index, private=False)
        git.run("read-tree", parse_object_id(commit))
        listed = git.ask("ls-files", "-z").out
        answer = git.ask("check-attr", "--cached", "-z", "--stdin", "filter", stdin=listed)
    found: dict[str, list[str]] = {name: [] for name in names}
    records = split_records(answer.out)
    for path, name in zip(records[::3], records[2::3], strict=False):
        if name in found:
            found[name].append(path)
    return {name: paths for name, paths in found.items() if paths}


def find_encrypted(user: Repository, commit: str, paths: Sequence[str]) -> str:
    """Return the first of the commit's files at the paths that is encrypted, "" if none is."""
    for path in paths[:_MOST_LOOKS]:
        if is_encrypted(user.read_file(commit, path) or b""):
            return path
    return ""

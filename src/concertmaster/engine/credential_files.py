"""Makes the files that variables name readable to the user of an attempt."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from concertmaster.agents.clouds import CREDENTIAL_FILES
from concertmaster.sandbox.users import Account

LARGEST_FILE_BYTES = 1 << 20


@contextmanager
def readable_files(
    environment: Mapping[str, str], *, account: Account | None, folder: Path, prefix: str
) -> Iterator[dict[str, str]]:
    """Yield the environment; with an account it names copies that only the account can read.

    The copies lie in a folder of their own below `folder`, which the account cannot change, and
    are removed afterwards. A file that cannot be read, or is larger than LARGEST_FILE_BYTES, stays
    as it is named.
    """
    named = sorted(CREDENTIAL_FILES & environment.keys())
    if account is None or not named:
        yield dict(environment)
        return
    with TemporaryDirectory(prefix=prefix, dir=folder) as place:
        Path(place).chmod(0o711)
        found = dict(environment)
        for name in named:
            with suppress(OSError):
                _copy(Path(environment[name]), Path(place, name), uid=account.uid)
                found[name] = str(Path(place, name))
        yield found


def _copy(source: Path, copy: Path, *, uid: int) -> None:
    with source.open("rb") as file:
        data = file.read(LARGEST_FILE_BYTES + 1)
    if len(data) > LARGEST_FILE_BYTES:
        raise OSError("a part of a file would be a file of another meaning")
    with os.fdopen(os.open(copy, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o400), "wb") as written:
        written.write(data)
        os.fchown(written.fileno(), uid, uid)

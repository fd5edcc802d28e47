"""The user of an attempt can read the files that its agent's variables name, and nobody else."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.engine.credential_files import LARGEST_FILE_BYTES, readable_files
from concertmaster.sandbox.users import Account
from tests.isolation import make_open_folder, needs_root

UID = 70_002


@pytest.fixture
def folder() -> Iterator[Path]:
    yield from make_open_folder()


def test_without_a_user_of_its_own_nothing_is_copied(tmp_path: Path) -> None:
    given = {"GOOGLE_APPLICATION_CREDENTIALS": "/key.json", "OTHER": "x"}

    with readable_files(given, account=None, folder=tmp_path, prefix="k") as found:
        assert found == given
        assert not [*tmp_path.iterdir()]


@needs_root
def test_the_user_reads_a_copy_that_is_gone_afterwards(folder: Path) -> None:
    key = folder / "key.json"
    key.write_text("the key")
    key.chmod(0o600)
    large = folder / "large"
    large.write_bytes(b"x" * (LARGEST_FILE_BYTES + 1))
    given = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(key),
        "AWS_CONFIG_FILE": str(folder / "missing"),
        "SSL_CERT_FILE": str(large),
    }

    account = Account(uid=UID)
    with readable_files(given, account=account, folder=folder, prefix="k") as found:
        copy = Path(found["GOOGLE_APPLICATION_CREDENTIALS"])
        assert read_as(UID, copy) == "the key"
        assert read_as(UID + 2, copy) == ""
        for name in ("AWS_CONFIG_FILE", "SSL_CERT_FILE"):
            assert found[name] == given[name]
    assert not copy.exists()


def read_as(uid: int, path: Path) -> str:
    done = subprocess.run(
        ["cat", str(path)],
        user=uid,
        group=uid,
        extra_groups=[],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout

"""Tests the measure of what a pack inflates to, against packs of git and made-up ones."""

from __future__ import annotations

import hashlib
import random
import subprocess
import zlib
from pathlib import Path

import pytest

from concertmaster.rounds.pack_size import measure_pack


def make_pack(*objects: tuple[int, bytes, bytes]) -> bytes:
    """Return a pack of objects, each with its kind, what stands before its data, and its data."""
    body = b"PACK" + (2).to_bytes(4, "big") + len(objects).to_bytes(4, "big")
    for kind, before, data in objects:
        size = len(data)
        head = [kind << 4 | size & 15]
        size >>= 4
        while size:
            head[-1] |= 0x80
            head.append(size & 127)
            size >>= 7
        body += bytes(head) + before + zlib.compress(data)
    return body + hashlib.sha1(body, usedforsecurity=False).digest()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    return tmp_path


def test_a_pack_of_git_is_as_large_as_its_objects(folder: Path) -> None:
    text = random.Random(7).randbytes(200_000).hex()
    for number, data in enumerate([text, f"{text}more", "x", ""]):
        (folder / f"{number}.txt").write_text(data)
    git = ["git", "-C", str(folder)]
    ids = [
        subprocess.run(
            [*git, "hash-object", "-w", name], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in ("0.txt", "1.txt", "2.txt", "3.txt")
    ]
    listed = "\n".join(ids).encode()
    pack = subprocess.run(
        [*git, "pack-objects", "--stdout", "--delta-base-offset", "-q"],
        input=listed,
        check=True,
        capture_output=True,
    ).stdout
    assert measure_pack(pack, id_bytes=20) == 2 * len(text) + len("more") + 1
    assert len(pack) < 1.5 * len(text)  # one is a delta of the other


def test_a_delta_counts_as_what_it_makes() -> None:
    """The delta says that it makes 5 million bytes of a base of one."""
    makes = 5_000_000
    number = bytes(
        [makes & 127 | 128, makes >> 7 & 127 | 128, makes >> 14 & 127 | 128, makes >> 21]
    )
    pack = make_pack((7, bytes(20), b"\1" + number + b"\x91\0\1"))
    assert measure_pack(pack, id_bytes=20) == makes
    with pytest.raises(ValueError, match="more than"):
        measure_pack(pack, id_bytes=20, most=makes - 1)


def test_what_inflates_to_too_much_is_refused_before_it_is_inflated() -> None:
    bomb = make_pack((3, b"", bytes(50 << 20)), (3, b"", bytes(50 << 20)))
    assert len(bomb) < 200_000
    with pytest.raises(ValueError, match="bytes"):
        measure_pack(bomb, id_bytes=20, most=60 << 20)


@pytest.mark.parametrize(
    "pack",
    [
        b"",
        b"PACK",
        b"JUNK" + bytes(40),
        make_pack((3, b"", b"x" * 100))[:20],
        b"PACK" + b"\xff" * 9,
    ],
)
def test_what_is_no_pack_is_refused(pack: bytes) -> None:
    with pytest.raises(ValueError, match="it "):
        measure_pack(pack, id_bytes=20)

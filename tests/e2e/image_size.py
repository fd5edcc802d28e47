"""Measures an image: on disk by layer, and compressed as in a registry."""

from __future__ import annotations

import json
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, NamedTuple

from tests.e2e.engine import CACHE, Engine

CHUNK_BYTES = 1 << 20
MEGABYTE = 1_000_000


class Layer(NamedTuple):
    """A layer of an image, with its sizes in bytes."""

    made_by: str
    on_disk: int
    compressed: int


def layers(engine: Engine, image: str) -> list[Layer]:
    """Return the layers that are not empty, those of the base first."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=CACHE) as place:
        archive = Path(place) / "image.tar"
        engine.ask("save", "--output", archive, image)
        with tarfile.open(archive) as file:
            return list(_read(file))


def tabulate(found: Sequence[Layer]) -> str:
    """Return a table to print."""
    total = Layer("total", sum(it.on_disk for it in found), sum(it.compressed for it in found))
    rows = [
        f"{it.on_disk / MEGABYTE:8.1f} MB {it.compressed / MEGABYTE:8.1f} MB  {it.made_by[:80]}"
        for it in (*found, total)
    ]
    return "\n".join([f"{'on disk':>11} {'gzip':>11}  layer", *rows, ""])


def _read(file: tarfile.TarFile) -> Iterator[Layer]:
    (manifest,) = json.load(_open(file, "manifest.json"))
    history = json.load(_open(file, manifest["Config"]))["history"]
    made_by = [one.get("created_by", "") for one in history if not one.get("empty_layer")]
    for name, words in zip(manifest["Layers"], made_by, strict=True):
        member = file.getmember(name)
        while member.issym() or member.islnk():
            member = file.getmember(str(Path(name).parent / member.linkname).lstrip("./"))
        plain = re.sub(r"^/bin/sh -c |#\(nop\)|\s+", " ", words).strip()
        yield Layer(plain, member.size, _compressed(_open(file, member)))


def _open(file: tarfile.TarFile, member: str | tarfile.TarInfo) -> IO[bytes]:
    found = file.extractfile(member)
    assert found
    return found


def _compressed(data: IO[bytes]) -> int:
    """Return the size with gzip's default level, which registries use."""
    packer = zlib.compressobj()
    size = sum(len(packer.compress(chunk)) for chunk in iter(lambda: data.read(CHUNK_BYTES), b""))
    return size + len(packer.flush())

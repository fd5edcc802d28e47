"""Measures what a pack of git inflates to, without keeping any of it.

50 bytes of a pack can stand for half a gigabyte, and git has no limit on that.
"""

from __future__ import annotations

import zlib

MOST_INFLATED_BYTES = 2 << 30
_HEADER = 12
_FEED = 1 << 16
_TAKE = 1 << 20
_OFFSET_DELTA, _ID_DELTA = 6, 7


def measure_pack(pack: bytes, *, id_bytes: int, most: int = MOST_INFLATED_BYTES) -> int:
    """Return the bytes of all objects of the pack; a delta counts as what it makes.

    `id_bytes` is the length of an object id. Raises ValueError if they are more than `most` or this
    is no pack.
    """
    if pack[:4] != b"PACK" or len(pack) < _HEADER:
        raise ValueError("it is no pack of git")
    place, total = _HEADER, 0
    for _ in range(int.from_bytes(pack[8:_HEADER], "big")):
        kind, place = _read_kind(pack, place)
        if kind == _ID_DELTA:
            place += id_bytes
        elif kind == _OFFSET_DELTA:
            _, place = _read_number(pack, place)
        size, place = _measure_object(pack, place, kind=kind, most=most - total)
        total += size
        if total > most:
            raise ValueError(f"its objects have more than {most} bytes")
    return total


def _read_kind(pack: bytes, place: int) -> tuple[int, int]:
    """Return the kind of the object at this place, and the place behind its size."""
    kind = _byte(pack, place) >> 4 & 7
    while _byte(pack, place) & 0x80:
        place += 1
    return kind, place + 1


def _read_number(data: bytes, place: int) -> tuple[int, int]:
    """Return a number that is written with 7 bits a byte, and the place behind it."""
    number = shift = 0
    while True:
        byte = _byte(data, place)
        number |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if not byte & 0x80:
            return number, place


def _measure_object(pack: bytes, place: int, *, kind: int, most: int) -> tuple[int, int]:
    """Return the bytes of the object that is compressed at this place, and the place behind it."""
    stream, start, size = zlib.decompressobj(), b"", 0
    while not stream.eof:
        chunk = stream.unconsumed_tail or pack[place : place + _FEED]
        if not chunk:
            raise ValueError("it ends in the middle of an object")
        if not stream.unconsumed_tail:
            place += len(chunk)
        try:
            data = stream.decompress(chunk, _TAKE)
        except zlib.error as error:
            raise ValueError(f"it cannot be inflated: {error}") from error
        start = start or data[:64]
        size += len(data)
        if size > most:
            raise ValueError("its objects have too many bytes")
    if kind in (_OFFSET_DELTA, _ID_DELTA):
        _, behind = _read_number(start, 0)
        size = max(size, _read_number(start, behind)[0])
    return size, place - len(stream.unused_data)


def _byte(data: bytes, place: int) -> int:
    if place >= len(data):
        raise ValueError("it ends too early")
    return data[place]

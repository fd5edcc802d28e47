"""Decodes the bytes of a prompt file."""

from __future__ import annotations

from typing import NoReturn

from concertmaster.errors import UsageError

MAX_BYTES = 1 << 20

_ENCODINGS = (  # UTF-32 first: its mark begins like that of UTF-16
    (b"\xff\xfe\0\0", "UTF-32"),
    (b"\0\0\xfe\xff", "UTF-32"),
    (b"\xff\xfe", "UTF-16"),
    (b"\xfe\xff", "UTF-16"),
)
_SAVE = "save the file as UTF-8, in PowerShell with `Set-Content -Encoding utf8`"


def decode(data: bytes, path: str) -> str:
    """Return the text with `\\n` as its only line end. Raises UsageError, which names the path."""
    if len(data) > MAX_BYTES:
        _refuse(path, "it is larger than 1 MiB", "split the work into several prompts")
    if encoding := _find_encoding(data):
        _refuse(path, f"it is {encoding} text, as `>` of PowerShell writes it, not UTF-8", _SAVE)
    if b"\0" in data:
        _refuse(path, "it is a binary file", "list Markdown files only")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        _refuse(path, f"line {line} is not UTF-8", _SAVE)
    if not text.strip():
        _refuse(path, "it is empty", "write what shall be done, or take it off the list")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _find_encoding(data: bytes) -> str:
    """Return the encoding that the byte order mark names, or that every second byte shows."""
    marked = next((name for mark, name in _ENCODINGS if data.startswith(mark)), "")
    halves = (data[0:4096:2], data[1:4096:2])
    is_text = any(
        0 < len(half) == half.count(0) and other.count(0) == 0
        for half, other in (halves, halves[::-1])
    )
    return marked or ("UTF-16" if is_text else "")


def _refuse(path: str, why: str, next_step: str) -> NoReturn:
    raise UsageError(f"the prompt {path} cannot be used", why=why, next_step=next_step)

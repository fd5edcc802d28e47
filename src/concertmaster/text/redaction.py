"""Removes secrets from text that leaves the machine: known kinds of token, and given values.

A filter is only the second line of defence: a process that writes agents' text must not hold
secrets in the first place.
"""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

REPLACEMENT = "***"

# Shorter values occur by chance; replacing them everywhere would reveal them.
SHORTEST_SECRET = 6
SHORTEST_LINE = 8
SHORTEST_HANDED = 8  # of a variable that an agent gets, whatever its name
SHORTEST_SCATTERED = 16  # with spaces, line breaks or colours between its characters
FRAGMENT = 16  # characters; a fragment of this length reveals a longer secret
FRAGMENT_STEP = 8
PROBES = 16  # fragments of a long secret that are looked for first

_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")

# Each pattern begins with a literal and is greedy, so that no text is scanned twice.
_TOKENS = (
    r"gh[oprsu]_[A-Za-z0-9._-]{20,}",  # also ghs_APPID_JWT, of any length
    r"github_pat_[A-Za-z0-9_]{20,}",
    r"sk-ant-[a-z]{2,8}[0-9]{2}-[\w-]{8,}",
    r"(?<![A-Za-z])sk-ant-[\w-]{16,}",
    r"(?<![A-Za-z])sk-(?=[\w-]{0,40}[0-9])(?=[\w-]{0,40}[A-Z])[\w-]{20,}",
    r"[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    r"AIza[\w-]{30,}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16,}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,}",
    r"glpat-[\w-]{20,}",
    r"npm_[A-Za-z0-9]{30,}",
    r"pypi-AgE[\w-]{16,}",
    r"hf_[A-Za-z0-9]{30,}",
    r"ya29\.[\w.-]{20,}",  # also ya29.c. and ya29.d., which have a second dot
    r"eyJ[\w-]{17,}(?:\.[\w-]*)*",  # a JWT, or any other JSON object in base64
    r"(?<=hooks\.slack\.com/services/)[\w/]{20,}",
)
# Quotes and backticks end a key, so that JSON records and code blocks stay closed.
_KEY_NAME = r"[A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----"
_KEYS = (
    rf"-----BEGIN {_KEY_NAME}(?:(?!-----(?:BEGIN|END) )[^\"`]){{0,32768}}+-----END {_KEY_NAME}",
    rf"-----BEGIN {_KEY_NAME}(?:[\s\\|>]|[A-Za-z0-9+/=]{{16,}})*+",  # a key without its end
)
_PATTERNS = re.compile("|".join((*_KEYS, *_TOKENS)), re.ASCII)

_WORD = r"(?:[A-Za-z][a-z]{0,11}\d{0,2}|\d{1,4})"
_COMMON = re.compile(
    r"[A-Za-z][a-z]{1,11}"  # production
    r"|[a-z]{2,9}(?:-[a-z]{2,9}){1,2}-?\d{1,2}"  # us-east-1, europe-west4
    rf"|(?:/{_WORD}(?:[._-]{_WORD}){{0,3}}){{1,12}}/?"  # a path
    rf"|https?://{_WORD}(?:[._-]{_WORD}){{0,5}}(?::\d{{1,5}})?(?:/{_WORD}){{0,2}}/?",
    re.ASCII,
)
_LOOKS_RANDOM = r"(?=[^\s]{0,60}(?-i:[A-Z0-9=]))"
_ASSIGNED = r"[\"'\\]{0,3}\s{0,4}[:=]\s{0,4}[\"'\\]{0,3}"
_IN_CONTEXT = re.compile(
    rf"(authorization{_ASSIGNED}(?:[a-z]{{1,16}} {{1,4}})?){_LOOKS_RANDOM}[\w.~+/=-]{{8,}}"
    rf"|(\b(?:bearer|basic)\s{{1,4}}){_LOOKS_RANDOM}[\w.~+/=-]{{16,}}"
    rf"|((?:token|secret|passw(?:or)?d|(?:api|access|private)[_-]?key){_ASSIGNED})"
    r"(?=[^\s]{0,60}[0-9])(?=[^\s]{0,60}[a-z])[\w.~+/=-]{16,}"
    r"|(://)[^\s/@:\"'`<>]{0,512}:[^\s/@\"'`<>]{1,2048}(?=@)",
    re.ASCII | re.IGNORECASE,
)
_REPEATED = re.compile(r"\*{3}(?:\*{3})+")

# Stands between the characters of a secret that was wrapped, spaced out or coloured.
_JOINT = r"(?:\s|\\[nrt]|\x1b\[[0-9;]*+m)"
_JOINTS = re.compile(_JOINT)
_OF_A_MARKER = re.compile(r"--|PRIVATE")
_KEY_BEGINS = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(rb"-----END [A-Z0-9 ]{0,30}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINE = re.compile(rb"[\s|>+-]*+(?:[A-Za-z0-9+/=]++|[A-Za-z-]{3,20}: .*)?\s*+")


def is_common(value: str) -> bool:
    """Return whether a value is too short or too usual to be a secret.

    Such are one plain word, the name of a region, a path, and an address without a user, a query or
    a long name in it. To replace these would garble every log.
    """
    return len(value) < SHORTEST_HANDED or bool(_COMMON.fullmatch(value))


def redact(text: str, *, secrets: Collection[str]) -> str:
    """Return the text with `***` for each known kind of token and each form of the `secrets`.

    Forms of a secret are base64, hex, percent-encoding, escapes, its reverse, the value spread over
    lines, and fragments without its beginning or end. Secrets shorter than 6 characters stay.
    """
    forms = _forms(frozenset(secrets))
    compact = _JOINTS.sub("", text) if forms.scattered else ""
    for form in forms.scattered:
        if form in compact:
            text = _scattered(form).sub(REPLACEMENT, text)
    for form in forms.whole:
        text = text.replace(form, REPLACEMENT)
    for parts in forms.parts:
        probes = parts[:: 1 + len(parts) // PROBES]
        if any(probe in text for probe in probes):
            for part in parts:
                text = text.replace(part, REPLACEMENT)
    for _ in range(2):  # a token right behind another is only found after that one is replaced
        text = _PATTERNS.sub(REPLACEMENT, text)
    text = _IN_CONTEXT.sub(lambda found: f"{found[found.lastindex or 0]}{REPLACEMENT}", text)
    return _REPEATED.sub(REPLACEMENT, text)


def redact_lines(lines: Iterable[bytes], *, secrets: Collection[str]) -> Iterator[bytes]:
    """Yield each line of a stream, redacted; a line that was a JSON object still is one.

    A private key over several lines is found too. Bytes that are not UTF-8 stay as they are.
    """
    inside_key = False
    for line in lines:
        if inside_key and _KEY_LINE.fullmatch(line):
            yield REPLACEMENT.encode() + _line_end(line)
            continue
        inside_key = bool(_KEY_BEGINS.search(line) and not _KEY_ENDS.search(line))
        yield _redact_line(line, secrets)


def _redact_line(line: bytes, secrets: Collection[str]) -> bytes:
    end = _line_end(line)
    text = line.removesuffix(end).decode("utf-8", "surrogateescape")
    redacted = redact(text, secrets=secrets)
    if text.startswith("{") and (redacted != text or "\\" in text):
        redacted = _redact_record(text, redacted, secrets)
    return redacted.encode("utf-8", "surrogateescape") + end


def _redact_record(text: str, redacted: str, secrets: Collection[str]) -> str:
    """Return the JSON record, redacted value by value.

    Escapes in the text of a record can hide a secret, so redacting the text is not enough.
    """
    try:
        record = json.loads(text)
        clean = _redact_value(record, secrets)
    except (ValueError, RecursionError):
        return redacted
    return text if clean == record else json.dumps(clean, separators=(",", ":"))


def _redact_value(value: object, secrets: Collection[str]) -> object:
    match value:
        case str():
            return redact(value, secrets=secrets)
        case list():
            return [_redact_value(item, secrets) for item in value]
        case dict():
            return {
                redact(key, secrets=secrets): _redact_value(item, secrets)
                for key, item in value.items()
            }
        case int() | float() if redact(str(value), secrets=secrets) != str(value):
            return REPLACEMENT
        case _:
            return value


def _line_end(line: bytes) -> bytes:
    return line[len(line.rstrip(b"\r\n")) :]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Forms:
    """The spellings of all secrets, the longest first."""

    whole: tuple[str, ...]
    scattered: tuple[str, ...]  # without spaces; found with spaces in between
    parts: tuple[tuple[str, ...], ...]


@lru_cache(maxsize=8)
def _forms(secrets: frozenset[str]) -> _Forms:
    """Return the spellings of the secrets, cached because each line is filtered with them."""
    stripped = {part for secret in secrets for part in (secret, secret.strip())}
    values = [value for value in stripped if len(value) >= SHORTEST_SECRET]
    forms = {form for value in values for form in _spellings(value)}
    forms.update(line for value in values for line in _lines(value))
    whole = {form for form in forms if len(form) >= SHORTEST_SECRET and form.strip("*")}
    scattered = {_JOINTS.sub("", form) for form in whole}
    parts = {_fragments(form) for value in values for form in _cuttable_spellings(value)}
    return _Forms(
        whole=_longest_first(whole),
        scattered=_longest_first(form for form in scattered if len(form) >= SHORTEST_SCATTERED),
        parts=tuple(sorted(parts)),
    )


def _longest_first(forms: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(forms, key=lambda form: (-len(form), form)))


def _lines(value: str) -> Iterator[str]:
    lines = [line.strip() for line in value.splitlines()]
    if len(lines) > 1:
        yield from (line for line in lines if len(line) >= SHORTEST_LINE and "-----" not in line)


def _spellings(value: str) -> Iterator[str]:
    """Yield the value in every encoding that is looked for."""
    data = value.encode("utf-8", "surrogatepass")
    yield from (value, value[::-1], codecs.encode(value, "rot13"))
    for escaped in (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1]):
        yield from (escaped, escaped.replace("/", "\\/"), json.dumps(escaped)[1:-1])
    yield from (data.hex(), data.hex().upper())
    yield from _percent_encoded(data)
    yield from _in_base64(data)


def _percent_encoded(data: bytes) -> Iterator[str]:
    for style in ("%{:02X}", "%{:02x}"):
        yield "".join(map(style.format, data))
        parts = [chr(byte) if chr(byte) in _UNRESERVED else style.format(byte) for byte in data]
        yield "".join(parts)
        yield "".join(parts).replace("%20", "+")


def _in_base64(data: bytes) -> Iterator[str]:
    """Yield the base64 text of the data, without characters that depend on its neighbours.

    The data may begin at any of three offsets in a group of 3 bytes.
    """
    for before in range(3):
        encoded = base64.b64encode(bytes(before) + data).decode()
        certain = encoded[(0, 2, 3)[before] : (before + len(data)) * 8 // 6]
        yield from (certain, certain.replace("+", "-").replace("/", "_"))


def _cuttable_spellings(value: str) -> Iterator[str]:
    """Yield the spellings whose fragments are looked for too."""
    data = value.encode("utf-8", "surrogatepass")
    yield from (value, value[::-1], codecs.encode(value, "rot13"), data.hex(), data.hex().upper())
    yield from _in_base64(data)


def _fragments(form: str) -> tuple[str, ...]:
    """Return overlapping fragments of a long form, () for a short one."""
    last = len(form) - FRAGMENT
    if last < FRAGMENT_STEP:
        return ()
    parts = (form[start : start + FRAGMENT] for start in (*range(0, last, FRAGMENT_STEP), last))
    # The marker of a private key must stay whole, because other keys are found by it.
    return tuple(part for part in parts if not _OF_A_MARKER.search(part) and part.strip("*"))


@lru_cache(maxsize=64)
def _scattered(form: str) -> re.Pattern[str]:
    """Return a pattern of the form with spaces, line breaks or colours between characters."""
    return re.compile(f"{_JOINT}*+".join(map(re.escape, form)))

"""Reads and writes concertmaster.yml."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from concertmaster.errors import UsageError

MAX_FILE_BYTES = 256 * 1024
MOST_KEYS = 10_000  # with those that merge keys bring

# PyYAML raises plain Python errors for a value with a wrong tag, such as `!!int ''`.
_UNREADABLE = (yaml.YAMLError, ValueError, LookupError, AttributeError, RecursionError)


class _Loader(yaml.SafeLoader):
    """A safe loader that ends when merge keys (`<<`) multiply the keys of a small file."""

    merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        self.merged += len(node.value)
        if self.merged > MOST_KEYS:
            raise yaml.YAMLError(f"its merge keys (<<) make more than {MOST_KEYS} keys")


def read_file(data: bytes, name: str) -> dict[str, Any]:
    """Return the keys and values of the file as they stand there. Raises UsageError."""
    if len(data) > MAX_FILE_BYTES:
        raise UsageError(
            f"{name} is larger than {MAX_FILE_BYTES >> 10} KiB",
            next_step=f"shorten {name} and commit it",
        )
    try:
        found = yaml.load(data.decode(), Loader=_Loader) if data.strip() else {}  # noqa: S506
    except _UNREADABLE as error:
        raise UsageError(
            f"{name} is not valid YAML", why=str(error), next_step=f"mend {name} and commit it"
        ) from error
    if not isinstance(found, dict):
        raise UsageError(
            f"{name} is not a mapping",
            why=f"it holds a {type(found).__name__}",
            next_step="write one `key: value` a line, for example `check: pytest -q`",
        )
    return {str(key): value for key, value in found.items()}


def write_settings(values: Mapping[str, str], *, reasons: Mapping[str, str]) -> bytes:
    """Return a concertmaster.yml with these values; reasons become comments above their keys."""
    lines = []
    for key, value in values.items():
        if reason := reasons.get(key):
            lines.append(f"# {reason}\n")
        lines.append(yaml.safe_dump({key: value}, allow_unicode=True, width=MAX_FILE_BYTES))
    return "".join(lines).encode()

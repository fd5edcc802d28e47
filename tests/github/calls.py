"""Logs the calls that the double received."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call: `fields` are the root fields of a GraphQL operation, in order.

    `status` is None if the caller received no answer; `token` is the value that was sent, or "".
    `cost` is the number of calls counted towards the hourly limit, 0 or 1.
    """

    method: str
    path: str
    token: str
    status: int | None
    cost: int
    fields: tuple[str, ...] = ()

    @property
    def is_write(self) -> bool:
        return self.method not in {"GET", "HEAD"}


class Log:
    def __init__(self) -> None:
        self._calls: list[Call] = []

    def add(self, call: Call) -> None:
        self._calls.append(call)

    def clear(self) -> None:
        self._calls.clear()

    def __iter__(self) -> Iterator[Call]:
        return iter([*self._calls])

    def __len__(self) -> int:
        return len(self._calls)

    def matching(self, method: str = "*", path: str = "*") -> list[Call]:
        return [
            call for call in self if method in {"*", call.method} and fnmatchcase(call.path, path)
        ]

    def mutations(self, name: str) -> int:
        """Return how often the mutation was sent, in all batches."""
        return sum(call.fields.count(name) for call in self)

    def cost(self) -> int:
        return sum(call.cost for call in self)

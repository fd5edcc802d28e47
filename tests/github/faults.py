"""Injects faults by rule: into the n-th matching call, or into all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from tests.github.exchange import Refused, not_found, refuse
from tests.github.limits import Limits


class Effect(StrEnum):
    BAD_GATEWAY_BEFORE = "502 before the write"
    BAD_GATEWAY_AFTER = "502 after the write"
    SECONDARY_LIMIT = "403 with retry-after"
    TOO_MANY_REQUESTS = "429"
    NOT_FOUND = "404"
    TIMEOUT_AFTER = "no answer after the write"
    DROP_AFTER = "connection closed after the write"
    FIELD_ERROR = "an error in place of one field of a GraphQL batch"

    @property
    def is_after(self) -> bool:
        return self is Effect.BAD_GATEWAY_AFTER or self.loses_answer

    @property
    def loses_answer(self) -> bool:
        return self in {Effect.TIMEOUT_AFTER, Effect.DROP_AFTER}


@dataclass(slots=True, kw_only=True)
class Fault:
    """A rule that matches REST calls by method and path (with `*`), or mutations by name.

    In a batch of mutations, those before the n-th are executed, those after it are not.
    `nth` counts matching calls from 1 since the rule was added; None means all of them.
    """

    effect: Effect
    method: str = "*"
    path: str | None = None
    mutation: str | None = None
    nth: int | None = None
    retry_after_seconds: int | None = None
    seen: int = field(default=0, init=False)

    def strikes(self) -> bool:
        self.seen += 1
        return self.nth is None or self.seen == self.nth


class Faults:
    def __init__(self) -> None:
        self._rules: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._rules.append(fault)

    def clear(self) -> None:
        self._rules.clear()

    def of_call(self, method: str, path: str) -> Fault | None:
        fitting = [
            rule
            for rule in self._rules
            if rule.path is not None
            and rule.method in {"*", method}
            and fnmatchcase(path, rule.path)
        ]
        return self._first(fitting)

    def of_mutation(self, name: str) -> Fault | None:
        return self._first([rule for rule in self._rules if rule.mutation == name])

    @staticmethod
    def _first(fitting: list[Fault]) -> Fault | None:
        """Return the first rule that strikes; all matching rules count the call."""
        striking = [rule for rule in fitting if rule.strikes()]
        return striking[0] if striking else None


def struck(fault: Fault, limits: Limits) -> Refused:
    """Return the refusal that replaces the regular answer."""
    after = fault.retry_after_seconds
    match fault.effect:
        case Effect.SECONDARY_LIMIT:
            return limits.secondary(retry_after_seconds=after)
        case Effect.TOO_MANY_REQUESTS:
            return limits.secondary(status=429, retry_after_seconds=after)
        case Effect.NOT_FOUND:
            return not_found()
        case _:
            return refuse(502, "Server Error")

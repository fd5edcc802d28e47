"""Defines the table of routes, with the paths of GitHub's description."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

from tests.github.exchange import Response
from tests.github.rest.call import Call

REPOSITORY = "/repos/{owner}/{repo}"
# Parameters whose values may contain slashes.
SLASHED = frozenset({"path", "ref", "branch", "basehead"})

Handler = Callable[[Call], Response]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    method: str
    template: str
    handler: Handler
    pattern: re.Pattern[str]

    @property
    def below_repository(self) -> str | None:
        """The path below the repository, or None for calls outside a repository."""
        if self.template.startswith(REPOSITORY):
            return self.template.removeprefix(REPOSITORY)
        return None


ROUTES: list[Route] = []


def route(method: str, path: str) -> Callable[[Handler], Handler]:
    """Register a handler for a path below the repository."""
    return anywhere(method, REPOSITORY + path)


def anywhere(method: str, template: str) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        pattern = pattern_of(template)
        ROUTES.append(Route(method=method, template=template, handler=handler, pattern=pattern))
        ROUTES.sort(key=lambda one: (one.template.count("{"), -len(one.template)))
        return handler

    return register


def pattern_of(template: str) -> re.Pattern[str]:
    def group(match: re.Match[str]) -> str:
        name = match[1]
        return f"(?P<{name}>{'.+' if name in SLASHED else '[^/]+'})"

    literal = re.sub(r"([.+*?^$()\[\]\\|])", r"\\\1", template)
    return re.compile(re.sub(r"\{(\w+)\}", group, literal))


def find(method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    for one in ROUTES:
        if one.method == method and (match := one.pattern.fullmatch(path)):
            return one, {name: unquote(value) for name, value in match.groupdict().items()}
    return None

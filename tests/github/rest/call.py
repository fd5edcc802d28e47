"""Defines a call of the REST API, as handlers receive it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar
from urllib.parse import urlencode

from tests.github.bare import Bare
from tests.github.exchange import Json, Object, Refused, Request, Response, not_found, refuse
from tests.github.limits import Limits
from tests.github.people import App, Level, Permission, Token, User
from tests.github.permissions import level_of
from tests.github.state import Issue, Pull, Repository
from tests.github.store import Store

Item = TypeVar("Item")
PER_PAGE = 30
MOST_PER_PAGE = 100


@dataclass(kw_only=True)
class Call:
    store: Store
    limits: Limits
    token: Token | None
    request: Request
    params: Mapping[str, str]
    home: Repository | None

    @property
    def repository(self) -> Repository:
        if self.home is None:
            raise not_found()
        return self.home

    @property
    def user(self) -> User:
        if self.token is None:
            raise refuse(401, "Requires authentication")
        return self.token.user

    @property
    def app(self) -> App | None:
        return self.token.app if self.token else None

    @cached_property
    def bare(self) -> Bare:
        return Bare(self.repository.folder)

    @cached_property
    def body(self) -> Object:
        body = self.request.json()
        return body if isinstance(body, dict) else {}

    def may(self, permission: Permission, level: Level) -> bool:
        return level_of(self.token, self.repository, permission) >= level

    def issue(self) -> Issue:
        """Return the issue that the path names. Raises Refused."""
        if not self.repository.has_issues:
            raise refuse(410, "Issues has been disabled in this repository.")
        number = self.number("issue_number")
        if number in self.repository.gone:
            raise self.elsewhere(number)
        if number not in self.repository.issues:
            raise not_found()
        return self.repository.issues[number]

    def elsewhere(self, number: int) -> Refused:
        """Return the refusal for an issue that was deleted (410) or transferred (301)."""
        place = self.repository.gone[number]
        if place is None:
            return refuse(410, "This issue was deleted")
        home, new_number = place
        url = f"{self.store.url}/repositories/{home.id}/issues/{new_number}"
        moved = refuse(301, "Moved Permanently", url=url).response
        return Refused(replace(moved, headers={"Location": url}))

    def pull(self) -> tuple[Issue, Pull]:
        issue = self.repository.issues.get(self.number("pull_number"))
        if issue is None or issue.pull is None:
            raise not_found()
        return issue, issue.pull

    def number(self, name: str) -> int:
        text = self.params[name]
        if not text.isdecimal():
            raise not_found()
        return int(text)

    def page(
        self, items: Sequence[Item], view: Callable[[Item], Json], *, key: str | None = None
    ) -> Response:
        """Return a page of the items; with `key`, as an object with the total count."""
        size = min(self._positive("per_page", PER_PAGE), MOST_PER_PAGE)
        page = self._positive("page", 1)
        shown = [view(item) for item in items[(page - 1) * size : page * size]]
        link = self._link(page, last=-(-len(items) // size))
        return Response(
            body={"total_count": len(items), key: shown} if key else shown,
            headers={"Link": link} if link else {},
        )

    def _positive(self, name: str, default: int) -> int:
        text = self.request.query.get(name, "")
        return max(1, int(text)) if text.isdecimal() else default

    def _link(self, page: int, *, last: int) -> str:
        targets = {"prev": page - 1, "next": page + 1, "last": last, "first": 1}
        if page >= last:
            del targets["next"], targets["last"]
        if page == 1:
            del targets["prev"], targets["first"]
        base = self.store.url + self.request.path
        return ", ".join(
            f'<{base}?{urlencode({**self.request.query, "page": number})}>; rel="{name}"'
            for name, number in targets.items()
        )

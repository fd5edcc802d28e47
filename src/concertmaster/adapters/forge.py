"""The one module that speaks to GitHub for writing. It returns our values, never the library's.

Everything may be called again: what is there already is found and not made twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from concertmaster.adapters.pace import Clock
from concertmaster.adapters.wire import PAGE, Conflicting, NotFound, Wire
from concertmaster.errors import EnvironmentFault

BATCH = 20  # GraphQL mutations in one request; more run into its time limit of 10 s
MOST_SUB_ISSUES = 100

_ISSUE_FIELDS = "id databaseId number title body state author { login }"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as GitHub holds it. `id` is the database id, which links want."""

    number: int
    id: int
    node_id: str
    title: str
    body: str
    author: str
    is_open: bool
    labels: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment of an issue."""

    id: int
    body: str
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """An issue to be created. `key` tells it from the others."""

    key: str
    title: str
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job of a workflow run."""

    name: str
    status: str
    conclusion: str
    started_at: str
    url: str


class Unsupported(EnvironmentFault):
    """This server does not know the call."""


class Forge:
    """One repository on GitHub, seen with one token."""

    def __init__(
        self,
        *,
        url: str,
        repository: str,
        token: str,
        clock: Clock,
        told: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.repository = repository
        self._told = told
        self._wire = Wire(url=url, repository=repository, token=token, clock=clock, told=told)

    # --- reading -------------------------------------------------------------------------------

    def viewer(self) -> str:
        """The login that our writes bear."""
        data = self._wire.query("query { viewer { login } }", {}, action="read who the token is")
        return str(data["viewer"]["login"])

    def permission(self, login: str) -> str:
        """admin, write, read or none; "none" for an unknown login."""
        try:
            found = self._wire.get(f"/collaborators/{_segment(login)}/permission")
        except NotFound:
            return "none"
        return str(found.get("permission", "none"))

    def issue(self, number: int) -> Issue:
        """Raises NotFound."""
        return _issue(self._wire.get(f"/issues/{number}"))

    def comments(self, number: int) -> tuple[Comment, ...]:
        """All comments of an issue, oldest first."""
        return tuple(_comment(one) for one in self._wire.pages(f"/issues/{number}/comments"))

    def sub_issues(self, number: int) -> tuple[Issue, ...]:
        """Raises Unsupported where the server knows no sub-issues."""
        try:
            return tuple(_issue(one) for one in self._wire.pages(f"/issues/{number}/sub_issues"))
        except NotFound as error:
            self.issue(number)  # if that is missing, it was not the server
            raise Unsupported("this server knows no sub-issues") from error

    def labelled(self, label: str) -> tuple[Issue, ...]:
        """All issues with the label, closed ones too; pull requests are none."""
        found = self._wire.pages("/issues", labels=label, state="all")
        return tuple(_issue(one) for one in found if "pull_request" not in one)

    def blocked_by(self, number: int) -> frozenset[int]:
        """The numbers of the issues that block this one."""
        found = self._wire.pages(f"/issues/{number}/dependencies/blocked_by")
        return frozenset(int(one["number"]) for one in found)

    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a workflow run."""
        found = self._wire.get(f"/actions/runs/{run}/jobs", per_page=PAGE)
        return tuple(_job(one) for one in found.get("jobs", ()))

    # --- writing -------------------------------------------------------------------------------

    def ensure_labels(self, wanted: Mapping[str, tuple[str, str]]) -> None:
        """Create those of `wanted` (name to colour and description) that are missing."""
        there = {str(one["name"]).lower() for one in self._wire.pages("/labels")}
        for name, (colour, description) in wanted.items():
            if name.lower() in there:
                continue
            body = {"name": name, "color": colour, "description": description}
            self._wire.write(
                f"create the label {name}",
                partial(self._find_label, name),
                partial(self._wire.send, "POST", "/labels", body),
            )

    def _find_label(self, name: str) -> dict[str, Any] | None:
        try:
            return self._wire.get(f"/labels/{_segment(name)}")
        except NotFound:
            return None

    def set_labels(self, number: int, *, add: Sequence[str], remove: Sequence[str] = ()) -> None:
        """Safe to repeat; a label that is not there is not removed."""
        if add:
            body = {"labels": list(add)}
            self._wire.repeat(
                f"label issue #{number}",
                lambda: self._wire.send("POST", f"/issues/{number}/labels", body),
            )
        for name in remove:
            path = f"/issues/{number}/labels/{_segment(name)}"
            self._wire.repeat(f"label issue #{number}", partial(self._delete, path))

    def _delete(self, path: str) -> None:
        try:
            self._wire.send("DELETE", path, None)
        except NotFound:
            return

    def react(self, comment: int) -> None:
        """Show that the comment was seen; safe to repeat."""
        path = f"/issues/comments/{comment}/reactions"
        self._wire.repeat(
            "react to the comment", lambda: self._wire.send("POST", path, {"content": "eyes"})
        )

    def put_comment(self, number: int, body: str, *, is_ours: Callable[[Comment], bool]) -> Comment:
        """Write the comment that `is_ours` knows, or change it where it says something else."""
        found = self._find_comment(number, is_ours)
        if found is None:
            path, action = f"/issues/{number}/comments", f"comment on issue #{number}"
            return self._wire.write(
                action,
                lambda: self._find_comment(number, is_ours),
                lambda: _comment(self._wire.send("POST", path, {"body": body})),
            )
        if found.body != body:
            path = f"/issues/comments/{found.id}"
            self._wire.repeat(
                f"change our comment on issue #{number}",
                lambda: self._wire.send("PATCH", path, {"body": body}),
            )
        return Comment(id=found.id, body=body, author=found.author)

    def _find_comment(self, number: int, is_ours: Callable[[Comment], bool]) -> Comment | None:
        return next((one for one in self.comments(number) if is_ours(one)), None)

    def create_issue(
        self, draft: Draft, labels: Sequence[str], *, look_up: Callable[[], Issue | None]
    ) -> Issue:
        """One issue by itself; `look_up` finds it when it is there already."""
        body = {"title": draft.title, "body": draft.body, "labels": list(labels)}
        found = look_up()
        return found or self._wire.write(
            f"create the issue {draft.title!r}",
            look_up,
            lambda: _issue(self._wire.send("POST", "/issues", body)),
        )

    def create_children(
        self,
        drafts: Sequence[Draft],
        *,
        parent: Issue,
        labels: Sequence[str],
        look_up: Callable[[], Mapping[str, Issue]],
    ) -> dict[str, Issue]:
        """The issues of `drafts` by key, each created once; `look_up` finds those that exist.

        They become sub-issues of `parent`, as far as there is room for more.
        """
        there = dict(look_up())
        missing = [draft for draft in drafts if draft.key not in there]
        if not missing:
            return there
        ids = self._node_ids(labels)
        room = max(0, MOST_SUB_ISSUES - len(there))
        for start, chunk in _chunks(missing):
            as_children = start + len(chunk) <= room
            variables = {**ids, "parentIssueId": parent.node_id if as_children else None}
            self._told(f"creating child issues {start + 1} to {start + len(chunk)}")
            there |= self._create_chunk(chunk, variables, look_up=look_up)
        return there

    def _create_chunk(
        self,
        drafts: Sequence[Draft],
        variables: Mapping[str, Any],
        *,
        look_up: Callable[[], Mapping[str, Issue]],
    ) -> dict[str, Issue]:
        done: dict[str, Issue] = {}

        def create() -> dict[str, Issue]:
            missing = [draft for draft in drafts if draft.key not in done]
            inputs = [{**variables, "title": d.title, "body": d.body} for d in missing]
            self._wire.mutate(
                "createIssue",
                inputs,
                f"issue {{ {_ISSUE_FIELDS} }}",
                action="create child issues",
                take=lambda place, found: done.update(
                    {missing[place].key: _issue_of_graphql(found["issue"])}
                ),
            )
            return done

        def refresh() -> dict[str, Issue] | None:
            wanted = {draft.key for draft in drafts}
            done.update({key: one for key, one in look_up().items() if key in wanted})
            return done if wanted <= done.keys() else None

        return self._wire.write("create child issues", refresh, create, creations=len(drafts))

    def block(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        """Mark each first issue as blocked by the second; safe to repeat."""
        for _, chunk in _chunks(links):
            self._wire.write(
                "link issues",
                lambda: None,
                partial(self._block_missing, chunk),
                creations=len(chunk),
            )

    def _block_missing(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        there = self._blockers([issue for issue, _ in links])
        inputs = [
            {"issueId": issue.node_id, "blockingIssueId": on.node_id}
            for issue, on in links
            if on.number not in there[issue.number]
        ]
        if inputs:
            self._wire.mutate("addBlockedBy", inputs, "issue { number }", action="link issues")

    def _blockers(self, issues: Sequence[Issue]) -> dict[int, frozenset[int]]:
        """The numbers of the issues that block each one."""
        numbers = sorted({issue.number for issue in issues})
        fields = " ".join(
            f"i{number}: issue(number: {number}) "
            f"{{ blockedBy(first: {PAGE}) {{ nodes {{ number }} }} }}"
            for number in numbers
        )
        found = self._in_repository(fields, action="read the links of issues")
        return {
            number: frozenset(node["number"] for node in found[f"i{number}"]["blockedBy"]["nodes"])
            for number in numbers
        }

    def _in_repository(self, fields: str, *, action: str) -> dict[str, Any]:
        owner, _, name = self.repository.partition("/")
        query = (
            "query($owner: String!, $name: String!) "
            f"{{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
        )
        found = self._wire.query(query, {"owner": owner, "name": name}, action=action)
        repository: dict[str, Any] = found["repository"]
        return repository

    def _node_ids(self, labels: Sequence[str]) -> dict[str, Any]:
        fields = " ".join(
            f"l{place}: label(name: {json.dumps(label)}) {{ id }}"
            for place, label in enumerate(labels)
        )
        found = self._in_repository(f"id {fields}", action="read the repository")
        ids = [found[f"l{place}"] for place in range(len(labels))]
        return {"repositoryId": found["id"], "labelIds": [one["id"] for one in ids if one]}

    def cancel_run(self, run: int) -> None:
        """Ask GitHub to cancel a workflow run; safe to repeat, also when it has ended."""
        path = f"/actions/runs/{run}/cancel"
        try:
            self._wire.repeat(
                "cancel the workflow run", lambda: self._wire.send("POST", path, None)
            )
        except Conflicting:
            return


def _issue(found: Mapping[str, Any]) -> Issue:
    return Issue(
        number=int(found["number"]),
        id=int(found["id"]),
        node_id=str(found.get("node_id", "")),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author=str((found.get("user") or {}).get("login", "")),
        is_open=found.get("state") == "open",
        labels=frozenset(str(label["name"]) for label in found.get("labels") or ()),
    )


def _issue_of_graphql(found: Mapping[str, Any]) -> Issue:
    return Issue(
        number=int(found["number"]),
        id=int(found.get("databaseId") or 0),
        node_id=str(found["id"]),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author=str((found.get("author") or {}).get("login", "")),
        is_open=found.get("state") == "OPEN",
    )


def _comment(found: Mapping[str, Any]) -> Comment:
    author = str((found.get("user") or {}).get("login", ""))
    return Comment(id=int(found["id"]), body=str(found.get("body") or ""), author=author)


def _job(found: Mapping[str, Any]) -> Job:
    return Job(
        name=str(found.get("name") or ""),
        status=str(found.get("status") or ""),
        conclusion=str(found.get("conclusion") or ""),
        started_at=str(found.get("started_at") or ""),
        url=str(found.get("html_url") or ""),
    )


def _chunks(items: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    for start in range(0, len(items), BATCH):
        yield start, items[start : start + BATCH]


def _segment(text: str) -> str:
    return quote(text, safe="")

"""The one module that speaks to GitHub for writing. It returns our values, never the library's.

Everything may be called again: what is there already is found and not made twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from urllib.parse import quote

from concertmaster.adapters.pace import Clock
from concertmaster.adapters.refusal import Conflicting, Invalid, NotFound, Unsupported
from concertmaster.adapters.wire import PAGE, Wire
from concertmaster.errors import EnvironmentFault

BATCH = 20  # GraphQL mutations in one request; more run into its time limit of 10 s
MOST_SUB_ISSUES = 100
LONGEST_WAIT_FOR_LINKS_SECONDS = 120.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """An issue as GitHub holds it: `id` is the database id, `parent` a number or 0, `created_at`
    as GitHub writes times."""

    number: int
    id: int
    node_id: str
    title: str
    body: str
    author: str
    is_open: bool
    labels: frozenset[str] = frozenset()
    parent: int = 0
    created_at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One comment of an issue."""

    id: int
    body: str
    author: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What an issue is to say. `key` tells it from the others."""

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
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        """`told` hears of progress; all that we write goes through `redact`."""
        self.repository = repository
        self.redact = redact
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
            return self._sub_issues(number)
        except NotFound:
            self.issue(number)  # if that is missing, it was not the server
        try:
            return self._sub_issues(number)
        except NotFound as error:
            raise Unsupported("this server knows no sub-issues") from error

    def _sub_issues(self, number: int) -> tuple[Issue, ...]:
        found = self._wire.pages(f"/issues/{number}/sub_issues")
        return tuple(replace(_issue(one), parent=number) for one in found)

    def labelled(self, label: str, *, since: str = "") -> tuple[Issue, ...]:
        """All issues with the label, closed ones too, that changed `since` then (as `created_at`);
        pull requests are none."""
        limits = {"since": since} if since else {}
        found = self._wire.pages("/issues", labels=label, state="all", **limits)
        return tuple(_issue(one) for one in found if "pull_request" not in one)

    def blocked_by(self, number: int) -> frozenset[int]:
        """The numbers of the issues that block this one."""
        found = self._wire.pages(f"/issues/{number}/dependencies/blocked_by")
        return frozenset(int(one["number"]) for one in found)

    def jobs(self, run: int) -> tuple[Job, ...]:
        """The jobs of a workflow run."""
        found = self._wire.pages(f"/actions/runs/{run}/jobs", within="jobs")
        return tuple(_job(one) for one in found)

    # --- labels and reactions ------------------------------------------------------------------

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
            path = f"/issues/{number}/labels"
            send = partial(self._wire.send, "POST", path, {"labels": list(add)})
            self._wire.repeat(f"label issue #{number}", send)
        for name in remove:
            path = f"/issues/{number}/labels/{_segment(name)}"
            self._wire.repeat(f"label issue #{number}", partial(self._delete, path))

    def _delete(self, path: str, body: Mapping[str, Any] | None = None) -> None:
        try:
            self._wire.send("DELETE", path, body)
        except NotFound:
            return

    def relabel(
        self, issues: Sequence[Issue], *, add: Sequence[str], remove: Sequence[str] = ()
    ) -> None:
        """The same as `set_labels` for many issues, in few requests; the labels must exist."""
        names = [*add, *remove]
        ids = _ids(self._in_repository(_label_fields(names), action="read the labels"), names)

        def change(mutation: str, wanted: Callable[[Issue], list[str]]) -> None:
            inputs = [
                {"labelableId": issue.node_id, "labelIds": wanted(issue)}
                for issue in issues
                if wanted(issue)
            ]
            self._repeat_all(mutation, inputs, action="label issues")

        change("addLabelsToLabelable", lambda one: [ids[n] for n in add if n not in one.labels])
        change("removeLabelsFromLabelable", lambda one: [ids[n] for n in remove if n in one.labels])

    def _repeat_all(
        self, mutation: str, inputs: Sequence[Mapping[str, Any]], *, action: str
    ) -> None:
        """Mutations that may happen twice without harm."""
        for _, chunk in _chunks(inputs):
            call = partial(self._wire.mutate, mutation, chunk, "clientMutationId", action=action)
            self._wire.repeat(action, call)

    def react(self, comment: int) -> None:
        """Show that the comment was seen, if it is still there; safe to repeat."""
        path = f"/issues/comments/{comment}/reactions"
        try:
            self._wire.repeat(
                "react to the comment",
                partial(self._wire.send, "POST", path, {"content": "eyes"}),
            )
        except NotFound:
            return

    # --- comments ------------------------------------------------------------------------------

    def put_comment(self, number: int, body: str, *, is_ours: Callable[[Comment], bool]) -> Comment:
        """Write the comment that `is_ours` knows, or change it where it says something else.

        Of several, as two of us at once may write them, the oldest stays.
        """
        body = self.redact(body)
        found = self._one_comment(number, is_ours) or self._create_comment(number, body, is_ours)
        if found.body != body:
            send = partial(self._wire.send, "PATCH", f"/issues/comments/{found.id}", {"body": body})
            self._wire.repeat(f"change our comment on issue #{number}", send)
        return replace(found, body=body)

    def _create_comment(
        self, number: int, body: str, is_ours: Callable[[Comment], bool]
    ) -> Comment:
        path = f"/issues/{number}/comments"
        made = self._wire.write(
            f"comment on issue #{number}",
            lambda: self._one_comment(number, is_ours),
            lambda: _comment(self._wire.send("POST", path, {"body": body})),
        )
        return self._one_comment(number, is_ours) or made

    def _one_comment(self, number: int, is_ours: Callable[[Comment], bool]) -> Comment | None:
        found = sorted(filter(is_ours, self.comments(number)), key=lambda one: one.id)
        for further in found[1:]:
            delete = partial(self._delete, f"/issues/comments/{further.id}")
            self._wire.repeat(f"remove our second comment on issue #{number}", delete)
        return found[0] if found else None

    # --- issues --------------------------------------------------------------------------------

    def create_issue(
        self, draft: Draft, labels: Sequence[str], *, look_up: Callable[[], Issue | None]
    ) -> Issue:
        """One issue by itself; `look_up` finds it when it is there already."""
        body = {"title": self.redact(draft.title), "body": self.redact(draft.body)}
        return look_up() or self._wire.write(
            f"create the issue {draft.title!r}",
            look_up,
            lambda: _issue(self._wire.send("POST", "/issues", {**body, "labels": list(labels)})),
        )

    def create_children(
        self,
        drafts: Sequence[Draft],
        *,
        parent: Issue,
        room: int,
        labels: Sequence[str],
        look_up: Callable[[], Mapping[str, Issue]],
    ) -> dict[str, Issue]:
        """The issues of `drafts` by key; `look_up` finds those that a lost answer left behind.

        The first `room` of them become sub-issues of `parent`.
        """
        found = self._in_repository(f"id {_label_fields(labels)}", action="read the repository")
        shared = {"repositoryId": found["id"], "labelIds": list(_ids(found, labels).values())}
        done: dict[str, Issue] = {}
        for start, chunk in _chunks(drafts):
            self._told(f"creating child issues: {start + len(chunk)} of {len(drafts)}")
            below, beside = chunk[: max(0, room - start)], chunk[max(0, room - start) :]
            if below:
                done |= self._create_below(below, shared, parent=parent, look_up=look_up)
            if beside:
                done |= self._create_batch(beside, shared, look_up=look_up)
        return done

    def _create_below(
        self,
        drafts: Sequence[Draft],
        shared: Mapping[str, Any],
        *,
        parent: Issue,
        look_up: Callable[[], Mapping[str, Issue]],
    ) -> dict[str, Issue]:
        """Where the parent takes no more after all, the rest stands beside it."""
        placed = {**shared, "parentIssueId": parent.node_id}
        try:
            made = self._create_batch(drafts, placed, look_up=look_up)
        except (Invalid, Unsupported):
            return self._create_batch(drafts, shared, look_up=look_up, again=True)
        return {key: replace(issue, parent=parent.number) for key, issue in made.items()}

    def _create_batch(
        self,
        drafts: Sequence[Draft],
        shared: Mapping[str, Any],
        *,
        look_up: Callable[[], Mapping[str, Issue]],
        again: bool = False,
    ) -> dict[str, Issue]:
        wanted = {draft.key for draft in drafts}
        done: dict[str, Issue] = {}

        def refresh() -> dict[str, Issue] | None:
            done.update({key: issue for key, issue in look_up().items() if key in wanted})
            return done if wanted <= done.keys() else None

        def create() -> dict[str, Issue]:
            missing = [draft for draft in drafts if draft.key not in done]
            self._wire.mutate(
                "createIssue",
                [{**shared, **self._text(draft)} for draft in missing],
                "issue { id fullDatabaseId number title body state }",
                action="create child issues",
                take=lambda place, found: done.update(
                    {missing[place].key: _issue_of_graphql(found["issue"])}
                ),
            )
            return done

        if again and refresh():
            return done
        return self._wire.write("create child issues", refresh, create, creations=len(drafts))

    def _text(self, draft: Draft) -> dict[str, str]:
        return {"title": self.redact(draft.title), "body": self.redact(draft.body)}

    def reopen(self, issues: Mapping[str, Issue], drafts: Iterable[Draft]) -> None:
        """Make each issue open and say what its draft says; safe to repeat."""
        inputs = [
            {"id": issues[draft.key].node_id, "state": "OPEN", **self._text(draft)}
            for draft in drafts
        ]
        self._repeat_all("updateIssue", inputs, action="renew child issues")

    def retire(self, issue: Issue, *, body: str) -> None:
        """Close an issue of ours that was made twice; `body` says so. Safe to repeat."""
        said = {"body": self.redact(body), "labels": []}
        closed = {"state": "closed", "state_reason": "duplicate"}
        send = partial(self._wire.send, "PATCH", f"/issues/{issue.number}", {**said, **closed})
        self._wire.repeat(f"close issue #{issue.number}, which was made twice", send)

    def release(self, issue: Issue) -> None:
        """Take the issue from below its parent, if it has one; safe to repeat."""
        if issue.parent:
            path, child = f"/issues/{issue.parent}/sub_issue", {"sub_issue_id": issue.id}
            self._wire.repeat("release a sub-issue", partial(self._delete, path, child))

    # --- links ---------------------------------------------------------------------------------

    def block(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        """Mark each first issue as blocked by the second; safe to repeat.

        They are for people only: what GitHub does not take, now or at all, is told and left out.
        """
        for start, chunk in _chunks(links):
            try:
                missing = self._missing(chunk)
            except Unsupported as error:
                self._told(f"issues are not linked: {error.why}")
                return
            if self._wire.seconds_until(len(missing) + BATCH) > LONGEST_WAIT_FOR_LINKS_SECONDS:
                self._told(
                    f"{len(links) - start} links left out: GitHub's hour has no room for them"
                )
                return
            if missing:
                self._told(f"linking child issues: {start + len(chunk)} of {len(links)}")
                self._block_batch(missing)

    def _block_batch(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        waiting = list(links)

        def look_up() -> bool | None:
            waiting[:] = self._missing(links)
            return None if waiting else True

        def link() -> bool:
            inputs = [
                {"issueId": issue.node_id, "blockingIssueId": on.node_id} for issue, on in waiting
            ]
            self._wire.mutate("addBlockedBy", inputs, "clientMutationId", action="link issues")
            return True

        try:
            self._wire.write("link issues", look_up, link, creations=len(links))
        except Invalid as error:
            names = ", ".join(f"#{issue.number} by #{on.number}" for issue, on in waiting)
            self._told(f"not linked as blocked: {names} ({error.why})")

    def _missing(self, links: Sequence[tuple[Issue, Issue]]) -> list[tuple[Issue, Issue]]:
        there = self._blockers([issue for issue, _ in links])
        return [(issue, on) for issue, on in links if on.number not in there[issue.number]]

    def _blockers(self, issues: Sequence[Issue]) -> dict[int, frozenset[int]]:
        """The numbers of the issues that block each one. Raises Unsupported."""
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

    # --- GraphQL's names -----------------------------------------------------------------------

    def _in_repository(self, fields: str, *, action: str) -> dict[str, Any]:
        owner, _, name = self.repository.partition("/")
        query = (
            "query($owner: String!, $name: String!) "
            f"{{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
        )
        found = self._wire.query(query, {"owner": owner, "name": name}, action=action)
        repository: dict[str, Any] = found["repository"]
        return repository

    # --- workflow runs -------------------------------------------------------------------------

    def cancel_run(self, run: int) -> None:
        """Ask GitHub to cancel a workflow run; safe to repeat, also when it has ended."""
        path = f"/actions/runs/{run}/cancel"
        try:
            self._wire.repeat("cancel the workflow run", partial(self._wire.send, "POST", path))
        except Conflicting:
            return


def _label_fields(names: Sequence[str]) -> str:
    return " ".join(
        f"l{place}: label(name: {json.dumps(name)}) {{ id }}" for place, name in enumerate(names)
    )


def _ids(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """The ids of labels by name, from the answer to `_label_fields`."""
    labels = {name: found[f"l{place}"] for place, name in enumerate(names)}
    missing = [name for name, label in labels.items() if not label]
    if missing:
        raise EnvironmentFault(
            f"the label {missing[0]} is missing",
            why="somebody removed it while the job was running",
            next_step="run the job again; it makes the label anew",
        )
    return {name: str(label["id"]) for name, label in labels.items()}


def _issue(found: Mapping[str, Any]) -> Issue:
    parent = str(found.get("parent_issue_url") or "").rpartition("/")[2]
    return Issue(
        number=int(found["number"]),
        id=int(found["id"]),
        node_id=str(found.get("node_id", "")),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author=str((found.get("user") or {}).get("login", "")),
        is_open=found.get("state") == "open",
        labels=frozenset(str(label["name"]) for label in found.get("labels") or ()),
        parent=int(parent) if parent.isdigit() else 0,
        created_at=str(found.get("created_at") or ""),
    )


def _issue_of_graphql(found: Mapping[str, Any]) -> Issue:
    return Issue(
        number=int(found["number"]),
        id=int(found.get("fullDatabaseId") or 0),
        node_id=str(found["id"]),
        title=str(found.get("title") or ""),
        body=str(found.get("body") or ""),
        author="",
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

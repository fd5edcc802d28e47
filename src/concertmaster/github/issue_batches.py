"""Creates, changes, labels and links many issues in few GraphQL requests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar

from concertmaster.errors import EnvironmentFault
from concertmaster.github.client import Client
from concertmaster.github.connection import PAGE
from concertmaster.github.errors import GivenUp, Invalid, NotAllowed, NotFound, Unsupported
from concertmaster.github.models import Issue, IssueDraft, read_issue_of_query

BATCH = 20  # mutations in one request; more exceed GraphQL's time limit of 10 s
LONGEST_WAIT_FOR_LINKS_SECONDS = 120.0
TRIES_FOR_LINKS = 3

T = TypeVar("T")


@dataclass(frozen=True)
class IssueBatches:
    """Bulk operations on the issues of a repository, with `told` and `redact` of IssueClient."""

    wire: Client
    told: Callable[[str], None]
    redact: Callable[[str], str]

    def create_children(
        self,
        drafts: Sequence[IssueDraft],
        *,
        parent: Issue,
        room: int,
        labels: Sequence[str],
        look_up: Callable[[], Mapping[str, Issue]],
    ) -> dict[str, Issue]:
        """Create an issue for each draft and return them by key.

        The first `room` become sub-issues of `parent`. `look_up` returns the issues that exist
        already by key; it is called after a failed request.
        """
        found = self._in_repository(f"id {_label_fields(labels)}", action="read the repository")
        shared = {"repositoryId": found["id"], "labelIds": list(_ids(found, labels).values())}
        done: dict[str, Issue] = {}
        for start, chunk in _chunks(drafts):
            self.told(f"creating child issues: {start + len(chunk)} of {len(drafts)}")
            below, beside = chunk[: max(0, room - start)], chunk[max(0, room - start) :]
            if below:
                done |= self._create_below(below, shared, parent=parent, look_up=look_up)
            if beside:
                done |= self._create_batch(beside, shared, look_up=look_up)
        return done

    def _create_below(
        self,
        drafts: Sequence[IssueDraft],
        shared: Mapping[str, Any],
        *,
        parent: Issue,
        look_up: Callable[[], Mapping[str, Issue]],
    ) -> dict[str, Issue]:
        """Create sub-issues; if GitHub refuses that, the rest become separate issues.

        The parent may be full, or the token may create issues and not place them.
        """
        placed = {**shared, "parentIssueId": parent.node_id}
        try:
            made = self._create_batch(drafts, placed, look_up=look_up)
        except (Invalid, NotAllowed, NotFound, Unsupported):
            return self._create_batch(drafts, shared, look_up=look_up, again=True)
        return {key: replace(issue, parent=parent.number) for key, issue in made.items()}

    def _create_batch(
        self,
        drafts: Sequence[IssueDraft],
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
            self.wire.mutate(
                "createIssue",
                [{**shared, **self._text(draft)} for draft in missing],
                "issue { id fullDatabaseId number title body state }",
                action="create child issues",
                take=lambda place, found: done.update(
                    {missing[place].key: read_issue_of_query(found["issue"])}
                ),
            )
            return done

        if again and refresh():
            return done
        return self.wire.write("create child issues", refresh, create, creations=len(drafts))

    def _text(self, draft: IssueDraft) -> dict[str, str]:
        return {"title": self.redact(draft.title), "body": self.redact(draft.body)}

    def reopen(self, issues: Mapping[str, Issue], drafts: Iterable[IssueDraft]) -> None:
        """Open each issue and set its title and body from its draft; safe to repeat."""
        inputs = [
            {"id": issues[draft.key].node_id, "state": "OPEN", **self._text(draft)}
            for draft in drafts
        ]
        self._repeat_all("updateIssue", inputs, action="renew child issues")

    def close(self, issues: Iterable[Issue]) -> None:
        """Close the open ones as completed; safe to repeat."""
        inputs = [
            {"issueId": issue.node_id, "stateReason": "COMPLETED"}
            for issue in issues
            if issue.is_open
        ]
        self._repeat_all("closeIssue", inputs, action="close issues")

    def relabel(
        self, issues: Sequence[Issue], *, add: Sequence[str], remove: Sequence[str] = ()
    ) -> list[Issue]:
        """Add and remove labels of many issues, and return these with their new labels.

        Repeated calls change nothing. Raises EnvironmentFault if the repository lacks a label.
        """
        if all({*add} <= one.labels and not {*remove} & one.labels for one in issues):
            return list(issues)
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
        return [
            replace(one, labels=(one.labels | frozenset(add)) - frozenset(remove)) for one in issues
        ]

    def _repeat_all(
        self, mutation: str, inputs: Sequence[Mapping[str, Any]], *, action: str
    ) -> None:
        """Send idempotent mutations in batches."""
        for _, chunk in _chunks(inputs):
            call = partial(self.wire.mutate, mutation, chunk, "clientMutationId", action=action)
            self.wire.repeat(action, call)

    def block(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        """Mark the first issue of each pair as blocked by the second; safe to repeat.

        Only people read these links, so links that GitHub refuses are left out with a message.
        """
        try:
            self._block(links)
        except EnvironmentFault as error:
            self.told(f"issues are not linked: {error.why or error.what}")

    def _block(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        for start, chunk in _chunks(links):
            missing = self._missing(chunk)
            if self.wire.seconds_until(len(missing) + BATCH) > LONGEST_WAIT_FOR_LINKS_SECONDS:
                self.told(
                    f"{len(links) - start} links left out: GitHub's hour has no room for them"
                )
                return
            if missing:
                self.told(f"linking child issues: {start + len(chunk)} of {len(links)}")
                try:
                    self._block_batch(missing)
                except GivenUp as error:
                    self.told(f"{len(links) - start} links left out: {error.why}")
                    return

    def _block_batch(self, links: Sequence[tuple[Issue, Issue]]) -> None:
        waiting = list(links)

        def look_up() -> bool | None:
            waiting[:] = self._missing(links)
            return None if waiting else True

        def link() -> bool:
            inputs = [
                {"issueId": issue.node_id, "blockingIssueId": on.node_id} for issue, on in waiting
            ]
            self.wire.mutate("addBlockedBy", inputs, "clientMutationId", action="link issues")
            return True

        try:
            tries = TRIES_FOR_LINKS
            self.wire.write("link issues", look_up, link, creations=len(links), tries=tries)
        except Invalid as error:
            names = ", ".join(f"#{issue.number} by #{on.number}" for issue, on in waiting)
            self.told(f"not linked as blocked: {names} ({error.why})")

    def _missing(self, links: Sequence[tuple[Issue, Issue]]) -> list[tuple[Issue, Issue]]:
        there = self._blockers([issue for issue, _ in links])
        return [(issue, on) for issue, on in links if on.number not in there[issue.number]]

    def _blockers(self, issues: Sequence[Issue]) -> dict[int, frozenset[int]]:
        """Return the numbers of the issues that block each issue. Raises Unsupported."""
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
        owner, _, name = self.wire.repository.partition("/")
        query = (
            "query($owner: String!, $name: String!) "
            f"{{ repository(owner: $owner, name: $name) {{ {fields} }} }}"
        )
        found = self.wire.query(query, {"owner": owner, "name": name}, action=action)
        repository: dict[str, Any] = found["repository"]
        return repository


def _label_fields(names: Sequence[str]) -> str:
    """Return the GraphQL fields that ask for the id of each label."""
    return " ".join(
        f"l{place}: label(name: {json.dumps(name)}) {{ id }}" for place, name in enumerate(names)
    )


def _ids(found: Mapping[str, Any], names: Sequence[str]) -> dict[str, str]:
    """Return the ids of labels by name, from the answer to `_label_fields`.

    Raises EnvironmentFault if a label is missing.
    """
    labels = {name: found[f"l{place}"] for place, name in enumerate(names)}
    missing = [name for name, label in labels.items() if not label]
    if missing:
        raise EnvironmentFault(
            f"the label {missing[0]} is missing",
            why="somebody removed it while the job was running",
            next_step="run the job again; it makes the label anew",
        )
    return {name: str(label["id"]) for name, label in labels.items()}


def _chunks(items: Sequence[T]) -> Iterator[tuple[int, Sequence[T]]]:
    for start in range(0, len(items), BATCH):
        yield start, items[start : start + BATCH]

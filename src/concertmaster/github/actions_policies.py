"""Reads the policies of Actions and decides which events they stop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_EVENTS = "restrict_action_events"
_ACTORS = "restrict_actions_actors"
_ALL = "~ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionsPolicy:
    """A policy of a repository, an organisation or an enterprise on what may start workflows.

    `events` are the events that it allows, None where it allows all. `workflows` and `without` are
    patterns of workflow files that it counts for and does not count for.
    """

    name: str
    level: str  # Repository, Organization or Enterprise
    source: str
    events: frozenset[str] | None = None
    lists_actors: bool = False
    workflows: tuple[str, ...] = (_ALL,)
    without: tuple[str, ...] = ()

    def covers(self, path: str) -> bool:
        """Return whether the policy counts for the workflow file at `path`."""
        return _matches(path, self.workflows) and not _matches(path, self.without)

    def stopped(self, events: Iterable[str]) -> tuple[str, ...]:
        """Return those of the events that the policy does not allow."""
        return tuple(one for one in events if self.events is not None and one not in self.events)


def read_policy(found: Mapping[str, Any]) -> ActionsPolicy:
    """Return a policy as GitHub's REST API describes it. Rules of other types are left out."""
    rules = {str(one.get("type")): _mapping(one.get("parameters")) for one in found["rules"] or ()}
    paths = _mapping(_mapping(found.get("conditions")).get("workflow_path"))
    allowed = rules.get(_EVENTS)
    return ActionsPolicy(
        name=str(found.get("name") or ""),
        level=str(found.get("source_type") or "Repository"),
        source=str(found.get("source") or ""),
        events=None if allowed is None else frozenset(_words(allowed.get("allowed_events"))),
        lists_actors=_ACTORS in rules,
        workflows=_words(paths.get("include")) or (_ALL,),
        without=_words(paths.get("exclude")),
    )


def _mapping(found: Any) -> Mapping[str, Any]:
    return found if isinstance(found, dict) else {}


def _words(found: Any) -> tuple[str, ...]:
    return tuple(str(one) for one in found or ())


def _matches(path: str, patterns: Iterable[str]) -> bool:
    return any(one == _ALL or fnmatchcase(path, one) for one in patterns)

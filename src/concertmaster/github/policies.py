"""Reads what a repository's settings allow Actions to do."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote

from concertmaster.errors import EnvironmentFault
from concertmaster.github.actions_policies import ActionsPolicy, read_policy
from concertmaster.github.client import Client
from concertmaster.github.errors import Invalid, NotAllowed, NotFound
from concertmaster.github.rulesets import BranchRule, read_rule

MOST_WORKFLOWS = 30  # files that are looked at

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowFile:
    """A workflow as GitHub knows it. `state` is GitHub's word, `active` where it can start."""

    path: str
    state: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The settings of a repository that could be read, with GitHub's names for their keys.

    `unread` says why a part is missing, by the name of its field; that field is then empty.
    """

    repository: Mapping[str, Any]
    permissions: Mapping[str, Any] = field(default_factory=dict)
    selected_actions: Mapping[str, Any] = field(default_factory=dict)
    workflow_permissions: Mapping[str, Any] = field(default_factory=dict)
    workflows: tuple[WorkflowFile, ...] = ()
    secrets: frozenset[str] = frozenset()
    rules: tuple[BranchRule, ...] = ()
    environments: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    actions_policies: tuple[ActionsPolicy, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


class PolicyReader:
    """A reader of the settings; its token needs no permission to write.

    `newer` is a client of the API's version NEWER_API_VERSION.
    """

    def __init__(self, wire: Client, *, newer: Client) -> None:
        self._wire = wire
        self._newer = newer
        self._unread: dict[str, str] = {}

    def read(self) -> Policies:
        """Return what can be read. Raises EnvironmentFault if the repository itself cannot."""
        repository = self._wire.get("")
        branch = str(repository.get("default_branch") or "")
        nothing: dict[str, Any] = {}
        permissions = self._try(
            "permissions", lambda: self._wire.get("/actions/permissions"), nothing
        )
        is_selected = permissions.get("allowed_actions") == "selected"
        return Policies(
            repository=repository,
            permissions=permissions,
            selected_actions=self._try("selected_actions", self._selected, {})
            if is_selected
            else {},
            workflow_permissions=self._try(
                "workflow_permissions", lambda: self._wire.get("/actions/permissions/workflow"), {}
            ),
            workflows=self._try("workflows", self._workflows, ()),
            secrets=self._try("secrets", self._secrets, frozenset()),
            rules=self._try("rules", lambda: self._rules(branch), ()),
            environments=self._try("environments", self._environments, {}),
            actions_policies=self._try("actions_policies", self._actions_policies, ()),
            unread=self._unread,
        )

    def _try(self, part: str, read: Callable[[], T], empty: T) -> T:
        """Return what is read, or `empty` where the token may not see it, with the reason kept."""
        try:
            return read()
        except (NotAllowed, NotFound, Invalid) as error:
            self._unread[part] = error.why or error.what
        except EnvironmentFault as error:  # 409 and others, which GitHub answers for a policy
            self._unread[part] = f"{error.what}: {error.why}"
        return empty

    def _selected(self) -> dict[str, Any]:
        return self._wire.get("/actions/permissions/selected-actions")

    def _secrets(self) -> frozenset[str]:
        """Return the names of the repository's secrets, and of the organisation's for it."""
        own = [*self._wire.pages("/actions/secrets", within="secrets")]
        shared = [*self._wire.pages("/actions/organization-secrets", within="secrets")]
        return frozenset(str(one["name"]) for one in (*own, *shared))

    def _rules(self, branch: str) -> tuple[BranchRule, ...]:
        path = f"/rules/branches/{quote(branch, safe='')}"
        return tuple(read_rule(one) for one in self._wire.pages(path))

    def _actions_policies(self) -> tuple[ActionsPolicy, ...]:
        """Return the policies that are enforced here, with those of organisation and enterprise."""
        path = "/actions/policies"
        listed = [*self._newer.pages(path, within="policies", has_parents="true")]
        enforced = [one for one in listed if one.get("enforcement") == "active"]
        # GitHub does not say whether a list holds the rules; lists of rulesets do not.
        whole = [
            one if "rules" in one else self._newer.get(f"{path}/{one['id']}") for one in enforced
        ]
        return tuple(map(read_policy, whole))

    def _environments(self) -> Mapping[str, tuple[str, ...]]:
        """Return the kinds of rules that protect an environment, by its name."""
        found = self._wire.pages("/environments", within="environments")
        return {
            str(one["name"]): tuple(
                str(rule.get("type")) for rule in one.get("protection_rules") or ()
            )
            for one in found
        }

    def _workflows(self) -> tuple[WorkflowFile, ...]:
        found = [*self._wire.pages("/actions/workflows", within="workflows")]
        files = [one for one in found if str(one["path"]).startswith(".github/workflows/")]
        return tuple(
            WorkflowFile(
                path=str(one["path"]),
                state=str(one["state"]),
                text=self._text(str(one["path"])),
            )
            for one in files[:MOST_WORKFLOWS]
        )

    def _text(self, path: str) -> str:
        """Return the file on the default branch, or "" if it is only on another one."""
        try:
            found = self._wire.get(f"/contents/{quote(path)}")
        except NotFound:
            return ""
        data = base64.b64decode(str(found.get("content") or ""))
        return data.decode("utf-8", "replace")

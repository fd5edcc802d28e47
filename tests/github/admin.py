"""Offers the test interface of a stand-alone double over HTTP: `POST /_double/<verb>` with JSON.

Users are named by login, repositories by full name, issues by number.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.github.double import Double
from tests.github.exchange import Object, Refused, Request
from tests.github.faults import Effect, Fault
from tests.github.hosting import Reply
from tests.github.people import Role, User
from tests.github.state import Issue, Repository, Run

PREFIX = "/_double/"


class Unknown(Exception):
    """The request names a repository, user, issue or run that does not exist."""


class Admin:
    """The handler of administrative requests; VERBS lists the verbs."""

    def __init__(self, double: Double) -> None:
        self.double = double

    def __call__(self, request: Request) -> Reply:
        verb = VERBS.get(request.path.removeprefix(PREFIX))
        if verb is None:
            return reply(404, {"message": f"There is: {', '.join(VERBS)}"})
        try:
            return reply(200, verb(self, request.json() or {}))
        except Unknown as unknown:
            return reply(404, {"message": str(unknown)})
        except Refused as refused:
            return reply(refused.response.status, refused.response.body)
        except (KeyError, ValueError, TypeError) as error:
            return reply(422, {"message": f"{type(error).__name__}: {error}"})

    def repository(self, given: Object) -> Repository:
        found = self.double.store.repository(given["repository"])
        if found is None:
            raise Unknown(f"no repository {given['repository']}")
        return found

    def user(self, login: str) -> User:
        found = self.double.store.user(login)
        if found is None:
            raise Unknown(f"no user {login}")
        return found

    def issue(self, given: Object) -> Issue:
        issues = self.repository(given).issues
        if given["issue"] not in issues:
            raise Unknown(f"no issue {given['issue']}")
        return issues[given["issue"]]

    def run(self, given: Object) -> Run:
        for run in self.repository(given).runs:
            if run.id == given["run"]:
                return run
        raise Unknown(f"no run {given['run']}")

    # State

    def add_repository(self, given: Object) -> Object:
        source = given.get("source")
        made = self.double.add_repository(
            given["name"],
            source=Path(source) if source else None,
            private=bool(given.get("private")),
            default_branch=given.get("default_branch", "main"),
        )
        return {"repository": made.full_name, "clone_url": self.double.clone_url(made)}

    def add_user(self, given: Object) -> Object:
        known = self.double.store.user(given["login"])
        user = known or self.double.add_user(given["login"])
        if "role" in given:
            self.double.give_role(self.repository(given), user, Role(given["role"]))
        return {"login": user.login, "id": user.id}

    def add_token(self, given: Object) -> Object:
        """Make a token for the user `login`, or for a workflow with `permissions`."""
        if "login" in given:
            scope = bool(given.get("workflow_scope"))
            token = self.double.user_token(self.user(given["login"]), workflow_scope=scope)
        else:
            token = self.double.workflow_token(self.repository(given), given.get("permissions"))
        return {"token": token}

    def add_rule(self, given: Object) -> Object:
        rule = self.double.add_rule(
            self.repository(given),
            given["type"],
            branches=given.get("branches", "~DEFAULT_BRANCH"),
            parameters=given.get("parameters"),
            bypass=frozenset(given.get("bypass", ())),
        )
        return {"id": rule.id}

    # Actions of users

    def open_issue(self, given: Object) -> Object:
        issue = self.double.open_issue(
            self.repository(given),
            user=self.user(given["login"]),
            title=given["title"],
            body=given.get("body"),
        )
        return {"number": issue.number, "id": issue.id}

    def comment(self, given: Object) -> Object:
        """Add a comment and return its event, as a workflow receives it."""
        repository, issue = self.repository(given), self.issue(given)
        user = self.user(given["login"])
        comment = self.double.comment(repository, issue, user=user, body=given["body"])
        return self.double.comment_event(repository, issue, comment)

    def label(self, given: Object) -> Object:
        return self.double.label_event(
            self.repository(given),
            self.issue(given),
            name=given["name"],
            sender=self.user(given["login"]),
        )

    def commit(self, given: Object) -> Object:
        commit = self.double.commit(self.repository(given), given["branch"], given["files"])
        return {"sha": commit}

    def merge(self, given: Object) -> Object:
        """Merge the pull request and return the event of its closing."""
        repository, issue, user = (
            self.repository(given),
            self.issue(given),
            self.user(given["login"]),
        )
        method = given.get("method", "merge")
        self.double.merge_pull(repository, issue, user=user, method=method)
        return self.double.pull_event(repository, issue, sender=user)

    def close(self, given: Object) -> Object:
        repository, issue, user = (
            self.repository(given),
            self.issue(given),
            self.user(given["login"]),
        )
        self.double.close(issue, user=user, reason=given.get("reason"))
        if issue.pull is None:
            return {"state": issue.state}
        return self.double.pull_event(repository, issue, sender=user)

    # Workflow runs, faults, time and log

    def add_run(self, given: Object) -> Object:
        run = self.double.add_run(
            self.repository(given),
            given["workflow"],
            event=given["event"],
            actor=self.user(given["login"]),
        )
        return {"run": run.id}

    def set_job(self, given: Object) -> Object:
        job = self.double.set_job(
            self.run(given),
            given["name"],
            status=given["status"],
            conclusion=given.get("conclusion"),
        )
        return {"job": job.id}

    def fail(self, given: Object) -> Object:
        self.double.fail(Fault(**{**given, "effect": Effect[given["effect"]]}))
        return {}

    def mend(self, _: Object) -> Object:
        """Remove all faults."""
        self.double.faults.clear()
        return {}

    def advance(self, given: Object) -> Object:
        self.double.clock.advance(given["seconds"])
        return {}

    def lag(self, given: Object) -> Object:
        self.double.lag(given["seconds"])
        return {}

    def log(self, _: Object) -> Object:
        return {"calls": [asdict(call) for call in self.double.log]}

    def violations(self, _: Object) -> Object:
        return {"violations": self.double.violations}


VERBS: dict[str, Callable[[Admin, Object], Any]] = {
    verb.__name__: verb
    for verb in (
        Admin.add_repository,
        Admin.add_user,
        Admin.add_token,
        Admin.add_rule,
        Admin.open_issue,
        Admin.comment,
        Admin.label,
        Admin.commit,
        Admin.merge,
        Admin.close,
        Admin.add_run,
        Admin.set_job,
        Admin.fail,
        Admin.mend,
        Admin.advance,
        Admin.lag,
        Admin.log,
        Admin.violations,
    )
}


def reply(status: int, body: Any) -> Reply:
    headers = {"Content-Type": "application/json"}
    return Reply(status=status, headers=headers, content=json.dumps(body).encode())

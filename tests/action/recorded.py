"""Puts a repository of GitHub that was recorded back on the double."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.action.rounds import House
from tests.github.double import Double
from tests.github.people import Role, User
from tests.github.state import Comment, Issue, Job, Label, Pull, Reaction, Repository, Review, Run

GITHUB = Path(__file__).parents[1] / "data" / "before-move" / "github"
SERVER = "http://github.example"  # in the place of the double's address
TIMES = "created_at updated_at closed_at merged_at submitted_at started_at completed_at".split()
PEOPLE = "user closed_by merged_by actor".split()


def restore(double: Double, folder: Path, *, after: int) -> House:
    """All that was there after this round, git's objects included, and the time that it was."""
    repository = double.add_repository("ada/opera")
    eve = double.add_user("Eve")
    double.give_role(repository, eve, Role.WRITE)
    bare = double.git(repository)
    refs = f"+refs/recorded/{after}/*:refs/*"
    bare.run("fetch", "--quiet", str(GITHUB / "repository.bundle"), refs)
    repository.default_tip = bare.branch("main")
    fill(double, repository, after=after)
    newest = max(issue.updated_at for issue in repository.issues.values())
    double.clock.advance(newest.timestamp() - double.clock.seconds())
    return House(double=double, repository=repository, eve=eve, folder=folder)


def fill(double: Double, repository: Repository, *, after: int) -> None:
    """Issues, pull requests, labels and workflow runs as after this round."""
    text = (GITHUB / f"round-{after}" / "github.json").read_text()
    found = json.loads(text.replace(SERVER, double.url))
    repository.labels = [Label(**one) for one in found["labels"]]
    issues = [_issue(double, one) for one in found["issues"]]
    repository.issues = {issue.number: issue for issue in issues}
    repository.runs = [_run(double, one) for one in found["runs"]]
    repository.workflow_ids = found["workflow_ids"]
    while double.store.new_id() < found["next_id"]:
        pass


def _issue(double: Double, found: Any) -> Issue:
    comments = [_comment(double, one) for one in found["comments"]]
    pull = found["pull"] and _pull(double, found["pull"])
    return Issue(**_typed(double, found) | {"comments": comments, "pull": pull})


def _comment(double: Double, found: Any) -> Comment:
    reactions = [Reaction(**_typed(double, one)) for one in found["reactions"]]
    return Comment(**_typed(double, found) | {"reactions": reactions})


def _pull(double: Double, found: Any) -> Pull:
    reviews = [Review(**_typed(double, one)) for one in found["reviews"]]
    return Pull(**_typed(double, found) | {"reviews": reviews})


def _run(double: Double, found: Any) -> Run:
    jobs = [Job(**_typed(double, one)) for one in found["jobs"]]
    return Run(**_typed(double, found) | {"jobs": jobs})


def _typed(double: Double, found: Any) -> dict[str, Any]:
    """With times, people and apps in the place of what stands for them in JSON."""

    def person(login: str) -> User:
        user = double.store.user(login)
        assert user, login
        return user

    typed = dict(found)
    for name in typed.keys() & {*TIMES}:
        typed[name] = typed[name] and datetime.fromtimestamp(typed[name], UTC)
    for name in typed.keys() & {*PEOPLE}:
        typed[name] = typed[name] and person(typed[name])
    if "app" in typed:
        typed["app"] = double.store.actions_app if typed["app"] else None
    return typed

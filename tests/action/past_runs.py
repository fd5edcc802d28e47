"""Builds runs with a past: histories, state branches and pull requests of earlier rounds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from concertmaster.model import TaskState
from concertmaster.rounds.documents import write_history
from concertmaster.rounds.history import Due, History, TaskHistory
from concertmaster.text.marks import mark
from tests.action.rounds import House
from tests.github import merging, tracker
from tests.github.people import User
from tests.github.state import Issue, Pull, Repository

TASK = "apple-0001"
RUN = "i1-c5"


def make_history(house: House, run: str = RUN, **more: Any) -> History:
    """Return the history after a first round whose only task waits for a person."""
    task = TaskHistory(
        task=TASK,
        title="Write apple",
        prompt="prompts/apple.md",
        blob=blob(house, "prompts/apple.md"),
        state=more.pop("state", TaskState.AWAITING_MERGE),
        base=house.tip(),
        head=house.tip(),
        pull=more.pop("pull", 0),
    )
    made = History(
        run=run,
        round=1,
        trigger="c5",
        parent=1,
        base=house.tip(),
        target="main",
        tasks={TASK: task},
        started_at=int(house.double.clock.seconds()),
    )
    return replace(made, **more)


def blob(house: House, path: str) -> str:
    entry = house.double.git(house.repository).entry(house.tip(), path)
    assert entry
    return entry.sha


def keep(house: House, history: History, *, data: str = "") -> None:
    """Write the history, or `data` instead, to the run's state branch."""
    text = data or write_history(history).decode()
    branch = f"concertmaster/{history.run}/state"
    house.double.commit(house.repository, branch, {"history.json": text})


def open_pull(
    house: House,
    *,
    run: str = RUN,
    by: User | None = None,
    branch: str = "",
    marked: bool = True,
    fork: Repository | None = None,
) -> Issue:
    """Open a pull request of ours, or of the user `by`."""
    double, repository = house.double, house.repository
    branch = branch or f"concertmaster/{run}/{TASK}"
    where = fork or repository
    double.git(where).update({f"refs/heads/{branch}": (house.tip(), None)})
    commit = double.commit(where, branch, {"apple.txt": "apple\n"})
    with double.store.lock:
        issue = tracker.new_issue(
            double.store,
            repository,
            user=by or double.store.actions_app.bot,
            app=None,
            title="Write apple",
            body=mark(run=run, task=TASK, kind="pull") + "\n" if marked else "Mine",
        )
        if fork:
            double.git(repository).run("fetch", "--quiet", str(fork.folder), branch)
        issue.pull = Pull(
            id=double.store.new_id(),
            head=branch,
            base="main",
            head_commit=commit,
            base_commit=house.tip(),
            fork=fork,
        )
        merging.write_pull_ref(repository, issue, issue.pull)
    return issue


def due(house: House, *, seconds: float, number: int = 2) -> Due:
    at = house.double.clock.seconds() + seconds
    return Due(round=number, at=at, reason="a usage limit ends then")

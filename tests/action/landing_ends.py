"""Drives runs in which people or rules interfere with the landing, and asserts their ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concertmaster.model import TaskState
from concertmaster.rounds.history import TaskHistory
from tests.action.rounds import SETTINGS, House, Round
from tests.github import merging
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.people import Token
from tests.github.state import Issue, Pull

GIT, API = "/ada/opera.git", "/repos/ada/opera"
MEMORY = ".github/Memory.md"


@dataclass(slots=True, kw_only=True)
class Meanwhile(Fault):
    """A fault that breaks nothing: it calls `act` just before the n-th call that fits."""

    effect: Effect = Effect.NOT_FOUND
    act: Callable[[], object] = field(default=lambda: None)

    def strikes(self) -> bool:
        self.seen += 1
        if self.seen == self.nth:
            self.act()
        return False


def build_house(double: Double, folder: Path, **settings: str) -> House:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}
    more = "".join(f"{key}: {value}\n" for key, value in settings.items())
    return House.build(double, folder, prompts, settings=SETTINGS + more)


def ask(house: House) -> Round:
    return house.ask(house.open_issue("apple"))


def verified(held: Round) -> Round:
    held.plan()
    held.work()
    held.verify()
    return held


def push(house: House, name: str = "theirs", *, branch: str = "main") -> str:
    return house.double.commit(house.repository, branch, {f"{name}.txt": f"{name}\n"})


def meanwhile(
    house: House, method: str, path: str, act: Callable[[], object], *, nth: int = 1
) -> None:
    house.double.fail(Meanwhile(method=method, path=path, nth=nth, act=act))


def occupy(house: House, held: Round, name: str) -> str:
    """Make a branch of this name with a commit of somebody else; return the commit."""
    branch = f"concertmaster/{held.outputs['run']}/{name}"
    house.double.git(house.repository).update({f"refs/heads/{branch}": (house.tip(), None)})
    return push(house, branch=branch)


def open_pull(house: House, held: Round) -> Issue:
    """Open a pull request of Eve's from our task's branch."""
    return merging.open_pull(
        house.double.store,
        house.repository,
        token=Token(value="", user=house.eve),
        given=merging.Proposal(title="Mine", body="mine", head=task_branch(held), base="main"),
    )


def plan_of(held: Round) -> Any:
    return json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())


def task_branch(held: Round) -> str:
    return f"concertmaster/{held.outputs['run']}/{plan_of(held)['tasks'][0]['id']}"


def checked_commit(held: Round) -> str:
    verdict = json.loads((held.artifacts / "concertmaster-verify" / "verdict.json").read_text())
    return str(verdict["steps"][-1]["commit"])


def apple(house: House, held: Round) -> TaskHistory:
    return next(iter(house.history(held.outputs["run"]).tasks.values()))


def report(house: House) -> str:
    """Return the newest report on the parent issue."""
    told = [one.body for one in house.repository.issues[1].comments if "kind=report-" in one.body]
    return told[-1]


def pulls(house: House) -> list[tuple[Issue, Pull]]:
    return [*house.repository.pulls()]


def only_pull(house: House) -> tuple[Issue, Pull]:
    (found,) = pulls(house)
    return found


def labels(house: House, number: int = 1) -> set[str]:
    issue = house.repository.issues[number]
    return {label.name for label in house.repository.labels_of(issue)}


def log(house: House, tip: str, *without: str) -> list[str]:
    git = house.double.git(house.repository)
    return git.commits(tip, *(f"^{one}" for one in without))


def parents(house: House, commit: str) -> list[str]:
    return house.double.git(house.repository).text("rev-parse", f"{commit}^@").split()


def carries_memory_alone(house: House, commit: str, on: str) -> bool:
    """Return whether `commit` is one commit on top of `on` that changes only Memory.md."""
    git = house.double.git(house.repository)
    changed = git.text("diff", "--name-only", on, commit).split()
    return parents(house, commit) == [on] and changed == [MEMORY]


def assert_landed(house: House, held: Round, *, tip: str = "") -> None:
    """Assert a landing by push: the target is the tested commit with Memory.md on top."""
    assert apple(house, held).state is TaskState.LANDED
    assert carries_memory_alone(house, tip or house.tip(), checked_commit(held))
    assert_settled(house, held)


def assert_settled(house: House, held: Round) -> None:
    memory = house.read(MEMORY)
    assert memory
    assert memory.count(f" {held.outputs['run']}") == 1
    assert house.read("apple.txt") == "apple\n"
    assert [one.state for one in house.issues("task")] == ["closed"]
    assert house.repository.issues[1].state == "closed"
    assert all(pull.merged_at for _, pull in pulls(house))
    assert house.branches() == ["state"]
    assert house.issues("failure") == []


def assert_untouched(house: House, tip: str) -> None:
    assert house.tip() == tip
    assert [one.state for one in house.issues("task")] == ["open"]
    assert house.repository.issues[1].state == "open"


def assert_open(house: House, held: Round, *, because: str) -> None:
    """Assert that one open pull request holds the tested commit, and why it waits."""
    issue, pull = only_pull(house)
    one = apple(house, held)
    assert (issue.state, one.state, one.pull) == ("open", TaskState.AWAITING_MERGE, issue.number)
    assert carries_memory_alone(house, pull.head_commit, checked_commit(held))
    assert house.branches() == ["landed", "state"]
    assert "1 waits for a merge" in report(house)
    assert f"#{issue.number} waits for somebody to merge it. It holds the results" in report(house)
    assert because in report(house)
    assert house.issues("failure") == []
    assert labels(house) == set()
    assert house.dispatched == []


def settle_by_person(house: House, issue: Issue) -> Round:
    """Tell control of the closed pull request, and hold the round that it dispatches."""
    house.close_pull(issue)
    return house.follow(house.dispatched[-1]).hold()


def assert_merged(house: House, held: Round, method: str = "rebase") -> None:
    """Assert that the one pull request was merged with the tested commit."""
    issue, pull = only_pull(house)
    assert carries_memory_alone(house, pull.head_commit, checked_commit(held))
    assert pull.merged_at
    git = house.double.git(house.repository)
    assert git.text("diff", "--name-only", pull.head_commit, house.tip()) == ""
    assert (pull.head_commit in log(house, house.tip())) is (method == "merge")
    one = apple(house, held)
    assert (one.state, one.pull) == (TaskState.LANDED, issue.number)
    assert "Memory.md` could not" not in report(house)
    assert house.repository.issues[1].state == "closed"
    assert house.branches() == ["state"]
    memory = house.read(MEMORY)
    assert memory
    assert held.outputs["run"] in memory

"""How landing ends when the target moves, rules forbid the push, or people were there first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from concertmaster.core.model import TaskState
from concertmaster.engine.finalize import finalize
from concertmaster.errors import EnvironmentFault, Error
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.state import Issue, MergeRequest, Pull
from tests.jobs.house import SETTINGS, House, Round

pytestmark = pytest.mark.matrix
PUSH = "/ada/opera.git/git-receive-pack"
MEMORY = ".github/Memory.md"
CHECKS = {
    "required_status_checks": [{"context": "ci"}],
    "strict_required_status_checks_policy": False,
}
PROTECTED = "Changes must be made through a pull request."


@dataclass(slots=True, kw_only=True)
class Meanwhile(Fault):
    """Nothing goes wrong, but somebody does something just before the n-th call that fits."""

    effect: Effect = Effect.NOT_FOUND
    act: Callable[[], object] = field(default=lambda: None)

    def strikes(self) -> bool:
        self.seen += 1
        if self.seen == self.nth:
            self.act()
        return False


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    return build(double, tmp_path)


def build(double: Double, folder: Path, **more: str) -> House:
    prompts = {name: f"# Write {name}\n\nwrite {name}.txt {name}\n" for name in ("apple", "pear")}
    settings = "".join(f"{key}: {value}\n" for key, value in more.items())
    return House.build(double, folder, prompts, settings=SETTINGS + settings)


def ask(house: House) -> Round:
    return house.ask(house.open_issue("apple"))


def until_verified(held: Round) -> Round:
    held.plan()
    held.work()
    held.verify()
    return held


def commit(house: House, name: str = "theirs") -> str:
    return house.double.commit(house.repository, "main", {f"{name}.txt": f"{name}\n"})


def state(house: House, held: Round) -> TaskState:
    (one,) = house.history(held.outputs["run"]).tasks
    return one.state


def report(house: House, held: Round) -> str:
    """The newest on the parent."""
    return [one.body for one in house.repository.issues[1].comments if "kind=report-" in one.body][-1]


def pulls(house: House) -> list[tuple[Issue, Pull]]:
    return [*house.repository.pulls()]


def tested(held: Round) -> str:
    from json import loads

    return str(loads((held.artifacts / "verify" / "verdict.json").read_text())["steps"][-1]["commit"])


@pytest.mark.parametrize("job", ["plan", "work"])
def test_t1(house: House, job: str) -> None:
    held = ask(house)
    held.plan()
    if job == "plan":
        commit(house)
    held.work()
    if job == "work":
        commit(house)
    held.verify()
    held.finalize()
    assert state(house, held) is TaskState.LANDED


def test_t2(house: House) -> None:
    held = until_verified(ask(house))
    commit(house)
    held.finalize()
    again = house.follow(house.dispatched[-1]).hold()
    assert state(house, again) is TaskState.LANDED


@pytest.mark.parametrize("nth", [1, 2, 3, 4])
def test_t3_push_post(house: House, nth: int) -> None:
    held = until_verified(ask(house))
    house.double.fail(Meanwhile(method="POST", path=PUSH, nth=nth, act=lambda: commit(house)))
    held.finalize()
    print(nth, state(house, held), [r.inputs for r in house.dispatched])
    if house.dispatched:
        again = house.follow(house.dispatched[-1]).hold()
        assert state(house, again) is TaskState.LANDED


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 5, 6,7])
def test_t3_refs(house: House, nth: int) -> None:
    held = until_verified(ask(house))
    house.double.fail(Meanwhile(method="GET", path="/ada/opera.git/info/refs", nth=nth, act=lambda: commit(house)))
    held.finalize()
    print(nth, state(house, held), [r.inputs for r in house.dispatched])


def test_t4(house: House) -> None:
    held = ask(house)
    for n in range(4):
        until_verified(held)
        commit(house, f"theirs{n}")
        held.finalize()
        if len(house.dispatched) > n:
            held = house.follow(house.dispatched[-1])
    assert len(house.dispatched) == 3


def test_t5_forced(house: House) -> None:
    commit(house, "secret")
    held = until_verified(ask(house))
    bare = house.double.git(house.repository)
    tip = house.tip()
    parent = bare.text("rev-parse", f"{tip}^").strip()
    bare.update({"refs/heads/main": (parent, None)})
    held.finalize()
    again = house.follow(house.dispatched[-1]).hold()
    assert house.read("secret.txt") is None
    assert state(house, again) is TaskState.LANDED


def test_t6_deleted(house: House) -> None:
    held = until_verified(ask(house))
    bare = house.double.git(house.repository)
    tip = house.tip()
    bare.text("update-ref", "-d", "refs/heads/main")
    with pytest.raises(Error) as told:
        held.finalize()
    print(told.value.what, told.value.why, told.value.next_step)
    bare.update({"refs/heads/main": (tip, None)})
    held.finalize()
    assert state(house, held) is TaskState.LANDED


def test_t7_moved_branch(house: House) -> None:
    held = until_verified(ask(house))
    run = held.outputs["run"]

    def move() -> None:
        (name,) = [n for n in house.branches() if "apple" in n]
        house.double.commit(house.repository, f"concertmaster/{run}/{name}", {"x.txt": "x"})

    house.double.fail(Meanwhile(method="POST", path=PUSH, nth=2, act=move))
    held.finalize()
    assert state(house, held) is TaskState.LANDED


def occupy(house: House, held: Round, name: str) -> None:
    house.double.git(house.repository).update(
        {f"refs/heads/concertmaster/{held.outputs['run']}/{name}": (house.tip(), None)}
    )
    house.double.commit(house.repository, f"concertmaster/{held.outputs['run']}/{name}", {"x.txt": "x"})


def task_id(house, held):
    import json
    return json.loads((held.artifacts / "plan" / "plan.json").read_text())["tasks"][0]["id"]


def test_t8_occupied_branch(house: House) -> None:
    held = until_verified(ask(house))
    occupy(house, held, task_id(house, held))
    held.finalize()
    assert state(house, held) is TaskState.LANDED


def test_t9_occupied_whole(house: House) -> None:
    held = until_verified(ask(house))
    house.double.add_rule(house.repository, "pull_request")
    occupy(house, held, "landed")
    held.finalize()
    print(state(house, held))


def test_t9_deleted_branch_and_foreign_pull(house: House) -> None:
    held = until_verified(ask(house))
    commit(house)
    house.double.fail(Meanwhile(method="POST", path="/repos/ada/opera/pulls", nth=1, act=lambda: open_theirs(house, held)))
    held.finalize()
    again = house.follow(house.dispatched[-1])
    until_verified(again)
    again.finalize()


def open_theirs(house, held):
    from tests.github import merging
    from tests.github.people import Token
    name = next(n for n in house.branches() if "apple" in n)
    merging.open_pull(house.double.store, house.repository, token=Token(value="", user=house.eve),
      given=merging.Proposal(title="Mine", body="mine", head=f"concertmaster/{held.outputs['run']}/{name}", base="main"))


def test_t10_foreign_pull_at_push(house: House) -> None:
    held = until_verified(ask(house))
    house.double.fail(Meanwhile(method="POST", path="/repos/ada/opera/pulls", nth=1, act=lambda: open_theirs(house, held)))
    held.finalize()


@pytest.mark.parametrize("kind", ["pull_request", "update", "required_status_checks", "required_linear_history", "merge_queue", "review", "review-auto", "checks-auto"])
def test_t11_rules(house: House, kind: str) -> None:
    rule(house, kind)
    held = ask(house).hold()
    print(state(house, held))


def rule(house, kind):
    params = None
    if kind.endswith("-auto"):
        house.repository.allow_auto_merge = True
        kind = kind.removesuffix("-auto")
    if kind in ("required_status_checks", "checks"):
        kind, params = "required_status_checks", CHECKS
    if kind == "review":
        from tests.github.gatekeeper import DEFAULT_PARAMETERS
        kind, params = "pull_request", {**DEFAULT_PARAMETERS["pull_request"], "required_approving_review_count": 1}
    house.double.add_rule(house.repository, kind, parameters=params)


@pytest.mark.parametrize("calls", [4, 1000])
def test_t12_pending(house: House, calls: int) -> None:
    rule(house, "pull_request")
    house.double.store.calls_before_merge = calls
    held = ask(house).hold()
    print(state(house, held))


def test_t13_another_request(house: House) -> None:
    rule(house, "pull_request")
    house.double.store.calls_before_merge = 6
    held = until_verified(ask(house))
    def other():
        (issue, pull), = [(i, p) for i, p in pulls(house)]
        house.repository.merge_requests.append(MergeRequest(uuid="11111111-1111-4111-8111-111111111111", number=issue.number, token=next(iter(house.double.store.tokens.values())), head=pull.head_commit, method="squash", action="default", calls_left=3))
    house.double.fail(Meanwhile(method="PUT", path="/repos/ada/opera/pulls/*/merge-async", nth=1, act=other))
    held.finalize()
    print(state(house, held))


def test_t14_classic(house: House) -> None:
    rule(house, "pull_request")
    house.double.fail(Fault(effect=Effect.NOT_FOUND, method="GET", path="/repos/*/rules/branches/*"))
    held = ask(house).hold()
    print(state(house, held))


@pytest.mark.parametrize("kind", ["", "pull_request"])
def test_t15_nopulls(house: House, kind: str) -> None:
    house.repository.allow_pulls_by_actions = False
    if kind:
        rule(house, kind)
    held = ask(house).hold()
    print(state(house, held))


@pytest.mark.parametrize("mode", ["single-pull-request", "branches", "none"])
def test_t16_mode(double, tmp_path, mode: str, request) -> None:
    house = build(double, tmp_path, landing=mode)
    request.node.funcargs["house"] = house
    held = ask(house).hold()
    print(state(house, held))


@pytest.mark.parametrize("method", ["merge", "squash", "close"])
def test_t17_person(double, tmp_path, method, request) -> None:
    house = build(double, tmp_path, landing="single-pull-request")
    request.node.funcargs["house"] = house
    held = house.ask(house.open_issue("apple", "pear")).hold()
    ((issue, _),) = pulls(house)
    if method == "close":
        double.close(issue, user=house.eve)
    else:
        double.merge_pull(house.repository, issue, user=house.eve, method=method)
    house.close_pull(issue)
    house.follow(house.dispatched[-1]).hold()

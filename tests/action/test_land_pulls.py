"""`/orchestrate land` checks pull requests of people together and lands those that pass."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.action.plan.job import plan
from concertmaster.errors import UsageError
from concertmaster.model import TaskState
from tests.action.pulls import CHECK, Orchard
from tests.github.double import Double
from tests.github.gatekeeper import DEFAULT_PARAMETERS
from tests.github.people import Role

TEST = "test_nothing_is_rotten"


@pytest.fixture
def orchard(double: Double, tmp_path: Path) -> Orchard:
    return Orchard.build(double, tmp_path)


def test_of_five_pull_requests_four_land_and_the_culprit_is_told(orchard: Orchard) -> None:
    bob = orchard.double.add_user("Bob")
    orchard.double.give_role(orchard.repository, bob, Role.WRITE)
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    pear = orchard.propose("pear", {"pear.txt": "a pear\n"}, user=bob)
    tart = orchard.propose("tart", {"tart.txt": "a tart\n"}, base="apple")
    worm = orchard.propose("worm", {"worm.txt": "rotten\n"}, user=bob)
    plum = orchard.propose_from_fork("plum", {"plum.txt": "a plum\n"})
    heads = {one.number: one.pull.head_commit for one in (apple, pear, tart, plum) if one.pull}

    held = orchard.ask(tart, apple, worm, plum, pear).hold()

    house = orchard.house
    assert {one.number: orchard.is_merged(one) for one in (apple, pear, tart, plum, worm)} == {
        **dict.fromkeys(heads, True),
        worm.number: False,
    }
    found = {name: house.read(f"{name}.txt") for name in ("apple", "pear", "tart", "plum", "worm")}
    assert [name for name, text in found.items() if text is None] == ["worm"]
    bare = orchard.double.git(orchard.repository)
    assert all(bare.reaches(house.tip(), head) for head in heads.values())
    (told,) = orchard.told(worm)
    assert TEST in told
    assert worm.state == "open"
    states = {key: one.state for key, one in house.history(held.outputs["run"]).tasks.items()}
    assert states.pop(f"pull-{worm.number}") is TaskState.LEFT_OUT
    assert {*states.values()} == {TaskState.LANDED}
    assert orchard.house.branches() == ["state"]
    assert house.dispatched == []
    assert len(orchard.repository.pulls()) == 5

    held.finalize()
    assert orchard.told(worm) == [told]


def test_only_somebody_who_may_write_is_answered(orchard: Orchard) -> None:
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    reader = orchard.double.add_user("Rae")

    held = orchard.ask(apple, by=reader)
    held.plan()

    assert held.outputs["run"] == ""
    assert not orchard.told(orchard.parent(held))
    assert not orchard.is_merged(apple)


def test_what_cannot_land_is_named_with_its_reason(orchard: Orchard) -> None:
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    pear = orchard.propose("pear", {"pear.txt": "a pear\n"})
    tart = orchard.propose("tart", {"tart.txt": "a tart\n"}, base="apple")
    cake = orchard.propose("cake", {"cake.txt": "a cake\n"}, base="tart")
    plum = orchard.propose_from_fork("plum", {"plum.txt": "a plum\n"})
    orchard.double.close(pear, user=orchard.house.eve)

    held = orchard.ask(tart, pear, cake, words="")
    orchard.double.commit(orchard.repository, "cake", {"cake.txt": "another\n"})
    with pytest.raises(UsageError, match="none of these pull requests"):
        held.plan()

    (told,) = orchard.told(orchard.parent(held))
    assert f"#{tart.number}: it is for apple" in told
    assert f"#{pear.number}: it is closed" in told
    assert f"#{cake.number}: somebody pushed to it after the comment" in told
    single = orchard.ask(plum, apple, words="")
    planned = replace(single.job("finalize"), is_single=True)  # one token does it all
    assert plan(planned) == 0
    (told,) = orchard.told(orchard.parent(single))
    assert "this workflow has one job" in told
    assert not any(map(orchard.is_merged, (apple, pear, tart, cake, plum)))


@pytest.mark.matrix
def test_a_push_while_it_is_checked_lands_nothing_of_it(orchard: Orchard) -> None:
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    pear = orchard.propose("pear", {"pear.txt": "a pear\n"})
    house = orchard.house

    first = orchard.ask(apple, pear)
    first.plan()
    first.verify()
    orchard.double.commit(orchard.repository, "apple", {"apple.txt": "another\n"})
    first.finalize()

    (told,) = orchard.told(apple)
    assert "somebody pushed to it after" in told
    assert (house.read("apple.txt"), house.read("pear.txt")) == (None, None)
    house.follow(house.dispatched[-1]).hold()
    assert (house.read("apple.txt"), house.read("pear.txt")) == (None, "a pear\n")
    assert (orchard.is_merged(apple), orchard.is_merged(pear)) == (False, True)
    assert orchard.told(apple) == [told]


@pytest.mark.matrix
def test_a_pull_request_that_github_removed_holds_nobody_up(orchard: Orchard) -> None:
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    pear = orchard.propose("pear", {"pear.txt": "a pear\n"})
    house = orchard.house

    first = orchard.ask(apple, pear)
    first.plan()
    first.verify()
    orchard.double.delete(orchard.repository, apple)
    first.finalize()

    states = {key: one.state for key, one in house.history(first.outputs["run"]).tasks.items()}
    assert states == {
        f"pull-{apple.number}": TaskState.LEFT_OUT,
        f"pull-{pear.number}": TaskState.SUCCEEDED,
    }
    assert "GitHub has it no more" in orchard.told(orchard.parent(first))[-1]
    assert len(house.dispatched) == 1


@pytest.mark.matrix
def test_the_path_policy_holds_forks_and_reports_people(orchard: Orchard) -> None:
    own = orchard.propose("own", {"check.sh": f"{CHECK}# more\n"})
    flow = orchard.propose("flow", {".github/workflows/ci.yml": "on: push\n"})
    fork = orchard.propose_from_fork("fork", {"AGENTS.md": "Do as I say.\n"})

    held = orchard.ask(own, flow, fork).hold()

    assert [orchard.is_merged(one) for one in (own, flow, fork)] == [True, False, False]
    assert orchard.house.read("check.sh") == f"{CHECK}# more\n"
    (told,) = orchard.told(fork)
    assert "AGENTS.md: " in told
    assert orchard.house.read("AGENTS.md") is None
    (told,) = orchard.told(flow)
    assert "ci.yml" in told
    assert f"#{own.number} changes" in orchard.told(orchard.parent(held))[-1]


@pytest.mark.matrix
def test_one_pull_request_carries_all_where_a_push_is_forbidden(orchard: Orchard) -> None:
    orchard.double.add_rule(orchard.repository, "pull_request")
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    tart = orchard.propose("tart", {"tart.txt": "a tart\n"}, base="apple")

    held = orchard.ask(apple, tart).hold()

    assert (orchard.is_merged(apple), tart.state) == (True, "closed")
    assert orchard.house.read("tart.txt") == "a tart\n"
    (told,) = orchard.told(tart)
    assert "This has landed on" in told
    assert len(orchard.repository.pulls()) == 3
    assert orchard.parent(held).state == "open"


@pytest.mark.matrix
def test_required_reviews_count(orchard: Orchard) -> None:
    parameters = {**DEFAULT_PARAMETERS["pull_request"], "required_approving_review_count": 1}
    orchard.double.add_rule(orchard.repository, "pull_request", parameters=parameters)
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    pear = orchard.propose("pear", {"pear.txt": "a pear\n"})
    orchard.approve(apple)

    held = orchard.ask(apple, pear).hold()

    report = orchard.told(orchard.parent(held))[-1]
    assert f"`pull-{pear.number}`" not in report
    assert "lacks an approving review" in report
    states = orchard.house.history(held.outputs["run"]).tasks
    assert {key: one.state for key, one in states.items()} == {
        f"pull-{apple.number}": TaskState.AWAITING_MERGE
    }
    assert orchard.house.read("apple.txt") is None


@pytest.mark.matrix
@pytest.mark.parametrize("rules", [("required_linear_history",), ()])
def test_a_history_without_merges_gets_one_commit_with_its_authors(
    orchard: Orchard, rules: tuple[str, ...]
) -> None:
    for rule in rules:
        orchard.double.add_rule(orchard.repository, rule)
    apple = orchard.propose("apple", {"apple.txt": "an apple\n"})
    orchard.double.commit(orchard.repository, "apple", {"core.txt": "a core\n"})
    words = "" if rules else f"/orchestrate land #{apple.number} history=squash"

    orchard.ask(apple, words=words).hold()

    house, bare = orchard.house, orchard.double.git(orchard.repository)
    one = bare.read_commit(house.tip())
    assert (len(one.parents), house.read("core.txt")) == (1, "a core\n")
    assert one.message.startswith("Add apple\n")
    assert "Co-authored-by: Somebody <somebody@example.org>" in one.message
    (told,) = orchard.told(apple)
    assert one.sha[:12] in told
    assert (apple.state, orchard.is_merged(apple)) == ("closed", False)


@pytest.mark.matrix
def test_additions_at_one_place_are_joined_and_a_conflict_is_told(orchard: Orchard) -> None:
    files = {"CHANGES.md": "# Changes\n\n- old\n", "size": "1\n"}
    orchard.double.commit(orchard.repository, "main", files)
    pulls = {
        name: orchard.propose(
            name, {"CHANGES.md": f"# Changes\n\n- old\n- {name}\n", f"{name}.txt": name}
        )
        for name in ("apple", "pear")
    }
    one, other = (orchard.propose(f"size{n}", {"size": f"{n}\n"}) for n in (2, 3))

    orchard.ask(*pulls.values(), one, other).hold()

    changes = orchard.house.read("CHANGES.md") or ""
    assert changes.splitlines()[2:] == ["- old", "- apple", "- pear"]
    assert all(map(orchard.is_merged, (*pulls.values(), one)))
    assert (orchard.is_merged(other), orchard.house.read("size")) == (False, "2\n")
    (told,) = orchard.told(other)
    assert "conflict in size" in told

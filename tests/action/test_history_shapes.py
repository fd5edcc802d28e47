"""Runs on GitHub land in the shape that was chosen, and the pull requests of their tasks end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.action.work import work
from concertmaster.model import TaskState
from tests.action.finalize_tries import Finale
from tests.action.landing_ends import log, parents, plan_of, pulls
from tests.action.rounds import SETTINGS, House, Round
from tests.commandline import among_agents
from tests.conftest import in_matrix
from tests.github.double import Double
from tests.github.faults import Effect, Fault

# Two exclude each other, and one is built on another.
PROMPTS = {
    "apple": "# Write apple\n\nwrite apple.txt apple\n",
    "salt": "---\ntouches: [list.txt]\n---\n# Add salt\n\nappend list.txt salt\n",
    "mint": "---\ntouches: [list.txt]\n---\n# Add mint\n\nappend list.txt mint\n",
    "tart": "---\nneeds: [apple.md]\n---\n# Bake tart\n\nneed apple.txt\nwrite apple.txt tart\n",
    "plum": "# Write plum\n\nfail\n",
}

LANDING = ("apple", "salt", "mint", "tart")


def build(double: Double, folder: Path, settings: str) -> House:
    return House.build(
        double,
        folder,
        PROMPTS,
        settings=f"{SETTINGS}{settings}",
        files={"list.txt": "start\n"},
    )


@pytest.mark.parametrize("shape", in_matrix(["squash", "linear", "merge"]))
def test_a_round_lands_in_the_shape_that_is_asked_for(
    double: Double, tmp_path: Path, shape: str
) -> None:
    house = build(double, tmp_path, f"history: {shape}\n")
    base = house.tip()

    held = house.ask(house.open_issue(*LANDING)).hold()

    tasks = house.history(held.outputs["run"]).tasks.values()
    assert {one.state for one in tasks} == {TaskState.LANDED}
    assert sorted((house.read("list.txt") or "").splitlines()) == ["mint", "salt", "start"]
    assert house.read("apple.txt") == "tart\n"
    new = log(house, house.tip(), base)
    assert house.branches() == ["state"]
    assert [child.state for child in house.issues("task")] == ["closed"] * 4
    assert {one.landed_as for one in tasks} <= {*new}
    shown = {issue.number: (issue, pull) for issue, pull in pulls(house)}
    assert {one.pull for one in tasks} == {*shown}
    if shape == "merge":
        assert sum(len(parents(house, one)) == 2 for one in new) == 4
        return
    # Memory.md is the last commit.
    assert len(new) == (5 if shape == "linear" else 2)
    assert all(len(parents(house, one)) == 1 for one in new)
    for one in tasks:
        issue, pull = shown[one.pull]
        assert issue.state == "closed"
        told = [said.body for said in issue.comments if one.landed_as[:7] in said.body]
        if shape == "linear":
            assert (pull.merged_at is not None, pull.head_commit) == (True, one.landed_as)
        else:
            assert (pull.merged_at, len(told), one.landed_as) == (None, 1, new[1])
            changed = house.double.git(house.repository).text(
                "diff", "--name-only", f"{pull.head_commit}^", pull.head_commit
            )
            assert changed == ("list.txt" if one.title.startswith("Add") else "apple.txt")
    message = house.double.git(house.repository).text("log", "--format=%B", f"{base}..main")
    for one in tasks:
        assert message.count(f"Concertmaster-Task: {one.task}\n") == 1
        assert message.count(f"Concertmaster-Prompt: {one.blob}\n") >= 1


@pytest.mark.matrix
def test_a_further_round_keeps_the_shape_of_the_first(double: Double, tmp_path: Path) -> None:
    house = build(double, tmp_path, "landing: pull-requests\nattempts: 1\n")
    parent = house.open_issue("apple", "plum")
    assert shape_of(house.ask(parent).hold()) == "linear"
    shown = next(issue for issue, _ in pulls(house) if issue.title == "Write apple")
    double.merge_pull(house.repository, shown, user=house.eve, method="merge")
    assert len(parents(house, house.tip())) == 2  # so a new run would merge

    assert shape_of(house.ask(parent, "/orchestrate retry").hold()) == "linear"
    assert shape_of(house.ask(parent, "/orchestrate retry history=squash").hold()) == "squash"
    last = house.ask(parent, "/orchestrate retry")
    last.plan()
    assert shape_of(last) == "squash"


def shape_of(held: Round) -> str:
    return str(plan_of(held)["settings"]["history"])


@pytest.mark.matrix
def test_a_finalize_that_stops_behind_the_push_closes_the_pull_requests_later(
    double: Double, tmp_path: Path
) -> None:
    finale = Finale.prepare(
        double, tmp_path, name="squash", settings="history: squash\n", more=("grape",)
    )
    calls = finale.calls()
    end = finale.state()
    (closing, *_) = (call for call in calls if call.method == "POST" and "/comments" in call.path)
    finale.rewind()
    double.fail(Fault(method="POST", path=closing.path, effect=Effect.BAD_GATEWAY_BEFORE))
    assert finale.run_or_stop()
    double.faults.clear()
    finale.download()
    finale.run()
    assert finale.state() == end


WORDS = """
echo "$NAME" > "$NAME.txt"
echo "Wrote it for @ada, see #1. The token is $SECRET_TOKEN."
echo "Co-authored-by: Mallory <mallory@example.org>"
"""


@pytest.mark.matrix
def test_the_words_of_an_agent_come_to_the_commit_and_the_pull_request(
    double: Double, tmp_path: Path
) -> None:
    script = "\n".join(["```sh", WORDS.strip().replace("$NAME", "apple"), "```", ""])
    house = House.build(
        double,
        tmp_path,
        {"apple": f"# Write apple\n\n{script}"},
        settings="check: 'true'\nagent: claude\nphases: lean\nagent_environment: SECRET_TOKEN\n",
    )
    (tmp_path / "home").mkdir()
    secret = {"SECRET_TOKEN": "tell-nobody-of-this-0815"}
    held = house.ask(house.open_issue("apple"))
    held.plan()
    job = held.job("work", share=0)
    work(replace(job, environment={**among_agents(tmp_path / "home"), **secret}))
    held.verify()
    held.finalize()

    (one,) = house.history(held.outputs["run"]).tasks.values()
    assert one.state is TaskState.LANDED, one.reason
    message = house.double.git(house.repository).text("log", "-1", "--format=%B", one.landed_as)
    said = "Wrote it for @ ada, see # 1. The token is ***."
    assert message.startswith(f"Write apple\n\n{said}\nCo-authored-by - Mallory <mallory@")
    ((issue, _),) = pulls(house)
    assert "> Wrote it for" in (issue.body or "")
    assert "> Co-authored-by - Mallory" in (issue.body or "")
    assert secret["SECRET_TOKEN"] not in f"{message}{issue.body}"

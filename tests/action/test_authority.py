"""Tests who may begin a further round, which one, with which prompt texts and which budget."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.plan.job import plan
from concertmaster.comments.plan_comment import NOTHING_LEFT, workflow_note
from concertmaster.comments.plan_data import PLAN_KIND
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.model import TaskState
from concertmaster.prompts.parser import task_id
from concertmaster.rounds.history import History, by_name
from concertmaster.text.marks import mark
from tests.action.past_runs import RUN, due, keep, make_history, open_pull
from tests.action.rounds import House, Round
from tests.github import tracker
from tests.github.double import Double
from tests.github.people import Kind, Role, Token, User

PROMPT = "prompts/apple.md"
APPLE = task_id(PROMPT)
OLD = "# Write apple\n\nwrite apple.txt apple\n"
NEW = "# Write a better apple\n\nwrite apple.txt better\n"


@pytest.fixture
def house(double: Double, tmp_path: Path) -> House:
    house = House.build(double, tmp_path, {"apple": OLD})
    house.open_issue("apple")
    return house


def failed(house: House, **more: Any) -> History:
    """Return a run whose first round ended with one failed task."""
    made = make_history(house, state=TaskState.FAILED, **more)
    (task,) = made.tasks.values()
    return replace(made, tasks=by_name([replace(task, head="", task=APPLE)]))


def say_planned(house: House, run: str = RUN, *, started: bool = True) -> None:
    """Write our plan comment; that of a dry run links no workflow run."""
    double, repository = house.double, house.repository
    page = f"{double.url}/{repository.full_name}/actions/runs/77"
    text = (
        mark(run=run, kind=PLAN_KIND) + "\n\n" + (f"- {workflow_note(page)}\n" if started else "")
    )
    token = Token(value="", user=double.store.actions_app.bot)
    with double.store.lock:
        tracker.add_comment(
            double.store, repository, issue=repository.issues[1], token=token, body=text
        )


def dispatch(house: House, by: User, *, run: str = RUN, number: int = 2, **more: Any) -> Round:
    """Start the workflow by a dispatch of this user with these inputs."""
    sender = {"login": by.login, "type": by.kind.value}
    payload = {"sender": sender}
    return house.start("workflow_dispatch", payload, actor=by, run=run, round=number, **more)


def ask(house: House, words: str, *, by: User | None = None) -> Round:
    double, repository = house.double, house.repository
    issue = repository.issues[1]
    written = double.comment(repository, issue, user=by or house.eve, body=words)
    return house.start("issue_comment", double.comment_event(repository, issue, written))


def tasks_of(held: Round) -> list[str]:
    held.plan()
    if held.outputs["run"] == "":
        return []
    found = json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())["tasks"]
    return [one["id"] for one in found]


def is_refused(held: Round) -> bool:
    held.plan()
    return held.outputs["run"] == "" and held.outputs["count"] == "0"


def ours(house: House) -> User:
    return house.double.store.actions_app.bot


# --- by dispatch -------------------------------------------------------------------------------


def test_we_may_begin_the_round_that_is_due(house: House) -> None:
    keep(house, replace(failed(house), due=due(house, seconds=-5), **waits(house)))
    held = dispatch(house, ours(house))
    assert tasks_of(held) == [APPLE]
    assert held.outputs["round"] == "2"


def waits(house: House) -> dict[str, Any]:
    """Return fields of a history whose task was stopped by a usage limit."""
    (task,) = failed(house).tasks.values()
    return {"tasks": by_name([replace(task, state=TaskState.WAITING)])}


@pytest.mark.parametrize("number", [1, 3])
def test_we_may_not_begin_another_round_than_the_one_that_is_due(house: House, number: int) -> None:
    keep(house, replace(failed(house), due=due(house, seconds=-5), **waits(house)))
    assert is_refused(dispatch(house, ours(house), number=number))


def test_we_may_not_begin_a_round_when_none_is_due(house: House) -> None:
    keep(house, failed(house))
    held = dispatch(house, ours(house))
    assert is_refused(held)
    assert f"no round 2 of run {RUN} is due" in held.said


def test_we_may_begin_a_round_when_a_person_has_settled_a_pull_request(house: House) -> None:
    issue = open_pull(house)
    keep(house, make_history(house, pull=issue.number))
    assert is_refused(dispatch(house, ours(house)))

    house.double.merge_pull(house.repository, issue, user=house.eve)
    held = dispatch(house, ours(house))
    held.plan()
    assert (held.outputs["run"], held.outputs["count"]) == (RUN, "0")


@pytest.mark.parametrize("allowed", ["", "renovate[bot]"])
def test_another_bot_begins_nothing_unless_it_is_allowed_to(house: House, allowed: str) -> None:
    bot = house.double.add_user("renovate[bot]", kind=Kind.BOT)
    keep(house, replace(failed(house), due=due(house, seconds=-5)))
    held = dispatch(house, bot, allowed_bots=tuple(filter(None, [allowed])))
    assert tasks_of(held) == ([APPLE] if allowed else [])


def test_a_person_who_may_write_begins_a_round_at_any_time(house: House) -> None:
    keep(house, failed(house))
    assert tasks_of(dispatch(house, house.eve, number=1)) == [APPLE]


@pytest.mark.parametrize("role", [Role.READ, Role.TRIAGE])
def test_a_person_who_may_not_write_begins_nothing(house: House, role: Role) -> None:
    mallory = house.double.add_user("Mallory")
    house.double.give_role(house.repository, mallory, role)
    keep(house, replace(failed(house), due=due(house, seconds=-5)))
    say_planned(house)
    before = len(house.repository.issues[1].comments)
    assert is_refused(dispatch(house, mallory))
    assert is_refused(ask(house, "/orchestrate retry", by=mallory))
    assert len(house.repository.issues[1].comments) == before + 1  # this one is Mallory's


def test_what_we_begin_as_a_person_is_no_wish_of_that_person(house: House) -> None:
    """The number of such rounds would have no limit otherwise."""
    house.double.give_role(house.repository, house.eve, Role.ADMIN)
    own = house.double.user_token(house.eve)
    keep(house, replace(failed(house), due=due(house, seconds=-5), own_rounds=1, **waits(house)))
    held = dispatch(house, house.eve)
    job = held.job("plan")
    secret = type(job.settings.github_token)(own)
    assert (
        plan(replace(job, settings=job.settings.model_copy(update={"github_token": secret}))) == 0
    )
    begun = json.loads((held.artifacts / "concertmaster-plan" / "history.json").read_text())
    assert begun["own_rounds"] >= 1


@pytest.mark.parametrize("run", ["i2-c9", "w1", "x" * 64])
def test_a_run_that_this_repository_does_not_know_is_named(house: House, run: str) -> None:
    other = house.double.add_repository("ada/other")
    house.double.commit(other, "concertmaster/i2-c9/state", {"history.json": "{}"})
    held = dispatch(house, house.eve, run=run)
    with pytest.raises(UsageError, match=f"nothing is known of run {run}"):
        held.plan()
    assert held.outputs["run"] == ""


@pytest.mark.parametrize("run", ["../main", "a/b", "A", "x" * 65, "-x"])
def test_what_is_no_id_of_a_run_asks_for_nothing(house: House, run: str) -> None:
    assert is_refused(dispatch(house, house.eve, run=run))


# --- by a comment ------------------------------------------------------------------------------


def test_a_retry_names_tasks_by_id_or_by_the_number_of_their_issue(house: House) -> None:
    double, repository = house.double, house.repository
    double.commit(repository, "main", {"prompts/pear.md": "# Write pear\n\nwrite pear.txt x\n"})
    made = failed(house)
    (apple,) = made.tasks.values()
    apple = replace(apple, issue=41)
    pear = replace(apple, task=task_id("prompts/pear.md"), prompt="prompts/pear.md", issue=42)
    keep(house, replace(made, tasks=by_name([apple, pear])))
    say_planned(house)
    names = {"#41": "apple", "#42": "pear", apple.task: "apple"}
    for word, name in names.items():
        found = tasks_of(ask(house, f"/orchestrate retry {word}"))
        assert [one.partition("-")[0] for one in found] == [name]


@pytest.mark.parametrize("word", ["#99", "plum-0003"])
def test_a_retry_of_what_is_no_task_says_which_there_are(house: House, word: str) -> None:
    keep(house, failed(house))
    say_planned(house)
    held = ask(house, f"/orchestrate retry {word}")
    with pytest.raises(UsageError, match="has no task"):
        held.plan()
    assert APPLE in house.repository.issues[1].comments[-1].body


def test_a_retry_when_nothing_is_left_says_so(house: House) -> None:
    keep(house, make_history(house, state=TaskState.LANDED))
    say_planned(house)
    assert is_refused(ask(house, "/orchestrate retry"))
    assert NOTHING_LEFT in house.repository.issues[1].comments[-1].body


def test_a_retry_before_the_first_round_is_over_asks_to_wait(house: House) -> None:
    say_planned(house)
    held = ask(house, "/orchestrate retry")
    with pytest.raises(UsageError, match="nothing is known"):
        held.plan()
    assert "wait until the run is over" in house.repository.issues[1].comments[-1].body


def test_a_retry_where_no_run_was_says_how_to_start_one(house: House) -> None:
    with pytest.raises(UsageError, match="no run on issue #1"):
        ask(house, "/orchestrate retry").plan()


def test_a_dry_run_is_nothing_to_go_on_with(house: House) -> None:
    keep(house, failed(house))
    say_planned(house)
    say_planned(house, "i1-c6", started=False)
    assert tasks_of(ask(house, "/orchestrate retry")) == [APPLE]


def test_no_comment_of_anybody_else_directs_a_retry_to_another_run(house: House) -> None:
    keep(house, failed(house))
    keep(house, failed(house, run="i1-c6"))
    say_planned(house)
    mallory = house.double.add_user("Mallory")
    text = f"{mark(run='i1-c6', kind=PLAN_KIND)}\n\n[Workflow run](x)\n"
    house.double.comment(house.repository, house.repository.issues[1], user=mallory, body=text)
    held = ask(house, "/orchestrate retry")
    assert tasks_of(held) == [APPLE]
    assert held.outputs["run"] == RUN


@pytest.mark.matrix
def test_the_same_retry_again_does_nothing_twice(house: House) -> None:
    keep(house, failed(house))
    say_planned(house)
    held = ask(house, "/orchestrate retry").hold()
    assert house.history(RUN).round == 2
    before = everything(house)
    held.plan()
    assert held.outputs["run"] == ""
    assert everything(house) == before


def everything(house: House) -> list[Any]:
    return [
        (one.number, one.state, one.title, one.body, [*one.labels], [c.body for c in one.comments])
        for one in house.repository.issues.values()
    ]


# --- with which text ---------------------------------------------------------------------------


def text_of(held: Round) -> str:
    held.plan()
    (task,) = json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())["tasks"]
    blob: str = task["blob"]
    return (held.artifacts / "concertmaster-plan" / "prompts" / blob).read_text()


@pytest.mark.parametrize("then", [NEW, None])
def test_our_own_round_takes_the_prompt_as_it_was(house: House, then: str | None) -> None:
    keep(house, replace(failed(house), due=due(house, seconds=-5), **waits(house)))
    house.double.commit(house.repository, "main", {PROMPT: then})
    assert text_of(dispatch(house, ours(house))) == OLD


@pytest.mark.parametrize(("then", "text"), [(NEW, NEW), (None, OLD)])
def test_a_person_gets_the_prompt_as_it_is_and_a_deleted_one_as_it_was(
    house: House, then: str | None, text: str
) -> None:
    keep(house, failed(house))
    say_planned(house)
    house.double.commit(house.repository, "main", {PROMPT: then})
    assert text_of(ask(house, "/orchestrate retry")) == text


def test_a_text_that_is_gone_for_good_is_named(house: House) -> None:
    made = failed(house)
    (task,) = made.tasks.values()
    keep(house, replace(made, tasks=by_name([replace(task, blob="1" * 40)])))
    house.double.commit(house.repository, "main", {PROMPT: None})
    say_planned(house)
    with pytest.raises(EnvironmentFault, match="is gone"):
        ask(house, "/orchestrate retry").plan()


# --- with which budget -------------------------------------------------------------------------


def spent(house: House, usd: float, **more: Any) -> History:
    made = failed(house, **more)
    (task,) = made.tasks.values()
    return replace(made, tasks=by_name([replace(task, usage=replace(task.usage, cost_usd=usd))]))


def budget_of(held: Round) -> float:
    held.plan()
    settings = json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())[
        "settings"
    ]
    found: float = settings["budget_usd"]
    return found


def test_a_further_round_has_what_is_left_of_the_budget(house: House) -> None:
    keep(house, spent(house, 7.5, options=(("budget", "10"),)))
    say_planned(house)
    assert budget_of(ask(house, "/orchestrate retry")) == pytest.approx(2.5)
    assert budget_of(ask(house, "/orchestrate retry budget=20")) == pytest.approx(12.5)


def test_a_retry_without_budget_says_how_to_raise_it(house: House) -> None:
    keep(house, spent(house, 10.5, options=(("budget", "10"),)))
    say_planned(house)
    with pytest.raises(UsageError, match="is used up"):
        ask(house, "/orchestrate retry").plan()
    assert "budget=21" in house.repository.issues[1].comments[-1].body


def test_our_own_round_without_budget_starts_no_agent(house: House) -> None:
    made = spent(house, 10.5, options=(("budget", "10"),))
    (task,) = made.tasks.values()
    made = replace(made, tasks=by_name([replace(task, state=TaskState.WAITING)]))
    keep(house, replace(made, due=due(house, seconds=-5)))
    assert tasks_of(dispatch(house, ours(house))) == []

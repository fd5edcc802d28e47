"""Tests attacks on plan, cost and limits, by the number of their case."""

from __future__ import annotations

import json

import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.errors import UsageError
from concertmaster.settings.action_inputs import load_action_settings
from tests.action.attacks import gets_a_reply, gets_nothing, plan
from tests.action.repository import LIST, Scene

pytestmark = pytest.mark.matrix


# --- the plan ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        (["---\nneeds: [p001.md]\n---\nx", "---\nneeds: [p000.md]\n---\nx"], "needs"),
        (["---\nneeds: [p000.md]\n---\nx"], "wait for the others"),
        (["---\nneeds: [absent.md]\n---\nx"], "absent.md"),
        ([], "no prompt files are listed"),
        (["x"] * 257, "more than 256"),
        (["x"] * 300, "more than 256"),
    ],
)
def test_case_23_needs_that_cannot_be_met_and_lists_that_are_too_long_get_a_reply(
    scene: Scene, texts: list[str], why: str
) -> None:
    issue = scene.open_issue(scene.write_prompts(texts) if texts else "Do something")

    assert why in gets_a_reply(scene, scene.ask(issue=issue), issue)


def test_case_23_one_task_is_a_matrix_of_one(scene: Scene) -> None:
    outputs = plan(scene.ask(listed="- prompts/apple.md\n- prompts/apple.md\n"))

    assert [outputs["count"], outputs["shares"]] == ["1", "[0]"]


def test_case_23_nothing_left_to_do_is_no_matrix(scene: Scene) -> None:
    outputs = plan(scene.ask(listed=scene.write_prompts(["# Done (IMPLEMENTED)\nx\n"])))

    assert [outputs["count"], outputs["shares"]] == ["0", "[]"]


def test_case_24_what_tasks_say_they_touch_only_decides_who_waits(scene: Scene) -> None:
    lie = "---\ntouches: [{}.py]\n---\n# Write shared.txt\n"
    texts = [lie.format("one"), lie.format("two"), "---\ntouches: ['**']\n---\n# Write b.txt\n"]
    workflow = scene.ask(listed=scene.write_prompts(texts))

    plan(workflow)

    # The plan must not weaken the check, because landing relies on it for every tree.
    made = json.loads((workflow.job().artifacts / "concertmaster-plan" / "plan.json").read_text())
    assert len(made["tasks"]) == 3
    assert made["settings"]["check"] == "sh check.sh"
    assert all(task["check"] == "" for task in made["tasks"])


# --- cost --------------------------------------------------------------------------------------


def test_case_30_many_commands_of_one_person_still_make_one_set_of_issues(scene: Scene) -> None:
    issue = scene.open_issue()
    for _ in range(6):
        plan(scene.ask(issue=issue))

    assert len(scene.children) == 2


def test_case_30_a_stranger_costs_one_question_a_comment(scene: Scene) -> None:
    mallory = scene.double.add_user("mallory")
    issue = scene.open_issue()
    workflows = [scene.ask("/orchestrate\n" + "- x.md\n" * 7000, issue=issue, by=mallory)]
    workflows += [scene.ask(issue=issue, by=mallory) for _ in range(5)]
    scene.double.log.clear()

    for workflow in workflows:
        run_plan(workflow.job())

    assert [call.path.rpartition("/")[2] for call in scene.double.log] == ["permission"] * 6


def test_case_30_an_issue_that_an_agent_opens_starts_nothing(scene: Scene) -> None:
    bot = scene.double.store.actions_app.bot
    issue = scene.double.open_issue(scene.repository, user=bot, title="x", body=LIST)
    opened = scene.double.label_event(scene.repository, issue, name="x", sender=bot)
    workflows = [
        scene.start("issues", {**opened, "action": "opened"}),
        scene.label(issue, by=bot),
        scene.ask(issue=issue, by=bot),
        scene.dispatch(by=bot),
    ]
    for workflow in workflows:
        gets_nothing(scene, workflow, allowed_bots="*", prompts=LIST)


@pytest.mark.parametrize("size", [65_000, 65_536])
def test_case_30_a_comment_of_the_largest_size_gets_one_reply(scene: Scene, size: int) -> None:
    issue = scene.open_issue()
    lines = "".join(f"- ../{n}.md\n" for n in range(9000))
    workflow = scene.ask(f"/orchestrate\n{lines}"[: size // 2], issue=issue)

    reply = gets_a_reply(scene, workflow, issue)

    assert "more lines like these" in reply
    assert len(reply) < 10_000


@pytest.mark.parametrize(
    "option",
    [
        *("budget=-1", "budget=nan", "budget=inf", "budget=0", "budget=1e9", "budget=999999999"),
        *("parallel=0", "parallel=-1", "parallel=999", "timeout=-1", "timeout=9999h"),
        *("check=true", "setup=curl", "agent_command=sh", "budget=5 budget=5"),
    ],
)
def test_case_30_a_cap_that_is_none_is_refused_in_a_comment(scene: Scene, option: str) -> None:
    issue = scene.open_issue()

    reply = gets_a_reply(scene, scene.ask(f"/orchestrate {option}", issue=issue), issue)

    assert "Nothing was started" in reply


@pytest.mark.parametrize(
    "line",
    [
        *("budget: .nan", "budget: -1", "budget: .inf", "parallel: 0", "timeout: .nan"),
        *("attempts: 99", "allow: '*'", "allowed_bots: ['*']", "budget: {a: 1}"),
        *("[", "a: !!python/object:os.x {}", "x: 2001-99-99", "x: !!int ''"),
        *("x: !!bool maybe", "x: !!timestamp a", "? {a: 1}\n: 2"),
    ],
)
def test_case_30_a_cap_that_is_none_is_refused_in_the_file(scene: Scene, line: str) -> None:
    scene.write("concertmaster.yml", f"check: 'true'\n{line}\n".encode())
    issue = scene.open_issue()

    reply = gets_a_reply(scene, scene.ask(issue=issue), issue)

    assert "concertmaster.yml" in reply


@pytest.mark.parametrize(
    ("name", "value"),
    [("job_minutes", "nan"), ("job_minutes", "-1"), ("slots", "0"), ("max_parallel", "1000")],
)
def test_case_30_a_cap_that_is_none_is_refused_as_an_input(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"INPUT_{name.upper()}", value)

    with pytest.raises(UsageError, match=name):
        load_action_settings()

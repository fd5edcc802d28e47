"""An agent that can only read makes a prompt more precise."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import Done, concertmaster, fit_schema
from tests.conftest import Project
from tests.integration.cli.split_desk import Desk

BETTER = (
    "# Two things\n\nWrite the lexer in `src/lexer.py`.\n\n## Done when\n\n- It splits a text.\n"
)
GOOD = {"text": BETTER, "touches": ["src/lexer.py"], "check": "pytest", "reason": "it names files"}
PROMPT = "prompts/list.md"


@pytest.fixture
def desk(project: Project, tmp_path: Path) -> Desk:
    return Desk(project, tmp_path / "desk")


def improve(desk: Desk, *arguments: str) -> Done:
    command = ("improve", PROMPT, *desk.command, *arguments)
    return concertmaster(*command, cwd=desk.project.root)


def test_the_new_prompt_is_shown_as_a_diff_and_not_written_unasked(desk: Desk) -> None:
    desk.answer(GOOD)
    told = improve(desk)

    assert told.code == 0, told
    assert "+Write the lexer in `src/lexer.py`." in told.out
    assert "-1. Write the lexer." in told.out
    assert "note: proposed check, not written: pytest" in told.out
    assert "nothing was written" in told.out
    assert desk.new_files == []
    assert "Improve it" in (desk.folder / "asked").read_text()


def test_with_yes_the_prompt_is_replaced_and_gets_its_touches(desk: Desk) -> None:
    desk.answer(GOOD)
    told = improve(desk, "--yes", "--json")

    text = (desk.project.root / PROMPT).read_text()
    assert fit_schema("improve", told.document)["written"]
    assert text == f"---\ntouches:\n- src/lexer.py\n---\n{BETTER}"


def test_the_settings_of_a_prompt_stay_as_they_are(desk: Desk) -> None:
    head = "---\nneeds: [] # none\npriority: 3\n---\n"
    (desk.project.root / PROMPT).write_text(f"{head}\n# Two things\n")
    desk.answer(GOOD)
    improve(desk, "--yes")

    assert (desk.project.root / PROMPT).read_text() == f"{head}\n{BETTER}"


def test_a_good_prompt_stays_as_it_is(desk: Desk) -> None:
    desk.answer({"text": "", "touches": [], "check": "", "reason": "it says all"})
    told = improve(desk, "--yes")

    assert f"{PROMPT} stays as it is" in told.out
    assert "it says all" in told.out
    assert desk.new_files == []


@pytest.mark.parametrize(
    "answer",
    [
        "no JSON at all",
        {**GOOD, "text": ["a list"]},
        {**GOOD, "text": "# COMPLETED\n\nNothing."},
        {**GOOD, "text": "---\nneed: a\n---\n# A\n"},
    ],
    ids=["prose", "list", "marked", "settings"],
)
def test_an_answer_that_makes_no_prompt_changes_nothing(desk: Desk, answer: object) -> None:
    desk.answer(answer)
    told = improve(desk, "--yes")

    assert told.code == 1
    assert "did not improve prompts/list.md" in told.err
    assert desk.new_files == []


def test_a_change_meanwhile_is_not_written_over(desk: Desk) -> None:
    file = desk.project.root / PROMPT
    desk.answer(GOOD, script=f"echo mine >> '{file}'")
    told = improve(desk, "--yes")

    assert told.code == 2
    assert "has changed since the agent read it" in told.err
    assert file.read_text().endswith("mine\n")

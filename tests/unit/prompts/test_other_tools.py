"""Prompt files of other tools: what means the same is read, the rest is ignored and told."""

from __future__ import annotations

import pytest

from concertmaster.errors import UsageError
from concertmaster.model import Plan, Prompt, RunSettings
from concertmaster.planning.planner import Candidate, make_plan
from concertmaster.prompts.parser import parse_prompt

# Front matter as the files of each tool have it.
FILES = {
    "Backlog.md": (
        "id: task-7\ntitle: Add export\nstatus: To Do\nassignee:\n  - '@ada'\n"
        "created_date: '2025'\nlabels: [cli]\ndependencies: []\npriority: high\nordinal: 1000"
    ),
    "Claude command": "allowed-tools: Bash(git:*)\nargument-hint: [name] [--all]\nmodel: opus",
    "Claude skill": "name: pdf\ndescription: Use it when: always\nlicense: MIT\nmetadata:\n  a: b",
    "a folded text": "description: >-\n  One: two\n  three\nname: 'a\n  b'",
    "Copilot prompt": "agent: agent\nmode: ask\ntools: ['codebase']\ndescription: x",
    "Copilot instructions": "applyTo: '**'\nlastUpdated: 2025-01-01\nauthors: [ada]",
    "Cursor rule": "description: x\nglobs: **/*.ts, *.js\nalwaysApply: false",
    "Kiro steering": "inclusion: fileMatch\nfileMatchPattern: 'src/**'",
    "Windsurf rule": "trigger: always_on",
    "opencode agent": "mode: subagent\ntemperature: 0.1\npermission:\n  edit: deny",
    "agents of Copilot": "agents: ['*']\nuser-invocable: false",
    "a note": "tags: [x]\naliases: []\ncreated: 2025-01-01",
}


def read(text: str, path: str = "prompts/a.md") -> Prompt:
    return parse_prompt(text.encode(), path=path)


def plan(*prompts: Prompt) -> Plan:
    draft = Plan(
        run="run",
        base="base",
        target="main",
        slots=1,
        settings=RunSettings(agent="command"),
        tasks=(),
    )
    return make_plan(
        draft, [Candidate(id=p.path, prompt=p, blob=p.path, footprint=()) for p in prompts]
    )


@pytest.mark.parametrize("tool", FILES)
def test_front_matter_of_another_tool_does_not_stop_a_prompt(tool: str) -> None:
    prompt = read(f"---\n{FILES[tool]}\n---\nDo it.\n")

    assert prompt.text.strip() == "Do it."
    assert prompt.completed == prompt.agent == ""
    assert prompt.ignored


@pytest.mark.parametrize(
    ("line", "guess"),
    [
        ("need: a.md", "needs"),
        ("titel: a", "title"),
        ("touchs: a", "touches"),
        ("agents: codex", "agent"),
        ("statuss: done", "status"),
        ("prio: 3", ""),
        ("timeout: 5m", ""),
    ],
)
def test_a_misspelt_key_of_ours_stays_an_error(line: str, guess: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(f"---\n{line}\nassignee: ada\n---\nDo it.\n")

    assert "unknown key" in caught.value.why
    assert guess in caught.value.why


@pytest.mark.parametrize(
    ("status", "is_over"),
    [
        ("Done", True),
        ("done", True),
        ("Closed", True),
        ('"Won\'t Do"', True),
        ("cancelled", True),
        ("To Do", False),
        ("In Progress", False),
        ("in-progress", False),
        ("deferred", False),
    ],
)
def test_the_status_of_another_tool_says_whether_there_is_work(status: str, is_over: bool) -> None:
    assert bool(read(f"---\nstatus: {status}\n---\nDo it.\n").completed) == is_over


@pytest.mark.parametrize(("word", "number"), [("high", 1), ("Medium", 0), ("low", -1), ("7", 7)])
def test_a_priority_may_be_a_word(word: str, number: int) -> None:
    assert read(f"---\npriority: {word}\n---\nDo it.\n").priority == number


@pytest.mark.parametrize(
    ("mine", "line"),
    [
        ("id: TASK-6", "dependencies: [task-6]"),
        ("id: task-6", "dependencies:\n  - TASK-6"),
        ("id: task-6", "depends_on: 6"),
        ("task_id: 6", "dependsOn: ['6']"),
        ("id: task-4.1", "depends-on: task-4.1"),
        ("title: six", "blocked_by: [six]"),
        ("title: six", "dependencies: [six.md]"),
    ],
)
def test_a_dependency_of_another_tool_is_a_need(mine: str, line: str) -> None:
    first = read(f"---\n{mine}\n---\nDo it.\n", "x/six.md")
    found = plan(first, read(f"---\n{line}\n---\nDo it.\n"))

    assert [(n.task, n.on, n.hard) for n in found.needs] == [("prompts/a.md", "x/six.md", True)]


def test_a_dependency_that_no_prompt_has_is_told_and_waited_for_by_nobody() -> None:
    found = plan(read("---\ndependencies: [task-3]\n---\nDo it.\n"))

    assert found.needs == ()
    assert "prompts/a.md depends on task-3: no listed prompt has this id" in found.notes[0]


def test_what_is_ignored_is_told_once_for_the_whole_run() -> None:
    prompts = [read(f"---\nlabels: [x]\nmodel: m\n---\nDo {n}.\n", f"{n}.md") for n in range(9)]
    notes = [note for note in plan(*prompts, read("Do it.\n")).notes if "other tools" in note]

    assert notes == ["front matter of other tools is ignored in 9 prompts: labels, model"]


TASK_MASTER = """\
# Task ID: 4
# Title: Write the lexer
# Status: {status}
# Dependencies: 2, 3 (Not found)
# Priority: high
# Description: It splits the text into tokens.
# Details:
Use a table.
"""


def test_a_file_of_task_master_is_read_by_its_header() -> None:
    prompt = read(TASK_MASTER.format(status="pending"), ".taskmaster/tasks/task_004.txt")

    assert (prompt.title, prompt.id, prompt.priority) == ("Write the lexer", "4", 1)
    assert prompt.dependencies == ("2", "3")
    assert prompt.text.startswith("# Task ID: 4")
    assert prompt.completed == ""
    assert read(TASK_MASTER.format(status="done")).completed == "status: done"


SPEC_KIT = "# Tasks\n\n- [{}] T001 Make the project\n- [{}] T002 [P] Write src/a.py\n"
KIRO = "# Plan\n\n- [{}] 1. Make the project\n  - _Requirements: 1.1_\n- [{}] 1.1 Write it\n"


@pytest.mark.parametrize("text", [SPEC_KIT, KIRO])
def test_a_list_of_tasks_in_one_prompt_is_told_until_all_are_ticked(text: str) -> None:
    whole, half, over = (read(text.format(*boxes)) for boxes in ("  ", "x ", "xx"))

    assert (whole.tasks, half.tasks, half.completed) == (2, 0, "")
    assert over.completed == "all its tasks are ticked"
    assert "`concertmaster split FILE`" in plan(whole).notes[0]

"""Prompts are begun with `new`, and the older words of `run` are understood."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from concertmaster.prompts.parser import parse_prompt
from tests.commandline import Done, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

AGENT = ("--check", "true", "--agent-command", "true", "--dry-run")


@pytest.fixture
def shop(project: Project) -> Project:
    for name in ("one", "two"):
        write_prompt(project, name, f"echo 1 > {name}.txt", title=f"Make {name}")
    return project


def say(project: Project, text: str, *arguments: str) -> Done:
    told = subprocess.run(
        [sys.executable, "-m", "concertmaster", *arguments],
        cwd=project.root,
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(code=told.returncode, out=told.stdout, err=told.stderr)


def test_new_writes_a_prompt_that_is_never_written_over(project: Project) -> None:
    title = "Add a --json switch: fast!"
    told = concertmaster(
        "new", title, "--needs", "a.md", "--touches", "src/cli.py", cwd=project.root
    )
    path = project.root / "prompts" / "add-a-json-switch-fast.md"

    assert f"concertmaster plan prompts/{path.name}" in told.out, told
    prompt = parse_prompt(path.read_bytes(), path="x.md")
    assert (prompt.title, prompt.needs, prompt.touches) == (title, ("a.md",), ("src/cli.py",))
    again = concertmaster("new", title, cwd=project.root)
    assert (again.code, "exists already" in again.err) == (2, True)
    assert concertmaster("new", "...", cwd=project.root).code == 2


@pytest.mark.parametrize(
    "words",
    [
        ["--parallel", "--conflict-check", "--smart-scheduling", "--tasks=one.md two.md"],
        ["--tasks", "prompts/one.md,two"],
        ["--smart-scheduling", "--all-prompts"],
    ],
)
def test_the_older_words_do_what_run_does(shop: Project, words: list[str]) -> None:
    told = concertmaster("execute", *words, *AGENT, cwd=shop.root)

    assert told.code == 0, told
    assert "`execute` is called `run` now: concertmaster run prompts" in told.err
    assert "Make one" in told.out
    assert "Make two" in told.out


@pytest.mark.parametrize("command", [("execute",), *in_matrix([("run", "-"), ("plan", "-")])])
def test_a_list_on_standard_input_is_read_as_in_an_issue(
    shop: Project, command: tuple[str, ...]
) -> None:
    text = (
        "Execute these specific prompts in parallel:\n- one.md\n- [x] three.md\n\nprompts/two.md\n"
    )
    options = AGENT if command[0] != "plan" else AGENT[:-1]
    told = say(shop, text, *command, *options)

    assert told.code == 0, told
    assert "Make one" in told.out
    assert "three.md` is ticked" in told.out
    assert "Make two" in told.out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "it has no bullet", marks=pytest.mark.matrix),
        ("- see a.md\n", "`a.md` in line 1 was not taken"),
        pytest.param("- ../a.md\n", "line 1 of the list cannot be used", marks=pytest.mark.matrix),
    ],
)
def test_a_list_on_standard_input_that_names_nothing_is_refused(
    shop: Project, text: str, words: str
) -> None:
    told = say(shop, text, "plan", "-", *AGENT[:-1])

    assert told.code == 2
    assert words in told.err


def test_init_makes_a_first_prompt_from_a_todo(project: Project) -> None:
    todo = "# TODO: refuse a negative amount of money\n"
    project.commit("Source", {"src/money.py": todo, "go.mod": "module shop\n"})
    told = concertmaster("init", cwd=project.root)
    path = Path("prompts/refuse-a-negative-amount-of-money.md")

    assert (project.root / path).is_file(), told
    assert f"wrote {path}:" in told.out
    assert "    + # Refuse a negative amount of money" in told.out
    assert f"concertmaster plan {path}" in told.out

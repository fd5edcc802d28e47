"""Each wrong turn of a first hour is answered by a message that is enough to go on."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

import pytest

from concertmaster.cli import finish
from concertmaster.cli.main import main
from concertmaster.git.command import check_version, git_version
from concertmaster.sandbox.resource_limits import FreeResources
from tests.commandline import Done, among_agents, write_prompt
from tests.conftest import Project

run_command = import_module("concertmaster.cli.run")  # `cli.run` is the command as well
RUN = ("run", "prompts/good.md")
GREEN = ("--check", "true")
RUN_NAME = re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{4}\b")
ONE_AT_A_TIME = ("--parallel", "1", "--phases", "implement")
HARMLESS = ("--agent-command", "cat > /dev/null; echo done > done.txt")


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A user's machine: a repository with one prompt, a folder of programs, and the environment."""

    project: Project
    programs: Path
    patch: pytest.MonkeyPatch

    def program(self, name: str, script: str) -> None:
        (self.programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.programs / name).chmod(0o755)

    def only_own_programs(self) -> None:
        self.patch.setenv("PATH", str(self.programs))


@pytest.fixture
def desk(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    check_version.cache_clear()
    git_version.cache_clear()
    programs = tmp_path / "programs"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    write_prompt(project, "good", "true", title="Good")
    return Desk(project=project, programs=programs, patch=monkeypatch)


def remove_git(desk: Desk) -> None:
    desk.only_own_programs()


def age_git(desk: Desk) -> None:
    desk.program("git", "echo git version 2.30.2")


def log_out(desk: Desk) -> None:
    desk.program("claude", """echo '{"loggedIn": false}'; exit 1""")


def misspell(desk: Desk) -> None:
    (desk.project.root / "prompts" / "good.md").rename(desk.project.root / "prompts" / "goods.md")


def leave_repository(desk: Desk) -> None:
    (desk.project.root / ".git").rename(desk.project.root / "no-git")


def put_in_the_way(desk: Desk) -> None:
    (desk.project.root / "done.txt").write_text("mine\n")


def take_permission(desk: Desk) -> None:
    (desk.project.root / ".git" / "concertmaster").write_text("no folder\n")


def fill_disk(desk: Desk) -> None:
    full = FreeResources(memory_bytes=1 << 40, disk_bytes=0, folder="/work")
    home = finish.run_home

    def full_home(attempts: Path | None = None) -> object:
        return replace(home(attempts), measure=lambda _: full)

    desk.patch.setattr(finish, "run_home", full_home)


def spend(desk: Desk) -> None:
    """Let each task cost a dollar."""
    script = 'echo "cost 1" >> "$ORDERS"; echo 1 > {}.txt'
    for name in ("good", "more"):
        head = f"touches: [{name}.txt]"
        write_prompt(desk.project, name, script.replace("{}", name), title=name, head=head)
    home = desk.programs.parent / "home"
    home.mkdir(exist_ok=True)
    for key, value in among_agents(home).items():
        desk.patch.setenv(key, value)


def nothing(desk: Desk) -> None:
    """Leave the machine as it is."""


INTERRUPT = ("--agent-command", f"kill -INT {os.getpid()}; sleep 300")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A wrong turn, the command that meets it, its exit code, and the words that answer it."""

    turn: Callable[[Desk], None] = nothing
    words: tuple[str, ...] = (*RUN, *GREEN, *HARMLESS)
    code: int
    told: str


TURNS = {
    "no git": Turn(
        turn=remove_git,
        code=3,
        told="""error: git was not found
why: no program `git` is on PATH
next: install git 2.39 or later
""",
    ),
    "old git": Turn(
        turn=age_git,
        code=3,
        told="""error: git 2.30.2 is too old
why: Concertmaster merges in memory, which git can do since 2.39
next: install git 2.39 or later
""",
    ),
    "no repository": Turn(
        turn=leave_repository,
        code=3,
        told="""next: run inside a git repository, or name one with --repo
""",
    ),
    "no agent": Turn(
        words=(*RUN, *GREEN),
        code=3,
        told="""error: the agent claude cannot run here
why: the program `claude` is not on PATH; \
`npm install -g @anthropic-ai/claude-code` installs it
next: install it, or use another program with --agent command --agent-command CMD: \
it gets the prompt on its standard input
""",
    ),
    "not logged in, or its secret is missing": Turn(
        turn=log_out,
        words=(*RUN, *GREEN),
        code=3,
        told="""error: the agent claude is not logged in
why: `claude auth status` says so, and ANTHROPIC_API_KEY is not set
next: log in with `claude auth login`, or set ANTHROPIC_API_KEY
""",
    ),
    "no check": Turn(
        words=(*RUN, *HARMLESS),
        code=2,
        told="""error: there is no check: which command must pass before a result may land?
why: none is given, and the base has neither a Makefile with a target test, nor pytest, \
a script test in package.json, Cargo.toml or go.mod
next: answer with --check, for example --check 'pytest -q', or with `check:` in \
concertmaster.yml, committed on the base (`true` trusts every result)
""",
    ),
    "red base": Turn(
        words=(*RUN, *HARMLESS, "--check", "echo no; exit 7"),
        code=3,
        told="""next: make the check pass on main
      echo no; exit 7
next: then start again; --check names another check, if this one is wrong
""",
    ),
    "prompt misspelt": Turn(
        turn=misspell,
        code=2,
        told="""error: there is no prompt file prompts/good.md
why: nothing lies at this path
next: correct the path (did you mean prompts/goods.md?); nothing was started
""",
    ),
    "a file in the way": Turn(
        turn=take_permission,
        code=3,
        told="""/.git/concertmaster/runs cannot be used
why: Not a directory
next: mend this; `concertmaster resume` goes on with a run that had begun
""",
    ),
    "local changes in the way": Turn(
        turn=put_in_the_way,
        code=1,
        told="""/landed (The following untracked working tree files would be overwritten by merge: \
done.txt Please move or remove them before you merge.); take them into main
      git merge --ff-only concertmaster/RUN/landed
""",
    ),
    "full disk": Turn(
        turn=fill_disk,
        code=4,
        told="""next: make room on the disk, then go on
      concertmaster resume RUN
""",
    ),
    "interrupted": Turn(
        words=(*RUN, *GREEN, *INTERRUPT),
        code=130,
        told="""interrupted: stopping the agents, which takes some seconds; all work is kept
error: run RUN was interrupted
next: go on with `concertmaster resume RUN`
""",
    ),
    "limit reached": Turn(
        turn=spend,
        words=(
            "run",
            "prompts/good.md",
            "prompts/more.md",
            *GREEN,
            *ONE_AT_A_TIME,
            "--budget",
            "1",
        ),
        code=4,
        told="""next: go on with a higher budget
      concertmaster resume RUN --budget 2
""",
    ),
}


def call(desk: Desk, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> Done:
    """Run the command in this process; a run's name is told as RUN."""
    desk.patch.chdir(desk.project.root)
    capsys.readouterr()
    code = main([*words])
    out, err = (RUN_NAME.sub("RUN", text) for text in capsys.readouterr())
    return Done(code=code, out=out, err=err)


@pytest.mark.parametrize("name", [*TURNS])
def test_a_wrong_turn_is_answered_by_what_happened_why_and_what_to_do(
    name: str, desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    case = TURNS[name]
    case.turn(desk)
    done = call(desk, case.words, capsys)

    assert case.told in done.err + done.out
    assert done.code == case.code
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (errno.EACCES, "give your user the right to read and write there"),
        (errno.ENOSPC, "next: make room on the disk; `concertmaster resume` goes on"),
    ],
)
def test_a_fault_of_a_file_is_answered_as_well(
    desk: Desk, capsys: pytest.CaptureFixture[str], error: int, told: str
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(error, os.strerror(error), "/place")

    desk.patch.setattr(run_command, "run_plan", refuse)
    done = call(desk, (*RUN, *GREEN, *HARMLESS), capsys)

    assert done.code == 3
    assert f"error: /place cannot be used\nwhy: {os.strerror(error)}\n" in done.err
    assert told in done.err

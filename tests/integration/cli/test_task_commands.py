"""The commands about one task: its logs, its change, its place; and the completion of names."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project, set_home

SCHEMAS = Path(__file__).parents[3] / "schemas"
AGENT = ("--agent-command", OBEDIENT_COMMAND)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A project with a run in which one task landed and one failed its check."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        set_home(folder / "home", patch)
        project = Project(folder / "project")
        check = "! test -e red.txt || { echo it is red; false; }"
        project.commit("Settings", {"concertmaster.yml": f"check: '{check}'\nattempts: 1\n"})
        good = write_prompt(project, "good", "echo 1 > one.txt; echo 'made one'", title="Make one")
        bad = write_prompt(project, "bad", "echo 1 > red.txt", title="Break it")
        concertmaster("run", good, bad, *AGENT, cwd=project.root)
        yield project


def call(shop: Project, *arguments: str) -> Done:
    return concertmaster(*arguments, cwd=shop.root)


@pytest.mark.parametrize("name", ["good", "good.md", "prompts/good.md"])
def test_the_logs_of_a_task_are_shown(shop: Project, name: str) -> None:
    told = call(shop, "logs", name)

    assert (told.code, told.out) == (0, "made one\n"), told


def test_the_log_of_the_check_says_why_it_failed(shop: Project) -> None:
    assert "it is red" in call(shop, "logs", "bad", "--check").out
    document = call(shop, "logs", "bad", "--check", "--json").document
    assert (document["attempt"], document["lines"][-1]) == (1, "it is red")


def test_following_the_logs_of_an_attempt_that_has_ended_ends(shop: Project) -> None:
    assert call(shop, "logs", "good", "-f").out == "made one\n"


def test_the_diff_of_a_task_is_what_it_changed(shop: Project) -> None:
    told = call(shop, "diff", "good")

    assert "+++ b/one.txt\n" in told.out
    assert "+1\n" in told.out
    document = call(shop, "diff", "bad", "--json").document
    assert "+++ b/red.txt" in document["diff"]
    assert shop.git("rev-parse", f"concertmaster/{document['run']}/{document['task']}")


def test_open_names_the_branch_or_commit_once_the_worktree_is_gone(shop: Project) -> None:
    run = call(shop, "status", "--json").document[0]["run"]
    told = call(shop, "open", "bad")

    assert told.out.startswith(f"concertmaster/{run}/bad-")
    assert "the worktree is gone" in told.err
    landed = call(shop, "open", "good", "--json").document
    assert (landed["path"], len(landed["commit"])) == ("", 40)
    refused = call(shop, "open", "good", "--shell")
    assert (refused.code, "the worktree of good-" in refused.err) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("logs", "nothing"), "there is no task nothing"),
        (("diff", "good", "--run", "1999"), "there is no run 1999"),
        (("logs", "good", "--attempt", "7"), "has no attempt 7"),
    ],
)
def test_a_name_that_nothing_has_is_refused(
    shop: Project, arguments: tuple[str, ...], words: str
) -> None:
    told = call(shop, *arguments)

    assert told.code == 2
    assert words in told.err
    assert "next: " in told.err


@pytest.mark.parametrize("command", ["logs", "diff", "open"])
def test_the_document_of_a_task_fits_its_schema(shop: Project, command: str) -> None:
    schema = json.loads((SCHEMAS / f"{command}.schema.json").read_text())

    Draft202012Validator(schema).validate(call(shop, command, "good", "--json").document)


def test_a_state_file_of_each_task_is_written_on_request(shop: Project) -> None:
    told = call(shop, "report", "--format", "workflow-state")

    files = [Path(line) for line in told.out.splitlines()]
    assert [file.parts[-3] for file in files] == ["workflow-states", "workflow-states"]
    assert all(file.read_text().startswith("# WorkflowMaster State\nTask ID: ") for file in files)


def complete(shop: Project, line: str) -> list[str]:
    words = line.split(" ")
    environment = {
        **os.environ,
        "_CONCERTMASTER_COMPLETE": "bash_complete",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
    }
    told = subprocess.run(
        [sys.executable, "-m", "concertmaster"],
        cwd=shop.root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return [item.partition(",")[2] for item in told.stdout.splitlines()]


@pytest.mark.matrix
def test_a_shell_completes_commands_runs_and_tasks(shop: Project) -> None:
    (run,) = (one["run"] for one in call(shop, "status", "--json").document)

    assert complete(shop, "concertmaster lo") == ["logs"]
    assert complete(shop, "concertmaster status 2") == [run]
    (task,) = complete(shop, "concertmaster logs go")
    assert task.startswith("good-")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_calls_us_back(tmp_path: Path, shell: str) -> None:
    told = concertmaster("completion", shell, cwd=tmp_path)

    assert told.code == 0
    assert f"_CONCERTMASTER_COMPLETE={shell}_complete" in told.out

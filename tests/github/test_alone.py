from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conftest import Project

pytestmark = pytest.mark.matrix  # the tests of the double

ROOT = Path(__file__).parents[2]
Ask = Callable[..., Any]


@pytest.fixture
def alone(project: Project) -> Iterator[dict[str, Any]]:
    """Run the double stand-alone and return the JSON that it prints at its start."""
    command = [
        sys.executable,
        "-m",
        "tests.github",
        f"ada/opera={project.root}",
        "--until-input-ends",
    ]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())
        process.communicate()
    assert process.returncode == 0


@pytest.fixture
def ask(alone: dict[str, Any]) -> Ask:
    def send(verb: str, **given: Any) -> Any:
        answer = requests.post(f"{alone['url']}/_double/{verb}", json=given)
        assert answer.ok, answer.text
        return answer.json()

    return send


def test_it_starts_by_itself_with_the_repositories_of_the_command_line(
    alone: dict[str, Any], project: Project
) -> None:
    head = {"Authorization": f"Bearer {alone['tokens']['ada']}"}
    url = f"{alone['url']}/repos/ada/opera/branches/main"

    answer = requests.get(url, headers=head).json()

    assert answer["commit"]["sha"] == project.git("rev-parse", "HEAD")


def test_a_whole_story_can_be_told_over_http(alone: dict[str, Any], ask: Ask) -> None:
    ask("add_user", login="eve", repository="ada/opera", role="write")
    token = ask("add_token", repository="ada/opera", permissions={"issues": "write"})["token"]
    number = ask("open_issue", repository="ada/opera", login="eve", title="Parent")["number"]
    event = ask("comment", repository="ada/opera", issue=number, login="eve", body="/orchestrate")
    ask("fail", effect="BAD_GATEWAY_AFTER", method="POST", path="*/issues", nth=1)

    head = {"Authorization": f"Bearer {token}"}
    url = f"{alone['url']}/repos/ada/opera/issues"
    failed = requests.post(url, json={"title": "Child"}, headers=head)

    assert event["comment"]["body"] == "/orchestrate"
    assert failed.status_code == 502
    assert [one["title"] for one in requests.get(url).json()] == ["Child", "Parent"]
    assert [call["status"] for call in ask("log")["calls"]] == [502, 200]
    assert ask("violations") == {"violations": []}


@pytest.mark.matrix
def test_a_wrong_word_is_told(alone: dict[str, Any]) -> None:
    def said(verb: str, **given: Any) -> tuple[int, str]:
        answer = requests.post(f"{alone['url']}/_double/{verb}", json=given)
        return answer.status_code, answer.json()["message"]

    assert said("comment", repository="no/where", login="ada") == (404, "no repository no/where")
    assert said("advance") == (422, "KeyError: 'seconds'")
    assert said("dance")[0] == 404

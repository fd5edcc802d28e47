"""`concertmaster watch` finds the issue, the server and the token."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.settings.access import load_access_settings
from concertmaster.watch.follow import find_issue
from tests.action.watching import Stage
from tests.commandline import Done, concertmaster, fit_schema
from tests.conftest import Project

pytest_plugins = ["tests.action.watch_fixtures"]


@pytest.fixture
def call(stage: Stage, project: Project) -> Callable[..., Done]:
    """Return a function that runs `concertmaster watch` in a clone, with the user's token."""
    project.git("remote", "add", "origin", f"{stage.double.url}/ada/opera.git")

    def start(*arguments: str, **variables: str) -> Done:
        env = {**environment(stage), **variables}
        return concertmaster("watch", *arguments, cwd=project.root, env=env)

    return start


def environment(stage: Stage) -> dict[str, str]:
    return {
        "GITHUB_TOKEN": stage.token,
        "GH_TOKEN": "",
        "GITHUB_API_URL": stage.double.url,
        "GITHUB_SERVER_URL": stage.double.url,
    }


def test_once_shows_the_state_and_fails_while_not_all_has_landed(
    stage: Stage, call: Callable[..., Done]
) -> None:
    done = call(str(stage.parent.number), "--once")

    assert (done.code, done.err) == (1, "")
    assert "Write pear.txt" in done.out
    assert "work (0) in progress" in done.out
    assert "3 tasks, 3 running" in done.out


def test_json_gives_one_document(stage: Stage, call: Callable[..., Done]) -> None:
    stage.finish()
    done = call(f"{stage.double.url}/ada/opera/issues/{stage.parent.number}", "--json")

    assert done.code == 0
    assert fit_schema("watch", done.document)["is_over"]
    assert done.document["has_landed"]
    assert [task["standing"] for task in done.document["tasks"]] == ["landed"] * 3


def test_it_ends_by_itself(stage: Stage, call: Callable[..., Done]) -> None:
    stage.finish("failed")
    done = call(f"ada/opera#{stage.parent.number}")
    assert (done.code, ", over" in done.out) == (1, True)


def test_without_a_token_it_says_what_to_set(call: Callable[..., Done]) -> None:
    done = call("1", GITHUB_TOKEN="")
    assert done.code == 3
    assert "GITHUB_TOKEN" in done.err
    assert "GH_TOKEN" in done.err


def test_the_other_name_of_the_token_is_fine_too(stage: Stage, call: Callable[..., Done]) -> None:
    assert call("1", "--json", GITHUB_TOKEN="", GH_TOKEN=f"{stage.token}\n").document["run"]


def test_the_token_is_sent_to_no_server_that_an_address_names(
    stage: Stage, call: Callable[..., Done]
) -> None:
    stage.double.log.clear()
    address = f"{stage.double.url}/ada/opera/issues/1"
    done = call(address, "--once", GITHUB_SERVER_URL="https://github.com")

    assert done.code == 2
    assert "--repo" in done.err
    assert len(stage.double.log) == 0


def test_a_wrong_word_names_the_option(call: Callable[..., Done]) -> None:
    assert call("fruit").code == 2
    assert call("1", "--interval", "0").code == 2
    assert "--repo" in call("ada/opera#1", "--repo", "ada/other").err


def test_interrupted_it_says_that_the_run_goes_on(stage: Stage, project: Project) -> None:
    command = [sys.executable, "-m", "concertmaster", "watch", "1", "--repo", "ada/opera"]
    with subprocess.Popen(
        command,
        cwd=project.root,
        env={**os.environ, **environment(stage)},
        stderr=subprocess.PIPE,
        text=True,
    ) as watching:
        assert watching.stderr
        assert watching.stderr.readline().startswith("run i1-c")
        watching.send_signal(signal.SIGINT)
        told = watching.stderr.read()
    assert watching.returncode == 130
    assert "the run goes on" in told
    assert "Traceback" not in told


# The issue, the server and the token


def test_the_issue_is_looked_for_where_the_folder_was_cloned_from(project: Project) -> None:
    server = "https://github.com"
    project.git("remote", "add", "origin", "git@github.com:ada/opera.git")

    def find(text: str, repository: str = "") -> str:
        folder = project.root / "folder"
        found = find_issue(text, repository=repository, folder=folder, server=server)
        return f"{found.repository}#{found.number}"

    assert find("7") == "ada/opera#7"
    assert find("7", "bob/play") == "bob/play#7"
    assert find("bob/play#7") == "bob/play#7"
    assert find("bob/play#7", "Bob/Play") == "Bob/Play#7"


def test_a_folder_without_origin_asks_for_the_repository(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        find_issue("7", repository="", folder=tmp_path, server="https://github.com")
    assert "--repo" in caught.value.next_step


@pytest.mark.parametrize(
    ("server", "api_url", "api"),
    [
        ("", "", "https://api.github.com"),
        ("https://GitHub.com/", "", "https://api.github.com"),
        ("https://git.example/", "", "https://git.example/api/v3"),
        ("https://git.example", "https://api.git.example/", "https://api.git.example"),
    ],
)
def test_the_api_belongs_to_the_server(
    monkeypatch: pytest.MonkeyPatch, server: str, api_url: str, api: str
) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "x")
    monkeypatch.setenv("GITHUB_SERVER_URL", server)
    monkeypatch.setenv("GITHUB_API_URL", api_url)
    assert load_access_settings().api == api


@pytest.mark.parametrize("token", ["", "a b", "ghp_\u00e9", "a\nb"])
def test_what_cannot_be_a_token_is_not_sent(monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", token)
    monkeypatch.delenv("GH_TOKEN", raising=False)
    with pytest.raises(EnvironmentFault) as caught:
        load_access_settings()
    assert not token or token not in json.dumps([caught.value.what, caught.value.why])

"""The scripted command lines accept the arguments of their agents and print their formats."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from concertmaster.agents.answers import REVIEW_SCHEMA
from concertmaster.agents.catalog import find_agent
from concertmaster.agents.protocol import Agent, AgentReport, AgentRequest

AGENTS = Path(__file__).parents[2] / "agents"
WITH_SESSIONS = ("codex", "gemini")
ALL = (*WITH_SESSIONS, "aider")


class Desk:
    """An agent and the folder in which it works."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder
        self.agent: Agent = find_agent(name, command="", path=str(AGENTS), model="")

    def ask(self, script: str, *, session: str = "", reads_only: bool = False) -> AgentReport:
        text = f"Do this:\n\n```sh\n{script}\n```\n"
        schema = REVIEW_SCHEMA if reads_only else {}
        folder = str(self.folder)
        request = AgentRequest(
            text=text, session=session, reads_only=reads_only, schema=schema, folder=folder
        )
        if request.schema_file:
            Path(request.schema_file).write_text(json.dumps(dict(schema)))
        search = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
        done = subprocess.run(
            self.agent.argv(request),
            cwd=self.folder,
            env={"PATH": search, "HOME": folder, "TMPDIR": folder, "PYTHONDONTWRITEBYTECODE": "1"},
            input=text.encode(),
            capture_output=True,
            check=False,
        )
        reader = self.agent.reader(request)
        for line in done.stdout.splitlines():
            reader.feed(line)
        words = done.stderr.decode().strip().rpartition("\n")[2]
        code = done.returncode
        return reader.finish(exit_ok=code == 0, exit_text=f"exit {code}: {words}")


@pytest.fixture(params=ALL)
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Desk:
    return Desk(request.param, tmp_path)


def test_it_does_as_it_is_told(desk: Desk) -> None:
    report = desk.ask("echo hello > made.txt; echo All done.")

    assert report.ok, report.reason
    assert report.final_text.strip().endswith("All done.")
    assert report.usage.input_tokens == 1000
    assert (desk.folder / "made.txt").read_text() == "hello\n"


def test_noise_changes_nothing(desk: Desk) -> None:
    report = desk.ask('echo noise >> "$ORDERS"; echo Done.')

    assert report.ok, report.reason
    assert report.final_text.strip().endswith("Done.")


def test_a_limit_and_an_overload_are_told_apart(desk: Desk) -> None:
    limit = desk.ask('echo limit >> "$ORDERS"')
    overload = desk.ask('echo overload >> "$ORDERS"')

    assert (limit.ok, limit.limited, limit.transient) == (False, True, False)
    assert (overload.ok, overload.limited, overload.transient) == (False, False, True)


def test_a_limit_tells_when_it_ends(desk: Desk) -> None:
    report = desk.ask('echo "limit Your limit: quota will reset after 3s." >> "$ORDERS"')

    assert report.limited
    assert report.limited_until


def test_a_reviewer_gets_its_options_and_its_schema(desk: Desk) -> None:
    report = desk.ask('echo "$OPTIONS"', reads_only=True)

    assert report.ok, report.reason
    words = ("read-only", "--approval-mode default", "ask")
    assert any(word in report.final_text for word in words)


@pytest.mark.parametrize("name", WITH_SESSIONS)
def test_a_session_goes_on_and_is_not_paid_twice(name: str, tmp_path: Path) -> None:
    desk = Desk(name, tmp_path)
    first = desk.ask('echo "turn $TURN"')
    second = desk.ask('echo "turn $TURN"', session=first.session)

    assert (first.final_text, second.final_text) == ("turn 1", "turn 2")
    assert first.usage.input_tokens == second.usage.input_tokens == 1000


@pytest.mark.parametrize("name", WITH_SESSIONS)
def test_a_lost_session_is_told(name: str, tmp_path: Path) -> None:
    report = Desk(name, tmp_path).ask("true", session="0199a213-81c0-7800-8aa1-bbab2a035a53")

    assert (report.ok, report.session_missing) == (False, True)


@pytest.mark.parametrize("name", WITH_SESSIONS)
def test_a_missing_final_event_is_no_success(name: str, tmp_path: Path) -> None:
    report = Desk(name, tmp_path).ask('echo silent >> "$ORDERS"')

    assert not report.ok
    assert "without its final event" in report.reason


def test_an_empty_turn_of_codex_is_a_limit(tmp_path: Path) -> None:
    report = Desk("codex", tmp_path).ask('echo empty >> "$ORDERS"')

    assert (report.ok, report.limited) == (False, True)

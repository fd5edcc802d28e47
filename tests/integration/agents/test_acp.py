"""The bridge leads agents of the Agent Client Protocol through a prompt, by phase."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from concertmaster.agents.acp import Acp
from concertmaster.agents.protocol import AgentReport, AgentRequest
from tests.commandline import concertmaster
from tests.conftest import Project

AGENT = Path(__file__).parents[2] / "agents" / "acp_agent.py"
ENVIRONMENT = {"PATH": "/usr/bin:/bin"}


def make(*options: str, model: str = "") -> Acp:
    return Acp((sys.executable, str(AGENT), *options), model=model)


def ask(
    folder: Path,
    orders: str,
    *,
    agent: Acp | None = None,
    reads: bool = False,
    session: str = "",
) -> AgentReport:
    agent = agent or make()
    request = AgentRequest(text=orders, reads_only=reads, session=session)
    done = subprocess.run(
        agent.argv(request),
        cwd=folder,
        env=ENVIRONMENT,
        input=orders.encode(),
        capture_output=True,
        check=False,
    )
    reader = agent.reader(request)
    for line in done.stdout.splitlines():
        reader.feed(line)
    return reader.finish(exit_ok=done.returncode == 0, exit_text=done.stderr.decode()[-500:])


def test_a_writer_gets_its_permission_once(tmp_path: Path) -> None:
    report = ask(tmp_path, "write a.txt")

    assert (report.ok, report.final_text) == (True, "outcome yes. ")
    assert (tmp_path / "a.txt").exists()
    assert report.session == "s1"
    assert (report.usage.input_tokens, report.usage.output_tokens) == (7, 2)


def test_a_reader_is_refused_and_put_into_a_mode_that_reads(tmp_path: Path) -> None:
    report = ask(tmp_path, "write a.txt\nsay Done.", reads=True)

    assert report.final_text == "outcome no. Done."
    assert not (tmp_path / "a.txt").exists()


def test_a_session_is_loaded_and_its_old_words_are_no_answer(tmp_path: Path) -> None:
    first = ask(tmp_path, "say One.")

    again = ask(tmp_path, "say Two.", session=first.session)

    assert (again.ok, again.session, again.final_text) == (True, "s1", "Two.")


def test_a_session_that_is_gone_is_told(tmp_path: Path) -> None:
    report = ask(tmp_path, "say One.", session="s7")

    assert (report.ok, report.session_missing) == (False, True)


def test_an_agent_that_loads_no_sessions_begins_anew(tmp_path: Path) -> None:
    report = ask(tmp_path, "say One.", agent=make("--no-load"), session="s1")

    assert (report.ok, report.session, report.final_text) == (True, "", "One.")


@pytest.mark.parametrize(
    ("model", "reason"), [("small", ""), ("huge", "model huge does not exist")]
)
def test_a_model_has_to_be_one_that_the_agent_offers(
    tmp_path: Path, model: str, reason: str
) -> None:
    report = ask(tmp_path, "say One.", agent=make(model=model))

    assert (report.ok, report.no_access) == (not reason, bool(reason))
    assert reason in report.reason


@pytest.mark.parametrize(
    ("orders", "reason"),
    [("silent", "without a word"), ("foreign", ""), ("say One.\nfly", "")],
)
def test_what_the_client_cannot_do_is_answered(tmp_path: Path, orders: str, reason: str) -> None:
    report = ask(tmp_path, orders)

    assert report.ok == (not reason)
    assert reason in report.reason
    assert report.final_text in ("error -32601. ", "One.", "")


def test_a_program_that_speaks_no_protocol_is_no_success(tmp_path: Path) -> None:
    for command in (("/bin/echo", "hello"), ("/bin/cat",), ("/bin/false",)):
        report = ask(tmp_path, "say One.", agent=Acp(command))
        assert not report.ok
        assert report.reason


def test_the_end_of_the_bridge_cancels_the_work_of_the_agent(tmp_path: Path) -> None:
    request = AgentRequest(text="")
    with subprocess.Popen(
        make().argv(request),
        cwd=tmp_path,
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as bridge:
        assert bridge.stdin
        assert bridge.stdout
        bridge.stdin.write(b"hang")
        bridge.stdin.close()
        while "Hang" not in (line := bridge.stdout.readline().decode()):
            assert line, "it ended too early"
        bridge.send_signal(signal.SIGTERM)
        last = bridge.stdout.read().splitlines()[-1]

    assert json.loads(last)["result"]["stopReason"] == "cancelled"


@pytest.mark.matrix
def test_a_run_lands_its_work(project: Project, tmp_path: Path) -> None:
    project.commit("Prompt", {"prompts/t.md": "# Task\n\nwrite a.txt\nsay Done.\n"})

    done = concertmaster(
        *("run", "prompts/t.md", "--agent", "acp", "--agent-command", " ".join(make().command)),
        *("--phases", "lean", "--check", "true", "--json"),
        cwd=project.root,
        env={"HOME": str(tmp_path)},
    )

    (task,) = done.document["tasks"]
    assert task["state"] == "landed", done.out
    assert project.git("show", "HEAD:a.txt") == "written"

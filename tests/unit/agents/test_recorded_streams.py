"""Each reader makes of recorded streams what they mean; a new version adds rows to the table."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from concertmaster.agents.acp import AcpReader
from concertmaster.agents.copilot import Copilot, CopilotReader
from concertmaster.agents.opencode import Opencode, OpencodeReader
from concertmaster.agents.pi import Pi, PiReader
from concertmaster.agents.protocol import AgentReport, AgentRequest, NoProgress
from tests.unit.agents.agent_lines import check_reading, lines_of_events
from tests.unit.agents.recorded_acp_streams import ACP_GEMINI, ACP_OPENCODE, ACP_STREAMS
from tests.unit.agents.recorded_streams import (
    BAD_KEY,
    COPILOT_DONE,
    OPENCODE_WRITES,
    READERS,
    STREAMS,
    Stream,
    copilot,
)

NOISE = (b"", b"npm warn", b"[1]", b'{"type": "tomorrow"}', b'{"type": ["error"]}', b"\xff{")
ALL = (*STREAMS, *ACP_STREAMS)
MAKERS = {**READERS, ACP_GEMINI: AcpReader, ACP_OPENCODE: AcpReader}
streams = pytest.mark.parametrize("stream", ALL, ids=lambda row: f"{row.program}: {row.name}")


def read(stream: Stream, *, events: tuple[Any, ...] | None = None, noise: bool = False) -> Any:
    reader = MAKERS[stream.program]()
    for event in stream.events if events is None else events:
        for line in NOISE if noise else ():
            reader.feed(line)
        reader.feed(json.dumps(event).encode())
    exit_text = f"exit {stream.exit_code}: {stream.stderr}"
    return reader.finish(exit_ok=stream.exit_code == 0, exit_text=exit_text)


def kind_of(report: AgentReport) -> str:
    kinds = {
        "ok": report.ok,
        "limited": report.limited,
        "no_access": report.no_access,
        "transient": report.transient,
        "session_missing": report.session_missing,
    }
    return next((name for name, holds in kinds.items() if holds), "failed")


@streams
def test_a_stream_means_what_its_row_says(stream: Stream) -> None:
    report = read(stream)

    assert kind_of(report) == stream.kind, report
    assert stream.words in (report.final_text if report.ok else report.reason)
    assert report.session == stream.session
    assert (report.usage.input_tokens, report.usage.output_tokens) == stream.tokens


@streams
def test_noise_between_the_events_changes_nothing(stream: Stream) -> None:
    if stream.events:
        with_noise, plain = read(stream, noise=True), read(stream)
        assert replace(with_noise, limited_until=None) == replace(plain, limited_until=None)


@streams
def test_a_stream_without_its_end_is_no_success(stream: Stream) -> None:
    last = -2 if stream.program.startswith("pi") else -1  # its very last event says nothing
    assert not read(stream, events=stream.events[:last]).ok


@pytest.mark.parametrize("status", [401, 429])
def test_copilot_is_ended_where_it_would_only_wait(status: int) -> None:
    words = BAD_KEY if status == 401 else "Please try again in 3h12m."
    failure = json.dumps(copilot("model.call_failure", statusCode=status, errorMessage=words))
    reader = CopilotReader()
    if status == 401:
        reader.feed(failure.encode())
        reader.feed(json.dumps(COPILOT_DONE).encode())  # a login that it renewed
        reader.feed(failure.encode())

    with pytest.raises(NoProgress):
        reader.feed(failure.encode())
    report = reader.finish(exit_ok=False, exit_text="it was ended")
    assert kind_of(report) == ("no_access" if status == 401 else "limited")


def test_the_live_view_shows_each_use_of_a_tool() -> None:
    shown = OpencodeReader().feed(json.dumps(OPENCODE_WRITES).encode())

    assert shown is not None
    assert (shown.tool, shown.subject) == ("write", "t0.txt")


def test_a_reader_has_no_tool_that_writes() -> None:
    request = AgentRequest(text="SECRET", reads_only=True)

    assert "--available-tools=view,grep,glob" in Copilot("copilot").argv(request)
    pi = Pi("pi").argv(request)
    assert pi[pi.index("--tools") + 1] == "read,grep,find,ls"
    writing = Pi("pi").argv(AgentRequest(text=""))
    assert writing[writing.index("--tools") + 1] == "+bash,+edit,+write"
    opencode = Opencode("opencode")
    assert "--auto" not in opencode.argv(request)
    allowed = json.loads(opencode.variables(request)["OPENCODE_PERMISSION"])
    assert allowed["*"] == "deny"
    assert {name for name, may in allowed.items() if may == "allow"} == {
        *("read", "grep", "glob", "list")
    }


@pytest.mark.parametrize("agent", [Opencode("a", "p/m"), Copilot("a", "m"), Pi("a", "p/m")])
def test_a_session_and_a_model_are_handed_on(agent: Opencode | Copilot | Pi) -> None:
    argv = " ".join(agent.argv(AgentRequest(text="", session="s1")))

    assert any(option in argv for option in ("--session=s1", "--resume=s1", "--session s1"))
    assert f"--model {agent.model}" in argv


@pytest.mark.parametrize("reader", [OpencodeReader, CopilotReader, PiReader])
@given(
    lines=lines_of_events(
        "error step_finish tool_use text result session.error session message_end".split()
    )
)
def test_no_output_whatever_breaks_a_reader(reader: Any, lines: list[bytes]) -> None:
    check_reading(reader(), lines)

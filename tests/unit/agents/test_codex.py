from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.codex import Codex, CodexReader, CodexSession, TokenCounts, read_session
from concertmaster.agents.protocol import AgentActivity, AgentReport, AgentRequest, NoProgress
from concertmaster.model import Usage
from tests.unit.agents.agent_lines import check_reading, lines_of_events

THREAD = "0199a213-81c0-7800-8aa1-bbab2a035a53"
MODEL = "gpt-6-sol"
STARTED = {"type": "thread.started", "thread_id": THREAD}
TURN = {"type": "turn.started"}
LIMIT = "You've hit your usage limit. Upgrade to Pro or try again later."


def item(kind: str, *, step: str = "completed", **more: object) -> dict[str, Any]:
    return {"type": f"item.{step}", "item": {"id": "item_0", "type": kind, **more}}


def said(text: str) -> dict[str, Any]:
    return item("agent_message", text=text)


def completed(given: int = 100, cached: int = 0, output: int = 10) -> dict[str, Any]:
    tokens = {"input_tokens": given, "cached_input_tokens": cached, "output_tokens": output}
    return {"type": "turn.completed", "usage": tokens}


def failed(message: str) -> dict[str, Any]:
    return {"type": "turn.failed", "error": {"message": message}}


def told(message: str) -> dict[str, Any]:
    return {"type": "error", "message": message}


def line_of(event: object) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def read(
    *events: object,
    exit_ok: bool = True,
    exit_text: str = "exit 0",
    session: str = "",
    model: str = MODEL,
) -> AgentReport:
    reader = CodexReader(model=model, session=session)
    for event in events:
        reader.feed(line_of(event))
    return reader.finish(exit_ok=exit_ok, exit_text=exit_text)


def test_success_is_a_completed_turn_with_work_in_it_and_a_good_exit() -> None:
    report = read(STARTED, TURN, said("first"), said("done"), completed(1_000_000, 0, 100_000))

    assert report == AgentReport(
        ok=True,
        reason="",
        session=f"{THREAD}:1000000:0:100000",
        usage=Usage(cost_usd=3.0, input_tokens=1_000_000, output_tokens=100_000, is_estimated=True),
        final_text="done",
    )


@pytest.mark.parametrize(
    ("events", "reason"),
    [
        ([], "ended without its final event: exit 1"),
        ([STARTED, TURN, said("done")], "ended without its final event"),
        ([STARTED, TURN, said("done"), told("no key")], "no key: exit 1"),
        ([STARTED, TURN, failed("bad request")], "bad request"),
        ([STARTED, TURN, {"type": "turn.failed"}], "the turn failed"),
        ([b"oops", b"", b"oops"], "(2 lines were no events)"),
        ([STARTED, said("x"), completed()], "success, but then exit 1"),
        ([STARTED, said("x"), completed(), failed("later")], "later"),
    ],
)
def test_anything_else_is_no_success_and_says_why(events: list[object], reason: str) -> None:
    report = read(*events, exit_ok=False, exit_text="exit 1")

    assert not report.ok
    assert reason in report.reason
    assert not report.limited


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"WARNING: proceeding",
        b"[1]",
        b'{"type": "turn.comp',
        b"\xff\xfe{",
        {"type": "tomorrow", "usage": {"input_tokens": 9}},
        {"type": ["turn.failed"]},
        {"type": "item.completed", "item": "text"},
        {"type": "item.updated", "item": {"type": "agent_message", "text": "partly"}},
        {"type": "error", "message": "Reconnecting... 1/5"},
        item("error", message="model rerouted"),
        item("todo_list", items=[]),
    ],
)
def test_noise_between_the_events_changes_nothing(noise: object) -> None:
    plain = read(STARTED, TURN, said("done"), completed())

    assert read(STARTED, TURN, noise, said("done"), noise, completed()) == plain
    assert read(STARTED, TURN, said("done"), completed(), noise) == plain


@pytest.mark.parametrize(
    "events",
    [
        [STARTED, TURN, failed(LIMIT)],
        [STARTED, TURN, told(LIMIT)],
        [STARTED, TURN, completed(0, 0, 0)],
        [STARTED, TURN, item("error", message="x"), completed(0, 0, 0)],
        [STARTED, TURN, failed("exceeded retry limit, last status: 429 Too Many Requests")],
    ],
)
def test_a_limit_comes_as_words_or_as_an_empty_turn(events: list[object]) -> None:
    report = read(*events, exit_ok=False, exit_text="exit 1")

    assert (report.ok, report.limited, report.transient) == (False, True, False)


def test_a_limit_in_the_last_words_of_a_crash_is_one() -> None:
    assert read(exit_ok=False, exit_text=f"exit 1: ERROR: {LIMIT}").limited


def test_what_a_model_says_of_limits_is_none() -> None:
    report = read(STARTED, TURN, said(LIMIT), completed())

    assert (report.ok, report.limited) == (True, False)


@pytest.mark.parametrize(
    "message",
    [
        "stream disconnected before completion: error sending request for url (https://x)",
        "exceeded retry limit, last status: 500 Internal Server Error",
        "unexpected status 503 Service Unavailable: busy",
        "Selected model is at capacity. Please try a different model.",
    ],
)
def test_overload_and_broken_connections_are_transient(message: str) -> None:
    report = read(STARTED, TURN, failed(message), exit_ok=False, exit_text="exit 1")

    assert (report.limited, report.transient) == (False, True)


@pytest.mark.parametrize(
    "words",
    [
        "thread/resume: thread/resume failed: no rollout found for thread id x (code -32600)",
        "thread/read: thread/read failed: thread not loaded: bc0d74c3 (code -32600)",
    ],
)
def test_a_session_that_is_gone_is_known_by_the_last_words(words: str) -> None:
    report = read(exit_ok=False, exit_text=f"exit 1: Error: {words}", session=THREAD)

    assert report.session_missing
    begun = read(STARTED, exit_ok=False, exit_text=f"exit 1: Error: {words}", session=THREAD)
    assert not begun.session_missing


class TestUsage:
    def test_a_resumed_thread_counts_on_and_is_not_paid_twice(self) -> None:
        first = read(STARTED, said("a"), completed(1000, 400, 50))
        second = read(STARTED, said("b"), completed(1800, 1000, 70), session=first.session)

        assert (first.usage.input_tokens, first.usage.output_tokens) == (1000, 50)
        assert (second.usage.input_tokens, second.usage.output_tokens) == (800, 20)
        assert second.session == f"{THREAD}:1800:1000:70"

    def test_a_count_that_began_anew_is_taken_as_it_is(self) -> None:
        used = read(STARTED, said("b"), completed(10, 0, 5), session=f"{THREAD}:1000:0:50").usage

        assert (used.input_tokens, used.output_tokens) == (10, 5)

    def test_a_failed_turn_tells_no_tokens_and_keeps_the_count(self) -> None:
        report = read(STARTED, failed("x"), session=f"{THREAD}:1000:0:50")

        assert report.usage == Usage()
        assert report.session == f"{THREAD}:1000:0:50"

    def test_the_cost_of_an_unknown_model_is_unknown(self) -> None:
        for model in ("", "my-model"):
            used = read(STARTED, said("a"), completed(), model=model).usage
            assert used == Usage(input_tokens=100, output_tokens=10)

    @given(st.builds(TokenCounts, *[st.integers(0, 10**11 - 1)] * 3))
    def test_a_session_is_read_as_it_was_written(self, counts: TokenCounts) -> None:
        session = CodexSession(THREAD, counts)

        assert read_session(str(session)) == session

    @pytest.mark.parametrize(
        "text", ["", "--last", "a b", f"{THREAD}:1", f"{THREAD}:1:2:-3", "a\n"]
    )
    def test_what_is_no_session_is_none(self, text: str) -> None:
        assert read_session(text) == CodexSession()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            item("command_execution", step="started", command="ls\n-l"),
            AgentActivity("shell", "ls -l"),
        ),
        (item("command_execution", command="ls"), None),
        (
            item("file_change", changes=[{"path": "a.py", "kind": "add"}, None, {"path": "b.py"}]),
            AgentActivity("edit", "a.py b.py"),
        ),
        (item("mcp_tool_call", step="started", server="s", tool="t"), AgentActivity("t", "s")),
        (item("web_search", step="started", query="q"), AgentActivity("search", "q")),
        (item("reasoning", text="hm"), None),
        (said("hello"), None),
        (completed(), None),
    ],
)
def test_the_live_view_shows_what_it_does(event: object, expected: AgentActivity | None) -> None:
    assert CodexReader().feed(line_of(event)) == expected


class TestCommandLine:
    def test_it_works_in_a_sandbox_and_reads_its_prompt(self) -> None:
        argv = Codex("codex").argv(AgentRequest(text="SECRET", folder="/f"))

        assert argv[:3] == ("codex", "exec", "--json")
        assert argv[argv.index("--sandbox") + 1] == "workspace-write"
        assert argv[-1] == "-"
        assert not {"SECRET", "resume", "--model", "--output-schema"} & set(argv)

    def test_a_reader_of_code_is_held_to_it_and_answers_in_the_form_of_a_schema(self) -> None:
        request = AgentRequest(text="", reads_only=True, schema={"type": "object"}, folder="/f")
        argv = Codex("codex", MODEL).argv(request)

        assert argv[argv.index("--sandbox") + 1] == "read-only"
        assert argv[argv.index("--output-schema") + 1] == "/f/answer-schema.json"
        assert argv[argv.index("--model") + 1] == MODEL

    def test_a_thread_is_resumed_without_its_counts_and_after_all_options(self) -> None:
        argv = Codex("codex", MODEL).argv(AgentRequest(text="", session=f"{THREAD}:1:2:3"))

        assert argv[-3:] == ("resume", THREAD, "-")
        assert "resume" not in Codex("codex").argv(AgentRequest(text="", session="--last"))


class TestEnvironment:
    def request(self, home: Path, **given: str) -> AgentRequest:
        return AgentRequest(text="", environment={"HOME": str(home), **given})

    def test_the_key_of_openai_is_handed_on_by_the_name_that_codex_reads(
        self, tmp_path: Path
    ) -> None:
        request = self.request(tmp_path, OPENAI_API_KEY="sk-1")

        assert Codex("codex").variables(request) == {"CODEX_API_KEY": "sk-1"}

    def test_a_key_of_its_own_or_a_login_comes_first(self, tmp_path: Path) -> None:
        codex = Codex("codex")
        other = tmp_path / "other"
        for home in (tmp_path / ".codex", other):
            home.mkdir()
            (home / "auth.json").write_text("{}")

        both = self.request(tmp_path / "x", OPENAI_API_KEY="sk-1", CODEX_API_KEY="sk-2")
        assert codex.variables(both) == {}
        assert codex.variables(self.request(tmp_path, OPENAI_API_KEY="sk-1")) == {}
        moved = self.request(tmp_path / "x", OPENAI_API_KEY="sk-1", CODEX_HOME=str(other))
        assert codex.variables(moved) == {}
        assert codex.variables(self.request(tmp_path / "x")) == {}

    def test_the_address_of_openai_is_an_option(self, tmp_path: Path) -> None:
        request = self.request(tmp_path, OPENAI_BASE_URL='http://h/v1"x')
        argv = Codex("codex").argv(request)

        assert argv[argv.index("-c") + 1] == r'openai_base_url="http://h/v1\"x"'
        assert "-c" not in Codex("codex").argv(self.request(tmp_path))


class TestSandbox:
    @pytest.mark.parametrize("reads_only", [True, False])
    def test_it_is_off_only_where_it_was_switched_off(self, reads_only: bool) -> None:
        agent = Codex("codex").without_sandbox()
        argv = agent.argv(AgentRequest(text="", reads_only=reads_only))

        assert argv[argv.index("--sandbox") + 1] == "danger-full-access"

    @pytest.mark.parametrize(
        ("events", "is_able"),
        [
            ([], False),
            ([item("command_execution", command="ls", exit_code=1)], False),
            ([item("command_execution", command="ls", exit_code=0)], True),
            ([item("file_change", changes=[{"path": "a.py"}], status="completed")], True),
        ],
    )
    def test_a_turn_in_which_no_edit_and_no_command_works_has_failed(
        self, events: list[object], is_able: bool
    ) -> None:
        in_vain = item("file_change", changes=[{"path": "a.py"}], status="failed")
        report = read(STARTED, TURN, in_vain, *events, said("done"), completed())

        assert report.ok == is_able
        assert ("the edit of a.py" in report.reason) != is_able

    def test_a_failed_edit_is_shown_as_one(self) -> None:
        event = item("file_change", changes=[{"path": "a.py"}], status="failed")

        assert CodexReader().feed(line_of(event)) == AgentActivity("failed edit", "a.py")


WAITING = told("Reconnecting... waiting for network (Connection failed: error sending request)")


def test_waiting_for_the_network_again_and_again_is_no_progress() -> None:
    reader = CodexReader(model=MODEL)
    for event in (STARTED, TURN, WAITING, said("x"), WAITING):
        reader.feed(line_of(event))
    with pytest.raises(NoProgress):
        reader.feed(line_of(WAITING))
    report = reader.finish(exit_ok=False, exit_text="it was ended")

    assert "waiting for network" in report.reason
    assert (report.ok, report.transient, report.limited) == (False, True, False)


@given(lines_of_events("thread.started turn.completed turn.failed item.completed error".split()))
def test_no_output_whatever_breaks_it(lines: list[bytes]) -> None:
    check_reading(CodexReader(model=MODEL, session=f"{THREAD}:5:5:5"), lines)

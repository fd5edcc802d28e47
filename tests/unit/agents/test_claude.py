"""The claude reader reports success, failure, usage and limits from the events of claude."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.claude import ClaudeReader
from concertmaster.agents.protocol import (
    FINAL_TEXT_LIMIT,
    AgentActivity,
    AgentReport,
    NoProgress,
    number_in,
)
from concertmaster.model import Usage
from tests.unit.agents.agent_lines import check_reading

SESSION = "632624b1-6c13-49b1-aa46-2a260a6cc4bd"
RESET_AT = int(time.time()) + 3600  # epoch seconds

EVENT_KINDS = ("system", "assistant", "rate_limit_event", "result")
EVENT_KEYS = st.sampled_from(
    """
    subtype is_error message content result errors session_id cwd rate_limit_info status resetsAt
    isUsingOverage usage total_cost_usd model_usage_since_last_result api_error_status input name
    terminal_reason error_status structured_output
    """.split()
)
SCALARS = (
    None,
    True,
    False,
    429,
    -1,
    10**400,
    0.5,
    float("nan"),
    float("inf"),
    "success",
    "\ud800",
)
VALUES = st.recursive(
    st.sampled_from(SCALARS) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(EVENT_KEYS, inner, max_size=2),
    max_leaves=4,
)
EVENTS = st.builds(
    lambda kind, event: {**event, "type": kind},
    st.sampled_from(EVENT_KINDS),
    st.dictionaries(EVENT_KEYS, VALUES, max_size=4),
)


def init(**more: object) -> dict[str, Any]:
    return {"type": "system", "subtype": "init", "session_id": SESSION, "cwd": "/w", **more}


def result(**more: object) -> dict[str, Any]:
    event = {"type": "result", "subtype": "success", "is_error": False, "result": "done"}
    return {**event, "session_id": SESSION, **more}


def limit(status: str, **more: object) -> dict[str, Any]:
    info = {"status": status, "resetsAt": RESET_AT, "rateLimitType": "five_hour", **more}
    return {"type": "rate_limit_event", "rate_limit_info": info}


def retry(status: object) -> dict[str, Any]:
    event = {"type": "system", "subtype": "api_retry", "attempt": 1, "error_status": status}
    return {**event, "session_id": SESSION}


def told(kind: str) -> dict[str, Any]:
    """An event of the assistant that tells of an error of the API."""
    return {"type": "assistant", "error": kind, "message": {"content": []}}


def tool_use(name: object, given_input: object) -> dict[str, Any]:
    block = {"type": "tool_use", "id": "toolu_1", "name": name, "input": given_input}
    return {"type": "assistant", "message": {"content": [block]}, "session_id": SESSION}


def line_of(event: object) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def read(*events: object, exit_ok: bool = True, exit_text: str = "exit 0") -> AgentReport:
    reader = ClaudeReader()
    for event in events:
        reader.feed(line_of(event))
    return reader.finish(exit_ok=exit_ok, exit_text=exit_text)


def usage_of(*events: object) -> Usage:
    return read(*events).usage


class TestClaudeReader:
    def test_success_is_a_final_event_that_says_so_and_a_good_exit(self) -> None:
        report = read(init(), result())

        assert report == AgentReport(
            ok=True, reason="", session=SESSION, usage=Usage(cost_usd=0.0), final_text="done"
        )

    @pytest.mark.parametrize(
        ("events", "reason"),
        [
            ([init()], "ended without its final event"),
            ([], "ended without its final event"),
            ([result(is_error=True, result="API Error: 529")], "error: API Error: 529"),
            ([result(is_error=None)], "error"),
            ([result(is_error="false")], "error"),
            ([result(subtype="error_max_turns", result=None)], "error_max_turns"),
            (
                [
                    result(
                        subtype="error_during_execution", is_error=True, result=None, errors=["no"]
                    )
                ],
                "no",
            ),
            ([result(subtype=None)], ": done"),
            ([result(), result(is_error=True, result="later")], "error: later"),
            ([{"type": "result"}], "exit 0"),
        ],
    )
    def test_anything_else_is_no_success_and_says_why(
        self, events: list[object], reason: str
    ) -> None:
        report = read(*events)

        assert not report.ok
        assert reason in report.reason
        assert not report.limited

    def test_a_bad_exit_spoils_a_success(self) -> None:
        report = read(init(), result(), exit_ok=False, exit_text="killed by SIGTERM")

        assert not report.ok
        assert "killed by SIGTERM" in report.reason

    @pytest.mark.parametrize(
        "noise",
        [
            b"",
            b"npm warn something",
            b"[1, 2]",
            b'"text"',
            b'{"type": "result", "subtype": "suc',
            b"\xff\xfe{",
            b"[" * 100_000,
            b'{"type": ' + b"9" * 5000 + b"}",
            {"type": "tomorrow", "subtype": "success"},
            {"type": ["result"]},
            {"type": None},
            {"type": "system", "subtype": "api_retry", "error_status": 429},
            {"type": "stream_event", "event": {"type": "result"}},
            {"type": "assistant", "message": "text"},
            {"type": "assistant", "message": {"content": [None, "x", {"type": "tool_use"}]}},
            {"type": "rate_limit_event", "rate_limit_info": "rejected"},
        ],
    )
    def test_noise_between_the_events_changes_nothing(self, noise: object) -> None:
        assert read(init(), noise, result()) == read(init(), result())
        assert read(init(), result(), noise) == read(init(), result())

    def test_lines_that_are_no_events_are_counted_where_nothing_better_is_known(self) -> None:
        assert "(2 lines were no events)" in read(b"oops", b"", b"oops").reason

    def test_a_limit_that_calls_itself_success_is_a_limit(self) -> None:
        report = read(
            limit("allowed"),
            limit("rejected"),
            result(is_error=True, api_error_status=429, result="You've hit your session limit"),
            exit_ok=False,
        )

        assert (report.ok, report.limited, report.limited_until) == (False, True, RESET_AT)
        assert report.reason == "usage limit: You've hit your session limit"

    @pytest.mark.parametrize(
        ("events", "is_known"),
        [
            ([result(is_error=True, api_error_status=429)], False),
            ([limit("allowed"), result(is_error=True, api_error_status=429)], False),
            ([limit("rejected"), result(is_error=True)], True),
            ([limit("rejected")], True),
            ([limit("rejected", resetsAt=None), result(is_error=True)], False),
            ([limit("rejected", resetsAt="soon"), result(is_error=True)], False),
            ([limit("rejected", resetsAt=-5), result(is_error=True)], False),
            ([limit("rejected", resetsAt=float("nan")), result(is_error=True)], False),
            ([limit("rejected", resetsAt=float("inf")), result(is_error=True)], False),
            ([limit("rejected", resetsAt=10**400), result(is_error=True)], False),
            ([limit("rejected", resetsAt=99_999_999_999), result(is_error=True)], False),
            ([limit("rejected", resetsAt=True), result(is_error=True)], False),
        ],
    )
    def test_a_limit_is_known_by_its_status_or_by_the_last_limit_event(
        self, events: list[object], is_known: bool
    ) -> None:
        report = read(*events, exit_ok=False, exit_text="exit 1")

        until = RESET_AT if is_known else None
        assert (report.limited, report.limited_until) == (True, until)

    @pytest.mark.parametrize(
        "events",
        [
            [limit("rejected"), result()],
            [limit("rejected"), limit("allowed_warning"), result(is_error=True)],
            [limit("rejected", isUsingOverage=True), result(is_error=True)],
            [result(is_error=True, terminal_reason="blocking_limit")],
            [result(is_error=True, api_error_status="429")],
            [result(is_error=False, api_error_status=429)],
        ],
    )
    def test_what_only_resembles_a_limit_is_none(self, events: list[object]) -> None:
        report = read(*events)

        assert (report.limited, report.limited_until) == (False, None)

    def test_tokens_count_the_cache_and_every_model(self) -> None:
        models = {
            "large": {
                "inputTokens": 1,
                "cacheReadInputTokens": 10,
                "cacheCreationInputTokens": 100,
                "outputTokens": 7,
                "costUSD": 0.5,
            },
            "small": {"inputTokens": 1000, "outputTokens": 2, "costUSD": 0.25},
        }

        used = usage_of(result(model_usage_since_last_result=models))

        assert used == Usage(cost_usd=0.75, input_tokens=1111, output_tokens=9)

    def test_a_resumed_session_is_not_paid_twice(self) -> None:
        models = {"large": {"costUSD": 0.5}}

        used = usage_of(result(total_cost_usd=9.5, model_usage_since_last_result=models))

        assert used.cost_usd == 0.5

    def test_several_final_events_add_up(self) -> None:
        models = {"large": {"costUSD": 0.5, "outputTokens": 3}}
        final = result(total_cost_usd=1, model_usage_since_last_result=models)

        assert usage_of(final, final) == Usage(cost_usd=1.0, output_tokens=6)

    def test_an_older_version_tells_only_totals(self) -> None:
        tokens = {
            "input_tokens": 1,
            "cache_read_input_tokens": 10,
            "cache_creation_input_tokens": 100,
            "output_tokens": 7,
        }
        first = result(total_cost_usd=0.5, usage=tokens)
        second = result(total_cost_usd=0.75, usage=tokens)

        assert usage_of(first) == Usage(cost_usd=0.5, input_tokens=111, output_tokens=7)
        assert usage_of(first, second) == Usage(cost_usd=0.75, input_tokens=222, output_tokens=14)

    @pytest.mark.parametrize("lie", [-1, "7", None, True, [], float("nan"), float("inf"), 10**400])
    def test_a_number_that_cannot_be_true_is_none_at_all(self, lie: object) -> None:
        assert number_in(lie) == 0.0
        final = result(total_cost_usd=lie, usage={"input_tokens": lie, "output_tokens": lie})
        assert usage_of(final) == Usage(cost_usd=0.0)

    def test_an_agent_without_a_final_event_leaves_its_cost_unknown(self) -> None:
        assert usage_of(init()) == Usage(cost_usd=None)

    def test_the_session_is_known_from_the_first_event(self) -> None:
        assert read(init()).session == SESSION

    @pytest.mark.parametrize(
        "events",
        [
            [result(is_error=True, api_error_status=529, terminal_reason="api_error")],
            [result(is_error=True, api_error_status=500)],
            [result(is_error=True, api_error_status=None, terminal_reason="api_error")],
            [retry(503), result(is_error=True)],
            [retry(None), result(is_error=True)],
            [retry(None)],
        ],
    )
    def test_overload_and_broken_connections_are_transient(self, events: list[object]) -> None:
        report = read(init(), *events, exit_ok=False, exit_text="exit 1")

        assert (report.ok, report.limited, report.transient) == (False, False, True)

    @pytest.mark.parametrize(
        "events",
        [
            [result()],
            [retry(529), result()],
            [retry(529), tool_use("Read", {}), result(is_error=True)],
            [retry(401), result(is_error=True)],
            [result(is_error=True, api_error_status=401, terminal_reason="api_error")],
            [result(is_error=True, api_error_status=429, terminal_reason="api_error")],
            [result(is_error=True, api_error_status="529")],
            [result(is_error=True, api_error_status=[529], terminal_reason="api_error")],
            [result(subtype="error_max_turns", is_error=True)],
            [],
        ],
    )
    def test_nothing_else_is_transient(self, events: list[object]) -> None:
        assert not read(init(), *events).transient

    @pytest.mark.parametrize(
        ("kind", "words"),
        [
            ("authentication_failed", "Invalid API key"),
            ("billing_error", "Credit balance is too low"),
            ("model_not_found", "There is an issue with the model"),
        ],
    )
    def test_a_rejected_key_an_empty_balance_and_an_unknown_model_are_no_access(
        self, kind: str, words: str
    ) -> None:
        failed = result(is_error=True, result=words, api_error_status=400)
        report = read(init(), told(kind), failed, exit_ok=False, exit_text="exit 1")

        assert (report.ok, report.no_access) == (False, True)
        assert (report.limited, report.transient) == (False, False)
        assert report.reason == f"{kind}: {words}"

    def test_an_error_that_a_later_answer_clears_is_none(self) -> None:
        assert read(init(), told("authentication_failed"), result()).ok
        later = [told("authentication_failed"), tool_use("Read", {}), result(is_error=True)]
        assert not read(init(), *later).no_access

    @pytest.mark.parametrize(
        "words",
        [
            "Not logged in · Please run /login",
            "API Error: Could not load credentials from any providers",
            "API Error: Claude Code is unable to respond to this request: Usage Policy",
        ],
    )
    def test_what_no_retry_can_change_is_not_transient(self, words: str) -> None:
        event = result(is_error=True, terminal_reason="api_error", result=words)
        report = read(init(), event, exit_ok=False, exit_text="exit 1")

        assert (report.ok, report.transient) == (False, False)

    def test_a_limit_that_is_only_told_in_words_is_one(self) -> None:
        words = f"Claude AI usage limit reached|{RESET_AT}"
        report = read(init(), result(is_error=True, result=words), exit_ok=False)

        assert (report.limited, report.limited_until) == (True, RESET_AT)
        assert not read(init(), result(result=words)).limited

    @pytest.mark.parametrize(
        ("kind", "limited", "transient"),
        [("rate_limit", True, False), ("server_error", False, True), ("invalid_request", 0, 0)],
    )
    def test_the_kind_of_an_error_counts_where_there_is_no_status(
        self, kind: str, limited: bool, transient: bool
    ) -> None:
        event = result(is_error=True, result="API Error", terminal_reason="x")
        report = read(init(), told(kind), event, exit_ok=False, exit_text="exit 1")

        assert (report.limited, report.transient) == (limited, transient)

    def test_a_login_that_is_rejected_again_is_not_waited_for(self) -> None:
        reader = ClaudeReader()
        for event in (init(), retry(401), tool_use("Read", {}), retry(503), retry(401)):
            reader.feed(line_of(event))
        with pytest.raises(NoProgress):
            reader.feed(line_of(retry(401)))

        assert reader.finish(exit_ok=False, exit_text="it was ended").no_access

    def test_a_session_that_is_gone_is_known_by_its_error_or_by_the_last_words(self) -> None:
        words = f"No conversation found with session ID: {SESSION}"
        event = result(subtype="error_during_execution", is_error=True, result=None, errors=[words])

        assert read(event, exit_ok=False, exit_text="exit 1").session_missing
        assert read(exit_ok=False, exit_text=f"exit 1: {words}").session_missing
        assert not read(init(), result(result=words)).session_missing

    def test_the_words_tell_the_end_of_a_limit_where_no_event_does(self) -> None:
        words = "You've hit your session limit - resets 8:30am (Europe/Berlin)"
        report = read(result(is_error=True, api_error_status=429, result=words), exit_ok=False)

        assert report.limited_until

    def test_an_answer_in_the_form_of_a_schema_is_the_last_word(self) -> None:
        report = read(init(), result(result="I approve.", structured_output={"verdict": "approve"}))

        assert json.loads(report.final_text) == {"verdict": "approve"}
        assert read(init(), result(structured_output=None)).final_text == "done"

    def test_an_answer_in_another_script_takes_no_more_room_than_its_letters(self) -> None:
        answer = {"text": "\N{CJK UNIFIED IDEOGRAPH-5B57}" * 50_000}
        report = read(init(), result(structured_output=answer))

        assert json.loads(report.final_text) == answer

    @pytest.mark.parametrize("session", ["--model=x", "a b", "", "x" * 200, None, 7, "a\n", "../a"])
    def test_what_is_no_id_never_becomes_a_session(self, session: object) -> None:
        assert read(init(session_id=session), result(session_id=session)).session == ""

    def test_the_last_word_is_cut_to_its_end_and_can_be_written(self) -> None:
        final_text = read(result(result="x" * FINAL_TEXT_LIMIT + "\ud800 end")).final_text

        assert len(final_text) == FINAL_TEXT_LIMIT
        assert final_text.encode().endswith(b"? end")

    @pytest.mark.parametrize(
        ("event", "expected"),
        [
            (tool_use("Edit", {"file_path": "/w/src/a.py"}), AgentActivity("Edit", "src/a.py")),
            (tool_use("Edit", {"file_path": "/wide/a.py"}), AgentActivity("Edit", "/wide/a.py")),
            (tool_use("Bash", {"command": "ls\n\x1b[31m -l"}), AgentActivity("Bash", "ls [31m -l")),
            (tool_use("Grep", {"pattern": "TODO", "path": "src"}), AgentActivity("Grep", "src")),
            (tool_use("Odd", {"file_path": 7}), AgentActivity("Odd", "")),
            (tool_use("Odd", "text"), AgentActivity("Odd", "")),
            (tool_use(None, {}), AgentActivity("", "")),
            ({"type": "assistant", "message": {"content": [{"type": "text"}]}}, None),
            (result(), None),
        ],
    )
    def test_the_live_view_shows_each_use_of_a_tool(
        self, event: object, expected: AgentActivity | None
    ) -> None:
        reader = ClaudeReader()
        reader.feed(line_of(init()))

        assert reader.feed(line_of(event)) == expected

    @given(st.lists(st.binary() | EVENTS.map(line_of), max_size=5))
    def test_no_output_whatever_breaks_it(self, lines: list[bytes]) -> None:
        check_reading(ClaudeReader(), lines)

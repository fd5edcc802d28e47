from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from concertmaster.agents.gemini import Gemini, GeminiReader
from concertmaster.agents.protocol import FINAL_TEXT_LIMIT, AgentActivity, AgentReport, AgentRequest
from concertmaster.model import Usage
from tests.unit.agents.agent_lines import check_reading, lines_of_events

SESSION = "632624b1-6c13-49b1-aa46-2a260a6cc4bd"
AT = {"timestamp": "2026-11-23T12:00:00.000Z"}
INIT = {"type": "init", **AT, "session_id": SESSION, "model": "gemini-2.5-pro"}
QUOTA = (
    "[API Error: You have exhausted your capacity on this model. Your quota will reset after 0s.]"
)


def said(text: str, *, delta: bool = True) -> dict[str, Any]:
    return {"type": "message", **AT, "role": "assistant", "content": text, "delta": delta}


def tool(name: object, parameters: object) -> dict[str, Any]:
    return {"type": "tool_use", **AT, "tool_name": name, "tool_id": "1", "parameters": parameters}


def told(message: str, *, severity: str = "error") -> dict[str, Any]:
    return {"type": "error", **AT, "severity": severity, "message": message}


def tokens(given: int, output: int, *, cached: int = 0, thought: int = 0) -> dict[str, int]:
    return {
        "total_tokens": given + output + thought,
        "input_tokens": given,
        "output_tokens": output,
        "cached": cached,
        "input": given - cached,
    }


def result(stats: object = None, **more: object) -> dict[str, Any]:
    return {"type": "result", **AT, "status": "success", "stats": stats or {}, **more}


def failure(message: str, stats: object = None) -> dict[str, Any]:
    return result(stats, status="error", error={"type": "Error", "message": message})


def line_of(event: object) -> bytes:
    return event if isinstance(event, bytes) else json.dumps(event).encode()


def read(*events: object, exit_ok: bool = True, exit_text: str = "exit 0") -> AgentReport:
    reader = GeminiReader()
    for event in events:
        reader.feed(line_of(event))
    return reader.finish(exit_ok=exit_ok, exit_text=exit_text)


def test_success_is_a_result_that_says_so_and_a_good_exit() -> None:
    report = read(INIT, said("All "), said("done."), result())

    assert report == AgentReport(ok=True, reason="", session=SESSION, final_text="All done.")


def test_the_last_word_is_what_it_said_since_it_last_used_a_tool() -> None:
    report = read(INIT, said("I look."), tool("read_file", {}), said("Done."), result())

    assert report.final_text == "Done."
    assert read(INIT, said("a"), said("b", delta=False), result()).final_text == "b"
    long = read(INIT, *[said("x" * 50_000)] * 3, said("end"), result()).final_text
    assert len(long) == FINAL_TEXT_LIMIT
    assert long.endswith("xend")


@pytest.mark.parametrize(
    ("events", "exit_text", "reason"),
    [
        ([], "exit 41", "it is not signed in (exit 41)"),
        ([], "exit 42: bad", "does not take the prompt"),
        ([INIT], "exit 44", "its sandbox failed"),
        ([INIT], "exit 52", "its settings are not valid"),
        ([INIT], "exit 54", "one of its tools failed"),
        ([INIT], "exit 55", "does not trust the folder"),
        ([INIT], "exit 130", "was cancelled"),
        ([INIT, said("done")], "exit 1", "ended without its final event: exit 1"),
        ([INIT, told("no more"), b"oops"], "exit 1", "no more: exit 1 (1 lines were no events)"),
        ([INIT, failure("bad key")], "exit 1", "bad key"),
        ([INIT, result(status="error")], "exit 53", "it met its limit of turns (exit 53)"),
        ([INIT, result(status=None)], "exit 1", "it ended with an error"),
        ([INIT, told("Maximum session turns exceeded"), result()], "exit 0", "Maximum session"),
        ([INIT, result()], "exit 53", "success, but then it met its limit of turns"),
        ([INIT, result(), failure("later")], "exit 1", "later"),
    ],
)
def test_anything_else_is_no_success_and_says_why(
    events: list[object], exit_text: str, reason: str
) -> None:
    report = read(*events, exit_ok=exit_text == "exit 0", exit_text=exit_text)

    assert not report.ok
    assert reason in report.reason
    assert not report.limited


@pytest.mark.parametrize(
    "noise",
    [
        b"",
        b"Loaded cached credentials.",
        b"[1]",
        b'{"type": "result", "status": "succ',
        b"\xff\xfe{",
        {"type": "tomorrow", "status": "error"},
        {"type": ["result"], "status": "error"},
        {"type": "message", "role": "user", "content": "the prompt"},
        {"type": "message", "role": "assistant", "content": 7, "delta": True},
        {"type": "tool_result", "tool_id": "1", "status": "error"},
        told("Loop detected, stopping execution", severity="warning"),
    ],
)
def test_noise_between_the_events_changes_nothing(noise: object) -> None:
    plain = read(INIT, said("done"), result())

    assert read(INIT, noise, said("done"), noise, result()) == plain
    assert read(INIT, said("done"), result(), noise) == plain


def test_an_error_that_it_worked_on_after_is_none() -> None:
    assert read(INIT, told("empty response"), said("done"), result()).ok
    assert read(INIT, told("empty response"), tool("ls", {}), said("done"), result()).ok


def test_a_quota_is_a_limit_with_its_end() -> None:
    report = read(INIT, failure(QUOTA), exit_ok=False, exit_text="exit 1")

    assert (report.ok, report.limited, report.transient) == (False, True, False)
    assert report.limited_until is not None


@pytest.mark.parametrize(
    "message",
    [
        "[API Error: The model is overloaded. Please try again later. (Status: UNAVAILABLE)]",
        "[API Error: Internal error encountered. (Status: INTERNAL)]",
        "[API Error: exception TypeError: fetch failed sending request]",
    ],
)
def test_overload_and_broken_connections_are_transient(message: str) -> None:
    report = read(INIT, failure(message), exit_ok=False, exit_text="exit 1")

    assert (report.limited, report.transient) == (False, True)


def test_a_session_without_an_answer_is_not_resumed() -> None:
    assert read(INIT, failure(QUOTA), exit_ok=False, exit_text="exit 1").session == ""
    assert read(INIT, tool("ls", {}), failure(QUOTA)).session == SESSION


@pytest.mark.parametrize(
    "words",
    [
        'Error resuming session: Invalid session identifier "x".',
        "Use --list-sessions to see available sessions, then use --resume {number}, --resume",
        "Error resuming session: No previous sessions found for this project.",
    ],
)
def test_a_session_that_is_gone_is_known_by_the_last_words(words: str) -> None:
    report = read(exit_ok=False, exit_text=f"exit 42: {words}")

    assert report.session_missing
    assert not read(INIT, exit_ok=False, exit_text=f"exit 42: {words}").session_missing


class TestUsage:
    def test_each_model_has_its_price_and_thoughts_are_output(self) -> None:
        models = {
            "gemini-2.5-pro": tokens(1_000_000, 50_000, cached=400_000, thought=50_000),
            "gemini-2.5-flash-lite": tokens(1_000_000, 0),
        }
        used = read(INIT, result({**tokens(2_000_000, 50_000), "models": models})).usage

        assert used.cost_usd == pytest.approx(0.75 + 0.05 + 1.0 + 0.1)
        assert (used.input_tokens, used.output_tokens) == (2_000_000, 100_000)
        assert used.is_estimated

    def test_a_version_without_models_is_paid_by_the_model_it_began_with(self) -> None:
        used = read(INIT, result(tokens(1_000_000, 0))).usage

        assert used.cost_usd == pytest.approx(1.25)

    def test_one_model_without_a_price_makes_the_cost_unknown(self) -> None:
        models = {"gemini-2.5-pro": tokens(10, 1), "gemini-99": tokens(10, 1)}
        used = read(INIT, result({"models": models})).usage

        assert used == Usage(input_tokens=20, output_tokens=2)

    def test_what_a_failure_cost_counts(self) -> None:
        assert read(INIT, failure("x", tokens(1_000_000, 0))).usage.cost_usd == pytest.approx(1.25)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (tool("write_file", {"file_path": "src/a.py"}), AgentActivity("write_file", "src/a.py")),
        (
            tool("run_shell_command", {"command": "ls\n-l"}),
            AgentActivity("run_shell_command", "ls -l"),
        ),
        (tool("odd", {"file_path": 7}), AgentActivity("odd", "")),
        (tool(None, "text"), AgentActivity("", "")),
        (said("hello"), None),
        (result(), None),
    ],
)
def test_the_live_view_shows_each_use_of_a_tool(
    event: object, expected: AgentActivity | None
) -> None:
    assert GeminiReader().feed(line_of(event)) == expected


def test_its_command_line() -> None:
    writing = Gemini("gemini", "gemini-2.5-pro").argv(AgentRequest(text="SECRET", session=SESSION))
    reading = Gemini("gemini").argv(AgentRequest(text="SECRET", reads_only=True))

    assert writing == (
        *("gemini", "--output-format", "stream-json", "--approval-mode", "yolo", "--skip-trust"),
        *("--model", "gemini-2.5-pro", f"--resume={SESSION}"),
    )
    assert reading[reading.index("--approval-mode") + 1] == "default"
    assert not any("--resume" in word or "SECRET" in word for word in reading)


KEY = {"GEMINI_API_KEY": "x"}
URL = {"GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9"}


@pytest.mark.parametrize(
    ("given", "is_chosen"),
    [
        (KEY | URL, True),
        (KEY, False),
        (URL, False),
        (KEY | URL | {"GOOGLE_GENAI_USE_VERTEXAI": "true"}, False),
        (KEY | URL | {"GOOGLE_GENAI_USE_GCA": "true"}, False),
    ],
)
def test_a_key_is_chosen_where_an_address_would_hide_it(
    given: dict[str, str], is_chosen: bool
) -> None:
    told = Gemini("gemini").variables(AgentRequest(text="", environment=given))

    assert [*told] == ["GEMINI_CLI_SYSTEM_DEFAULTS_PATH"] * is_chosen
    for path in told.values():
        settings = json.loads(Path(path).read_text())
        assert settings["security"]["auth"]["selectedType"] == "gemini-api-key"


def test_a_refused_address_is_told_with_the_way_out() -> None:
    report = read(exit_ok=False, exit_text="exit 41: Invalid auth method selected.")

    assert report.no_access
    assert "~/.gemini/settings.json" in report.reason


@given(lines_of_events("init message tool_use error result".split()))
def test_no_output_whatever_breaks_it(lines: list[bytes]) -> None:
    check_reading(GeminiReader(), lines)

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.agents.aider import Aider, AiderReader
from concertmaster.agents.protocol import (
    AgentActivity,
    AgentReport,
    AgentRequest,
    NoProgress,
    read_no_op,
)
from concertmaster.model import Usage
from tests.unit.agents.agent_lines import check_reading

BANNER = ["Aider v0.86.1", "Main model: gpt-5 with diff edit format", "Git repo: .git with 3 files"]
TOKENS = "Tokens: 2.5k sent, 300 received."
COST = "Cost: $0.01 message, $0.02 session."
LIMITED = [
    "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached",
    "The API provider has rate limited you. Try again later or check your quotas.",
    "Retrying in 0.2 seconds...",
]
OVERLOADED = [
    "litellm.InternalServerError: AnthropicException - Overloaded",
    "The API provider's servers are down or overloaded.",
]


def read(*lines: str, exit_ok: bool = True, exit_text: str = "exit 0") -> AgentReport:
    reader = AiderReader()
    for line in lines:
        reader.feed(f"{line}\n".encode())
    return reader.finish(exit_ok=exit_ok, exit_text=exit_text)


def test_a_good_exit_without_a_fault_is_well_and_the_diff_decides() -> None:
    report = read(*BANNER, "", "I changed it.", "Applied edit to a.py", f"{TOKENS} {COST}")

    assert (report.ok, report.reason, report.session) == (True, "", "")
    assert report.final_text.strip().endswith("I changed it.")


@pytest.mark.parametrize("exit_ok", [True, False])
def test_a_fault_that_is_left_at_the_end_is_a_failure_whatever_the_exit(exit_ok: bool) -> None:
    for fault in (LIMITED, OVERLOADED, ["litellm.AuthenticationError: bad key"]):
        report = read(*BANNER, *fault, exit_ok=exit_ok, exit_text="exit 1")
        assert not report.ok
        assert fault[0] in report.reason


def test_a_fault_after_which_the_model_answered_is_none() -> None:
    report = read(*BANNER, *LIMITED, "Here it is.", f"{TOKENS} {COST}")

    assert (report.ok, report.limited) == (True, False)
    assert read(*BANNER, f"{TOKENS} {COST}", *LIMITED).limited


def test_a_limit_is_no_overload() -> None:
    limited, overloaded = read(*LIMITED), read(*OVERLOADED)

    assert (limited.limited, limited.transient) == (True, False)
    assert (overloaded.limited, overloaded.transient) == (False, True)


def test_an_error_is_told_once_and_whole_however_often_it_was_met() -> None:
    wrapped = [
        "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your ",
        "current quota, please check your plan and billing details. For more information ",
        "on this error, read the docs: ",
        "https://platform.openai.com/docs/guides/error-codes/api-errors.",
        "The API provider has rate limited you. Try again later or check your quotas.",
        "Retrying in 0.2 seconds...",
    ]
    report = read(*BANNER, *wrapped * 9, "", "https://platform.openai.com", "done")

    assert report.reason == (
        "litellm.RateLimitError: RateLimitError: OpenAIException - You exceeded your current "
        "quota, please check your plan and billing details. For more information on this error, "
        "read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
    )
    assert (report.no_access, report.limited) == (True, False)


def test_a_token_limit_and_an_empty_answer_are_failures() -> None:
    limit = ["Model openai/gpt-4o has hit a token limit!", "Token counts below are approximate."]
    full = read(*BANNER, "", f"Tokens: 2.1k sent, 0 received. {COST}", "", *limit)
    empty_line = "Empty response received from LLM. Check your provider account?"
    empty = read(*BANNER, "", empty_line, "", f"{TOKENS} {COST}")

    assert (full.ok, full.reason) == (False, "openai/gpt-4o has hit its token limit")
    assert (empty.ok, empty.reason) == (False, empty_line)
    assert read(*BANNER, empty_line, f"{TOKENS} {COST}", "Better.", f"{TOKENS} {COST}").ok


def test_its_banner_is_no_part_of_the_answer() -> None:
    lines = ["HTTPSConnectionPool(host='x')", *BANNER, "Repo-map: using 4096 tokens, auto refresh"]
    report = read(*lines, "", "I changed it.", "Repo-map: is a word of mine.", f"{TOKENS} {COST}")

    assert report.final_text == "\nI changed it.\nRepo-map: is a word of mine.\n"


def test_it_never_waits_for_a_login_or_opens_a_browser() -> None:
    reader = AiderReader()
    with pytest.raises(NoProgress):
        reader.feed(b"No LLM model was specified and no API keys were provided.\n")

    assert reader.finish(exit_ok=False, exit_text="it was ended").no_access
    assert Aider("aider").variables(AgentRequest(text=""))["BROWSER"] == "true"


@pytest.mark.parametrize(
    ("fault", "kind"), [(LIMITED[:2], "limited"), (OVERLOADED, "transient")], ids=str
)
def test_it_is_ended_before_a_long_pause(fault: list[str], kind: str) -> None:
    reader = AiderReader()
    for seconds in ("0.2", "0.5", "1.0", "2.0"):
        for line in (*fault, f"Retrying in {seconds} seconds..."):
            reader.feed(line.encode())
    for line in fault:
        reader.feed(line.encode())
    with pytest.raises(NoProgress):
        reader.feed(b"Retrying in 4.0 seconds...\n")

    report = reader.finish(exit_ok=False, exit_text="it was ended")
    assert getattr(report, kind)
    assert report.reason == fault[0]


def test_a_model_that_speaks_of_a_pause_is_not_ended() -> None:
    assert read(*BANNER, "Retrying in 9.0 seconds...", f"{TOKENS} {COST}").ok


def test_a_bad_exit_is_a_failure() -> None:
    report = read(*BANNER, exit_ok=False, exit_text="exit 1: no such file")

    assert (report.ok, report.reason) == (False, "exit 1: no such file")


def test_its_own_cost_is_an_estimate_of_all_its_messages() -> None:
    second = "Tokens: 12k sent, 1.0k cache hit, 1.1k received."
    wrapped = ["Cost: $0.01 message,", "$0.03 session."]
    report = read(f"{TOKENS} {COST}", second, *wrapped)

    assert report.usage == Usage(
        cost_usd=0.03, input_tokens=14_500, output_tokens=1_400, is_estimated=True
    )


def test_a_model_without_a_price_has_no_cost() -> None:
    assert read(TOKENS).usage == Usage(input_tokens=2_500, output_tokens=300)
    assert read("nothing").usage == Usage()
    assert read("Cost: $1.2.3 message, $1.2.3 session.").usage.cost_usd == 0.0


def test_its_reports_are_no_last_word() -> None:
    block = ["```json", '{"no_op": "it is there"}', "```"]
    wrapped = [f"{TOKENS} Cost: $0.01 message,", "$0.03 session."]

    assert read_no_op(read(*BANNER, *block, "", f"{TOKENS} {COST}").final_text) == "it is there"
    assert read_no_op(read(*BANNER, *block, *wrapped).final_text) == "it is there"


def test_the_live_view_shows_edits_and_words() -> None:
    reader = AiderReader()

    assert reader.feed(b"Applied edit to src/a.py\n") == AgentActivity("edit", "src/a.py")
    assert reader.feed(b"\x1b[2JI think\n") == AgentActivity("", "[2JI think")
    assert reader.feed(f"{TOKENS}\n".encode()) is None


def test_its_command_line() -> None:
    argv = Aider("aider", "gpt-5").argv(AgentRequest(text="SECRET", folder="/f"))

    assert argv[:3] == ("aider", "--message-file", "/dev/stdin")
    assert {"--yes-always", "--no-auto-commits", "--no-stream", "--no-gitignore"} <= set(argv)
    assert argv[argv.index("--chat-history-file") + 1] == "/f/aider-chat"
    assert argv[-2:] == ("--model", "gpt-5")
    assert not {"SECRET", "--chat-mode"} & set(argv)


def test_a_reader_of_code_only_asks() -> None:
    argv = Aider("aider").argv(AgentRequest(text="", reads_only=True))

    assert argv[argv.index("--chat-mode") + 1] == "ask"
    assert argv[argv.index("--chat-history-file") + 1] == "/dev/null"


@given(
    st.lists(
        st.binary()
        | st.sampled_from([TOKENS, COST, *LIMITED, "Tokens: ... sent, .k received."]).map(
            str.encode
        )
    )
)
def test_no_output_whatever_breaks_it(lines: list[bytes]) -> None:
    check_reading(AiderReader(), lines)

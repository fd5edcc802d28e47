"""Settings are validated, and the sources override each other in order."""

from __future__ import annotations

import pytest

from concertmaster.errors import UsageError
from concertmaster.settings.action_inputs import ActionSettings
from concertmaster.settings.declarations import LONGEST_MODEL
from concertmaster.settings.sources import load_settings, overrule

NAME = "concertmaster.yml"


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("90s", 90), ("45m", 2700), ("1h30m", 5400), ("1h 30m", 5400), ("20", 1200), ("1.5h", 5400)],
)
def test_a_time_limit_is_written_as_everywhere_else(written: str, seconds: float) -> None:
    assert load_settings({"timeout": written}).timeout_seconds == seconds
    file = f"check_timeout: {written}\n".encode()
    assert load_settings({}, file=file, name=NAME).check_timeout_seconds == seconds


def test_a_time_limit_that_nobody_set_is_the_one_of_the_readme() -> None:
    assert load_settings({}).timeout_seconds == 45 * 60
    assert load_settings({}).check_timeout_seconds == 30 * 60


@pytest.mark.parametrize("written", ["soon", "", "0", "0m", "1m30", "-5m", "m", "1h1h"])
def test_what_is_no_time_limit_is_refused(written: str) -> None:
    with pytest.raises(UsageError, match="`timeout` cannot be"):
        load_settings({"timeout": written})


@pytest.mark.parametrize("number", ["x", "", "-1", "1.5"])
def test_what_is_no_number_of_slots_is_refused_with_what_is(number: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({"parallel": number})
    assert caught.value.why == "write a number from 1 to 256, or auto"


@pytest.mark.parametrize(
    "model", ["gpt-5.3-codex", "opus[1m]", "openrouter/x/y:free", "us.a-v1:0", "my own", ""]
)
def test_a_model_may_have_any_name_that_fits_into_a_line(model: str) -> None:
    assert load_settings({"agent_model": model}).agent_model == model


@pytest.mark.parametrize(
    "model", ["-x", "--dangerously", "a\nb", "a\x1b[31m", "a\0", "x" * (LONGEST_MODEL + 1)]
)
def test_a_model_that_is_none_is_refused(model: str) -> None:
    with pytest.raises(UsageError, match="`agent_model` cannot be") as caught:
        load_settings({"agent_model": model})
    assert "\x1b" not in caught.value.what


@pytest.mark.parametrize(
    ("options", "by", "model"),
    [
        ({"agent": "codex", "agent_model": "m"}, {}, "m"),
        ({"agent": "codex", "agent_model": "m"}, {"agent": "codex"}, "m"),
        ({"agent": "codex", "agent_model": "m"}, {"agent": "gemini"}, None),
        ({"agent": "codex", "agent_model": "m"}, {"agent": "gemini", "agent_model": "n"}, "n"),
        ({"agent": "codex", "agent_model": "m"}, {"agent_model": "n"}, "n"),
        ({"agent_model": "m"}, {"agent": "claude"}, "m"),
        ({"agent_model": "m"}, {"agent": "codex"}, None),
    ],
)
def test_a_model_is_one_of_the_agent_that_it_was_named_with(
    options: dict[str, str], by: dict[str, str], model: str | None
) -> None:
    assert overrule(options, by=by).get("agent_model") == model
    file = "".join(f"{key}: {value}\n" for key, value in options.items()).encode()
    assert load_settings(by, file=file, name=NAME).agent_model == (model or "")


def test_a_workflow_names_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INPUT_AGENT_MODEL", "gpt-5.3-codex")
    assert ActionSettings().options()["agent_model"] == "gpt-5.3-codex"


@pytest.mark.parametrize("key", ["label", "allowed_bots", "isolation"])
def test_who_may_start_a_run_is_no_matter_of_the_tree(key: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_settings({}, file=f"check: 'true'\n{key}: x\n".encode(), name="concertmaster.yml")

    assert f"set `{key}` in the workflow file" in caught.value.next_step


@pytest.mark.parametrize(
    ("written", "read"),
    [("no", "no"), ("false", "no"), ("true", "yes"), ("'on'", "yes"), ("notes/x-1", "notes/x-1")],
)
def test_memory_is_a_truth_value_or_a_branch(written: str, read: str) -> None:
    found = load_settings({}, file=f"memory: {written}".encode(), name="concertmaster.yml")
    assert found.memory == read


@pytest.mark.parametrize(
    "written",
    ["-f", "a..b", "a//b", "a b", "x.lock", "concertmaster/state", "HEAD", "a:b", ".a"],
)
def test_memory_takes_no_branch_that_git_or_a_run_reads_otherwise(written: str) -> None:
    with pytest.raises(UsageError, match="`memory` cannot be"):
        load_settings({}, file=f"memory: '{written}'".encode(), name="concertmaster.yml")

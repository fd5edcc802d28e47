"""Drives the aider command line, which prints only text and exits with 0 even when it failed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from concertmaster.agents.command import CommandReader
from concertmaster.agents.protocol import (
    REASON_LIMIT,
    Agent,
    AgentActivity,
    AgentReport,
    AgentRequest,
    NoProgress,
    OutputReader,
    activity,
    classify_report,
    number_in,
    say_reason,
)
from concertmaster.model import Usage

_ENVIRONMENT = frozenset(
    """
    OPENAI_API_KEY OPENAI_API_BASE OPENAI_BASE_URL ANTHROPIC_API_KEY GEMINI_API_KEY DEEPSEEK_API_KEY
    OPENROUTER_API_KEY AIDER_MODEL AIDER_WEAK_MODEL AIDER_EDITOR_MODEL AIDER_EDIT_FORMAT
    AIDER_ARCHITECT AIDER_REASONING_EFFORT AIDER_THINKING_TOKENS AIDER_MAP_TOKENS AIDER_TIMEOUT
    AIDER_CACHE_PROMPTS AIDER_OPENAI_API_BASE AIDER_MODEL_SETTINGS_FILE AIDER_MODEL_METADATA_FILE
    """.split()
)
# aider then asks no questions, makes no commits, does not edit `.gitignore` and fetches no URLs.
_OPTIONS = (
    "--yes-always --no-auto-commits --no-dirty-commits --no-gitignore --no-stream --no-pretty "
    "--no-fancy-input --no-suggest-shell-commands --no-detect-urls --no-check-update "
    "--no-show-release-notes --no-show-model-warnings --no-analytics"
).split()

_EDIT = re.compile(r"Applied edit to (.+)")
_TOKENS = re.compile(r"Tokens: ([\d.]+)(k?) sent,.*?([\d.]+)(k?) received\.")
_COST = re.compile(r"Cost: \$[\d.]+ message, \$([\d.]+) session\.")
_FAULT = re.compile(r"litellm\.\w+.*|The API provider.*(?:rate limited|down|authenticate).*")
_FAULT_END = re.compile(r"\s*|The API provider.*|Retrying in .*")
_RETRY = re.compile(r"Retrying in ([\d.]{1,9}) seconds\.\.\.")
_LONGEST_PAUSE_SECONDS = 2.0  # it doubles its pauses up to 32; no option of aider's bounds them
_TOKEN_LIMIT = re.compile(r"Model (\S+) has hit a token limit!")
_EMPTY = "Empty response received from LLM. Check your provider account?"
_BANNER_END = re.compile(r"Repo-map: .*")
# It would open a browser and wait there for five minutes.
_LOGIN = "No LLM model was specified and no API keys were provided."
# aider's own report lines, which it wraps at 80 characters.
_REPORTS = re.compile(r"Tokens: [\d.]+k? sent|Cost: \$\d|message, \$\d|(\$[\d.]+ )?session\.$")


@dataclass(frozen=True, slots=True)
class Aider(Agent):
    """The aider agent; `program` is its path, `model` its model. It has no sessions."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        kept = request.folder or "/dev"  # aider's history files must not land in the worktree
        return (
            *(self.program, "--message-file", "/dev/stdin"),
            *_OPTIONS,
            *("--input-history-file", f"{kept}/aider-input" if request.folder else "/dev/null"),
            *("--chat-history-file", f"{kept}/aider-chat" if request.folder else "/dev/null"),
            *(("--chat-mode", "ask") if request.reads_only else ()),
            *(("--model", self.model) if self.model else ()),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return AiderReader()

    def variables(self, request: AgentRequest) -> Mapping[str, str]:
        """Return variables that open no browser for an address, and show each line at once."""
        return {"BROWSER": "true", "PYTHONUNBUFFERED": "1"}


class AiderReader:
    """Reads the output of aider; an error that no later answer clears means failure."""

    def __init__(self) -> None:
        self._text = CommandReader()
        self._fault = ""
        self._is_in_fault = False  # aider wraps its errors
        self._is_empty = False  # the model answered with nothing
        self._has_begun = False  # the banner is over
        self._line_before = ""
        self._input_tokens = 0
        self._output_tokens = 0
        self._cost_usd: float | None = None

    def feed(self, line: bytes) -> AgentActivity | None:
        words = line.decode("utf-8", "replace").rstrip()
        if edit := _EDIT.fullmatch(words):
            return activity("edit", edit[1])
        if words == _LOGIN:
            self._fault = words
            raise NoProgress(words)
        if _BANNER_END.fullmatch(words) and not self._has_begun:
            self._has_begun, self._text = True, CommandReader()
            return None
        self._take_fault(words)
        self._take_report(words)
        self._check_pause(words)
        return None if _REPORTS.match(words) else self._text.feed(line)

    def _take_fault(self, words: str) -> None:
        """Keep the last error, without the advice and the earlier tries around it."""
        is_end = bool(_FAULT_END.fullmatch(words))
        if _FAULT.fullmatch(words) and not (is_end and self._fault):
            self._fault, self._is_in_fault = words, not is_end
        elif is_end:
            self._is_in_fault = False
        elif self._is_in_fault:
            self._fault = f"{self._fault} {words.strip()}"[: 4 * REASON_LIMIT]
        if limit := _TOKEN_LIMIT.fullmatch(words):
            self._fault, self._is_in_fault = f"{limit[1]} has hit its token limit", False
        self._is_empty |= words == _EMPTY

    def _check_pause(self, words: str) -> None:
        """Raise NoProgress for a long pause: the engine waits better, also until a limit ends."""
        pause = _RETRY.fullmatch(words)
        if pause and self._fault and _number(pause[1]) > _LONGEST_PAUSE_SECONDS:
            raise NoProgress(self._fault)

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        told = self._fault or ("" if exit_ok else exit_text)
        report = AgentReport(
            ok=not told,
            reason=say_reason(told),
            usage=Usage(
                cost_usd=self._cost_usd,
                input_tokens=self._input_tokens,
                output_tokens=self._output_tokens,
                is_estimated=self._cost_usd is not None,
            ),
            final_text=self._text.finish(exit_ok=True, exit_text="").final_text,
        )
        return classify_report(report, told)

    def _take_report(self, words: str) -> None:
        """Add the tokens of each message; the last reported cost covers the whole session."""
        if tokens := _TOKENS.match(words):
            self._fault = _EMPTY if self._is_empty else ""  # the model answered after a retry
            self._is_empty = self._is_in_fault = False
            self._input_tokens += _tokens(tokens[1], tokens[2])
            self._output_tokens += _tokens(tokens[3], tokens[4])
        if cost := _COST.search(f"{self._line_before} {words}"):
            self._cost_usd = max(self._cost_usd or 0.0, _number(cost[1]))
        self._line_before = words


def _tokens(digits: str, thousand: str) -> int:
    return int(_number(digits) * (1000 if thousand else 1))


def _number(digits: str) -> float:
    try:
        return number_in(float(digits))
    except ValueError:
        return 0.0

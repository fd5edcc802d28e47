"""Finds agents by name."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from concertmaster.agents.acp import Acp
from concertmaster.agents.aider import Aider
from concertmaster.agents.claude import Claude
from concertmaster.agents.codex import Codex
from concertmaster.agents.command import Command
from concertmaster.agents.copilot import Copilot
from concertmaster.agents.gemini import Gemini
from concertmaster.agents.opencode import Opencode
from concertmaster.agents.pi import Pi
from concertmaster.agents.protocol import Agent, find_program
from concertmaster.errors import EnvironmentFault, UsageError


@dataclass(frozen=True, slots=True)
class _AgentEntry:
    """A known agent: `make` takes program path and model, `installer` is an install command."""

    make: Callable[[str, str], Agent]
    installer: str


# The name of each agent is also the name of its program.
_CATALOG: Mapping[str, _AgentEntry] = {
    "claude": _AgentEntry(Claude, "npm install -g @anthropic-ai/claude-code"),
    "codex": _AgentEntry(Codex, "npm install -g @openai/codex"),
    "gemini": _AgentEntry(Gemini, "npm install -g @google/gemini-cli"),
    "aider": _AgentEntry(Aider, "pip install aider-chat"),
    "opencode": _AgentEntry(Opencode, "npm install -g opencode-ai"),
    "copilot": _AgentEntry(Copilot, "npm install -g @github/copilot"),
    "pi": _AgentEntry(Pi, "npm install -g @earendil-works/pi-coding-agent"),
}
KNOWN = (*_CATALOG, "acp", "command")


def find_agent(name: str, *, command: str, path: str, model: str = "") -> Agent:
    """Return the agent of this name, ready to run.

    `command` is the command of the agents `acp` and `command`, `path` the search path for programs,
    `model` the model of agents other than `command` ("" = their own default).
    Raises UsageError for an unknown name, EnvironmentFault if the program is missing.
    """
    if name == "command":
        return _make_command(command)
    if name == "acp":
        return _make_acp(command, path, model)
    if name not in _CATALOG:
        raise _unknown(name)
    entry, program = _CATALOG[name], find_program(name, path)
    if not program:
        raise EnvironmentFault(
            f"the agent {name} cannot run here",
            why=f"the program `{name}` is not on PATH; `{entry.installer}` installs it",
            next_step="install it, or use another program with --agent command "
            "--agent-command CMD: it gets the prompt on its standard input",
        )
    return entry.make(program, model)


def _make_command(command: str) -> Command:
    if not command.strip():
        raise UsageError(
            "the agent `command` has no command", next_step="give it one with --agent-command CMD"
        )
    return Command(command)


def _make_acp(command: str, path: str, model: str) -> Acp:
    example = "--agent acp --agent-command 'gemini --acp'"
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(
            "the command of the agent `acp` cannot be read", why=str(error), next_step=example
        ) from error
    if not words:
        raise UsageError(
            "the agent `acp` has no command",
            why="it stands for any program that speaks the Agent Client Protocol",
            next_step=f"name one, such as {example}",
        )
    name = Path(words[0]).name
    program = find_program(words[0], path)
    if not Path(program).is_absolute():  # a relative one would be what an agent wrote
        raise EnvironmentFault(
            "the agent acp cannot run here",
            why=f"the program `{words[0]}` of its command is not on PATH",
            next_step="install it, or name another one with --agent-command",
        )
    known = _CATALOG[name].make(program, model) if name in _CATALOG else None
    return Acp((program, *words[1:]), model=model, known=known)


def _unknown(name: str) -> UsageError:
    close = get_close_matches(name, KNOWN, n=1)
    return UsageError(
        f"there is no agent named {name}",
        why=f"did you mean {close[0]}?" if close else "",
        next_step=f"choose one of: {', '.join(KNOWN)}",
    )

"""The agents by name."""

from __future__ import annotations

from difflib import get_close_matches

from concertmaster.adapters.agents.agent import Agent
from concertmaster.adapters.agents.aider import Aider
from concertmaster.adapters.agents.claude import Claude
from concertmaster.adapters.agents.codex import Codex
from concertmaster.adapters.agents.command import Command
from concertmaster.adapters.agents.gemini import Gemini
from concertmaster.errors import EnvironmentFault, UsageError

KNOWN = ("claude", "codex", "gemini", "aider", "command")


def find_agent(name: str, *, command: str, path: str, model: str = "") -> Agent:
    """The agent of this name, ready to run.

    `command` is what the agent `command` runs, `path` the search path for programs, `model` what
    the others are told to use; "" = what they are set to.
    Raises UsageError for a name nobody knows, EnvironmentFault where the program is missing.
    """
    agent = _make_agent(name, command=command, path=path, model=model)
    why = agent.missing()
    if why:
        raise EnvironmentFault(
            f"The agent {name} cannot run here.",
            why=f"looked for {name}: {why}",
            next_step="Install it, or use another program with --agent command "
            "--agent-command CMD: it gets the prompt on its standard input.",
        )
    return agent


def _make_agent(name: str, *, command: str, path: str, model: str) -> Agent:
    match name:
        case "claude":
            return Claude(path, model)
        case "codex":
            return Codex(path, model)
        case "gemini":
            return Gemini(path, model)
        case "aider":
            return Aider(path, model)
        case "command":
            return _make_command(command)
        case _:
            raise _unknown(name)


def _make_command(command: str) -> Command:
    if not command.strip():
        raise UsageError(
            "The agent `command` has no command.", next_step="Give it one with --agent-command CMD."
        )
    return Command(command)


def _unknown(name: str) -> UsageError:
    close = get_close_matches(name, KNOWN, n=1)
    return UsageError(
        f"There is no agent named {name}.",
        why=f"did you mean {close[0]}?" if close else "",
        next_step=f"Choose one of: {', '.join(KNOWN)}.",
    )

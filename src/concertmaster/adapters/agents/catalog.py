"""The agents by name."""

from __future__ import annotations

from difflib import get_close_matches

from concertmaster.adapters.agents.agent import Agent
from concertmaster.adapters.agents.claude import Claude
from concertmaster.adapters.agents.command import Command
from concertmaster.errors import EnvironmentFault, UsageError

KNOWN = ("claude", "command")
_PLANNED = ("codex", "gemini", "aider")


def find_agent(name: str, *, command: str, path: str) -> Agent:
    """The agent of this name, ready to run.

    `command` is what the agent `command` runs, `path` the search path for programs.
    Raises UsageError for a name nobody knows, EnvironmentFault where the program is missing.
    """
    agent = _make_agent(name, command=command, path=path)
    why = agent.missing()
    if why:
        raise EnvironmentFault(
            f"The agent {name} cannot run here.",
            why=f"looked for {name}: {why}",
            next_step="Install it, or use another program with --agent command "
            "--agent-command CMD: it gets the prompt on its standard input.",
        )
    return agent


def _make_agent(name: str, *, command: str, path: str) -> Agent:
    if name == "claude":
        return Claude(path)
    if name != "command":
        raise _unknown(name)
    if not command.strip():
        raise UsageError(
            "The agent `command` has no command.", next_step="Give it one with --agent-command CMD."
        )
    return Command(command)


def _unknown(name: str) -> UsageError:
    if name in _PLANNED:
        return UsageError(
            f"The agent {name} is not there yet.",
            why=f"this version knows {' and '.join(KNOWN)}",
            next_step=f"Until then, run it with --agent command --agent-command '{name} ...'.",
        )
    close = get_close_matches(name, (*KNOWN, *_PLANNED), n=1)
    return UsageError(
        f"There is no agent named {name}.",
        why=f"did you mean {close[0]}?" if close else "",
        next_step=f"Choose one of: {', '.join(KNOWN)}.",
    )

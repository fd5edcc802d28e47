"""Refuses agents that say that they are not logged in, before they are started."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from concertmaster.agents.known_facts import FACTS, AgentFacts
from concertmaster.agents.protocol import Agent, find_program
from concertmaster.engine.agent_probe import AgentProbe
from concertmaster.errors import EnvironmentFault
from concertmaster.sandbox.supervisor import Guard


def check_logins(
    agents: Mapping[str, Agent],
    *,
    environment: Mapping[str, str],
    names: frozenset[str],
    place: Path,
    guard: Guard,
) -> None:
    """Raise EnvironmentFault if one of the agents is known to be logged out.

    The variables `names` are handed on beside those of the agent. `place` is the checkout, whose
    settings may hold a login. An agent that cannot be asked passes.
    """
    with tempfile.TemporaryDirectory() as folder:
        for name, agent in agents.items():
            facts = FACTS.get(name)
            if facts is None:
                continue
            probe = AgentProbe(
                program=find_program(name, environment.get("PATH", "")),
                agent=agent,
                environment=environment,
                guard=guard,
                place=place,
                folder=Path(folder),
                names=names,
            )
            if _is_logged_out(probe, facts):
                raise EnvironmentFault(
                    f"the agent {name} is not logged in",
                    why=_say_why(name, facts),
                    next_step=f"log in with `{facts.login}`, or set {facts.keys[0]}",
                )


class LoginMemory:
    """Knows which agents of a run are logged in; asks each once, however many slots there are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._refusals: dict[str, str] = {}

    def refusal(self, name: str, probe: AgentProbe) -> str:
        """Return why the agent cannot work, "" if it can or cannot be asked.

        The logs of the probe go to a temporary folder below its own.
        """
        facts = FACTS.get(name)
        if facts is None:
            return ""
        with self._lock:
            if name not in self._refusals:
                with tempfile.TemporaryDirectory(dir=probe.folder) as folder:
                    is_out = _is_logged_out(replace(probe, folder=Path(folder)), facts)
                words = f"{name} is not logged in: {_say_why(name, facts)}"
                self._refusals[name] = words if is_out else ""
            return self._refusals[name]


def _is_logged_out(probe: AgentProbe, facts: AgentFacts) -> bool:
    return not probe.find_key(facts) and probe.is_logged_in(facts) is False


def _say_why(name: str, facts: AgentFacts) -> str:
    return f"`{name} {' '.join(facts.status)}` says so, and {facts.keys[0]} is not set"

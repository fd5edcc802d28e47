"""Refuses a run whose agent says that it is not logged in, before anything is made."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from concertmaster.agents.known_facts import FACTS
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
            if not probe.find_key(facts) and probe.is_logged_in(facts) is False:
                key = facts.keys[0]
                raise EnvironmentFault(
                    f"the agent {name} is not logged in",
                    why=f"`{name} {' '.join(facts.status)}` says so, and {key} is not set",
                    next_step=f"log in with `{facts.login}`, or set {key}",
                )

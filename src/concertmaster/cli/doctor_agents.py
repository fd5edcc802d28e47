"""Examines the agents of this machine: which are installed, in which version, logged in or not."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from concertmaster.agents.catalog import KNOWN, find_agent
from concertmaster.agents.known_facts import FACTS, AgentFacts
from concertmaster.agents.protocol import find_program
from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.engine.agent_probe import AgentProbe
from concertmaster.errors import Error
from concertmaster.sandbox.supervisor import Guard
from concertmaster.text.display import display

_VERSION = re.compile(r"\d{1,9}\.\d{1,9}\.\d{1,9}")


def look_at_agents(
    environment: Mapping[str, str], *, place: Path, models: Mapping[str, str]
) -> Iterator[DoctorFinding]:
    """Yield a finding for each known agent, and one on all of them.

    `place` is the checkout, `models` are those that its settings choose, by agent.
    """
    found: list[str] = []
    search = environment.get("PATH", "")
    with tempfile.TemporaryDirectory() as folder, Guard() as guard:
        for name in KNOWN:
            try:
                agent = find_agent(name, command="true", path=search)
            except Error as error:
                words = error.why or error.what
                yield DoctorFinding(
                    name=f"agent {name}", is_fine=False, words=words, is_needed=False
                )
                continue
            found.append(name)
            if name in FACTS:
                probe = AgentProbe(
                    program=find_program(name, search),
                    agent=agent,
                    environment=environment,
                    guard=guard,
                    place=place,
                    folder=Path(folder),
                )
                yield _describe(name, probe, FACTS[name], model=models.get(name, ""))
    yield DoctorFinding(
        name="agents", is_fine=bool(found), words=f"can be used: {', '.join(found)}"
    )


def _describe(name: str, probe: AgentProbe, facts: AgentFacts, *, model: str) -> DoctorFinding:
    is_ok, told = probe.ask(("--version",))
    version = _VERSION.search(told) if is_ok else None
    login = _login(probe, facts)
    is_in = login != ""
    tried = _tried(version[0] if version else "", facts)
    words = f"{tried}; {login or 'not logged in'}; {_model(probe, facts, chosen=model)}"
    keys = " or ".join(facts.keys[:2])
    return DoctorFinding(
        name=f"agent {name}",
        is_fine=is_in,
        words=display(words, limit=300),
        next_step="" if is_in else f"log in with `{facts.login or name}`, or set {keys}",
        is_needed=False,
    )


def _tried(version: str, facts: AgentFacts) -> str:
    if not version:
        return "its version is not known"
    if version in facts.tried:
        return f"version {version}, which was tried with Concertmaster"
    return f"version {version}; tried were {', '.join(facts.tried)}"


def _login(probe: AgentProbe, facts: AgentFacts) -> str:
    """Return how the agent is logged in, "" if it is not."""
    if key := probe.find_key(facts):
        return f"uses {key}"
    if not facts.status:
        return "no key variable is set, so it uses its own login"
    words = {True: "logged in", False: "", None: "whether it is logged in is not known"}
    return words[probe.is_logged_in(facts)]


def _model(probe: AgentProbe, facts: AgentFacts, *, chosen: str) -> str:
    """Return which model it would use, and what chooses it."""
    if chosen:
        return f"model {chosen} by `agent_model`"
    given = probe.environment.get(facts.model, "") if facts.model else ""
    return f"model {given} by {facts.model}" if given else "the model that it is set to"

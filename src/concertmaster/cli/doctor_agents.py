"""Examines the agents of this machine: which are installed, in which version, logged in or not."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.agents.clouds import cloud_variables
from concertmaster.agents.known_facts import FACTS, AgentFacts
from concertmaster.agents.protocol import Agent, find_program
from concertmaster.agents.registry import KNOWN, find_agent
from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.errors import Error
from concertmaster.sandbox.environment import allowed_environment
from concertmaster.sandbox.supervisor import Guard
from concertmaster.text.display import display

PROBE_SECONDS = 30.0
_VERSION = re.compile(r"\d+\.\d+\.\d+")


def look_at_agents(environment: Mapping[str, str]) -> Iterator[DoctorFinding]:
    """Yield a finding for each known agent, and one on all of them."""
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
                probe = _Probe(find_program(name, search), agent, environment, guard, Path(folder))
                yield _describe(name, probe, FACTS[name])
    yield DoctorFinding(
        name="agents", is_fine=bool(found), words=f"can be used: {', '.join(found)}"
    )


@dataclass(frozen=True, slots=True)
class _Probe:
    """Runs the agent's program as a run would, with short questions."""

    program: str
    agent: Agent
    environment: Mapping[str, str]
    guard: Guard
    folder: Path

    def ask(self, arguments: Sequence[str]) -> tuple[bool, str]:
        """Return whether the program exits with 0, and what it prints."""
        names = self.agent.environment | cloud_variables(self.agent.environment, self.environment)
        lines: list[bytes] = []
        ended = self.guard.run(
            (self.program, *arguments),
            mark="doctor/agent",
            cwd=self.folder,
            env=allowed_environment(self.environment, names),
            log=self.folder / "log",
            on_line=lines.append,
            timeout_seconds=PROBE_SECONDS,
        )
        return ended.ok, b"".join(lines).decode(errors="replace")


def _describe(name: str, probe: _Probe, facts: AgentFacts) -> DoctorFinding:
    is_ok, told = probe.ask(("--version",))
    version = _VERSION.search(told) if is_ok else None
    login = _login(probe, facts)
    is_in = login != ""
    words = f"{_tried(version[0] if version else '', facts)}; {login or 'not logged in'}"
    keys = " or ".join(facts.keys[:2])
    return DoctorFinding(
        name=f"agent {name}",
        is_fine=is_in,
        words=display(words, limit=300),
        next_step="" if is_in else f"log in with `{name}`, or set {keys}",
        is_needed=False,
    )


def _tried(version: str, facts: AgentFacts) -> str:
    if not version:
        return "its version is not known"
    if version in facts.tried:
        return f"version {version}, which was tried with Concertmaster"
    return f"version {version}; tried were {', '.join(facts.tried)}"


def _login(probe: _Probe, facts: AgentFacts) -> str:
    """Return how the agent is logged in, "" if it is not."""
    given = [name for name in facts.keys if probe.environment.get(name)]
    if given:
        return f"uses {given[0]}"
    if not facts.status:
        return "no key variable is set, so it uses its own login"
    return "logged in" if probe.ask(facts.status)[0] else ""

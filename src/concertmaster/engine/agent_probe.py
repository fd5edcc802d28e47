"""Asks the program of an agent short questions, such as for its version or its login."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.agents.clouds import cloud_variables
from concertmaster.agents.error_patterns import tells_logged_out
from concertmaster.agents.known_facts import AgentFacts
from concertmaster.agents.protocol import Agent
from concertmaster.engine.logs import read_last
from concertmaster.sandbox.environment import allowed_environment
from concertmaster.sandbox.supervisor import Guard
from concertmaster.sandbox.users import Account

PROBE_SECONDS = 30.0
MOST_SETTINGS_BYTES = 1 << 20


# Where it names a provider of its own, codex needs no login and says that there is none.
_CODEX_SETTINGS = "config.toml"
_OWN_PROVIDER = "model_provider"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentProbe:
    """Runs the agent's program in `place`, with the variables of a run and those in `names`.

    Its logs are written to `folder`. With an account it runs as that user; `mark` is the start of
    the marks of its processes.
    """

    program: str
    agent: Agent
    environment: Mapping[str, str]
    guard: Guard
    place: Path
    folder: Path
    names: frozenset[str] = frozenset()
    account: Account | None = None
    mark: str = "probe"

    def ask(self, arguments: Sequence[str]) -> tuple[bool, str]:
        """Return whether the program exits with 0, and the end of what it prints."""
        return self._run(
            (self.program, *arguments), name=f"{Path(self.program).name}{arguments[0]}"
        )

    def _run(self, argv: Sequence[str], *, name: str) -> tuple[bool, str]:
        names = self.agent.environment | self.names
        names |= cloud_variables(names, self.environment)
        log = self.folder / f"{name}.log"
        ended = self.guard.run(
            argv,
            mark=f"{self.mark}/{name}",
            cwd=self.place,
            env=allowed_environment(self.environment, names),
            log=log,
            timeout_seconds=PROBE_SECONDS,
            account=self.account,
        )
        return ended.ok, read_last(log, most_bytes=MOST_SETTINGS_BYTES)

    def find_key(self, facts: AgentFacts) -> str:
        """Return the first variable that is set and is a login, "" if there is none."""
        return next((name for name in facts.keys if self.environment.get(name)), "")

    def is_logged_in(self, facts: AgentFacts) -> bool | None:
        """Return what the program itself says of its login, None if that is not clear."""
        if not facts.status:
            return None
        is_ok, words = self.ask(facts.status)
        if is_ok:
            return True
        return False if tells_logged_out(words) and not self._has_own_provider() else None

    def _has_own_provider(self) -> bool:
        home = self.environment.get("CODEX_HOME") or f"{self.environment.get('HOME', '')}/.codex"
        if Path(self.program).name != "codex":
            return False
        # The file belongs to the agent's user, so it is read as that user.
        _, settings = self._run(("cat", f"{home}/{_CODEX_SETTINGS}"), name="codex-settings")
        return _OWN_PROVIDER in settings

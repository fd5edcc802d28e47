"""Reads the variables that a workflow file gives to agents, one line `NAME=value` each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from concertmaster.errors import UsageError

VARIABLES = "INPUT_AGENT_VARIABLES"  # the input of the action
SECRETS = "AGENT_SECRETS"
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# They would change what the engine runs, or reach the files and the token of the job.
_RESERVED = re.compile(
    r"PATH|HOME|IFS|ENV|BASH_ENV|SHELLOPTS|TMPDIR|LD_.*|DYLD_.*|PYTHON.*|NODE_OPTIONS"
    r"|(GITHUB|RUNNER|ACTIONS|INPUT|GIT|CONCERTMASTER)_.*"
)


@dataclass(frozen=True, slots=True)
class AgentVariables:
    """Variables for agents; the values of `secrets` are redacted in all that leaves the job."""

    plain: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> frozenset[str]:
        return frozenset({*self.plain, *self.secrets})

    def added_to(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment with the variables, and without the two lists."""
        rest = {name: environment[name] for name in environment if name not in (VARIABLES, SECRETS)}
        return {**rest, **self.plain, **self.secrets}


def read_agent_variables(environment: Mapping[str, str]) -> AgentVariables:
    """Return the variables that the input `agent_variables` and the secret list.

    Raises UsageError for a line that is none, or that names a variable of the job; it does not
    show the value.
    """
    return AgentVariables(
        plain=_parse(environment.get(VARIABLES, ""), "the input `agent_variables`"),
        secrets=_parse(environment.get(SECRETS, ""), "the secret `agent_secrets`"),
    )


def _parse(text: str, place: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        name, sign, value = line.partition("=")
        name = name.strip()
        if not line.strip() or name.startswith("#"):
            continue
        if not sign or not _NAME.fullmatch(name):
            raise UsageError(
                f"line {number} of {place} cannot be read",
                why="it is not of the form NAME=value",
                next_step="write one variable a line, without quotes and without `export`",
            )
        if _RESERVED.fullmatch(name.upper()):
            raise UsageError(
                f"line {number} of {place} sets {name}",
                why="that variable belongs to the job",
                next_step="remove the line",
            )
        found[name] = value.strip()
    return found

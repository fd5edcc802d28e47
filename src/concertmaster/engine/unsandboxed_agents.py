"""Finds out which agents cannot have their own sandbox on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

from concertmaster.agents.error_patterns import tells_refused_sandbox
from concertmaster.agents.protocol import Agent
from concertmaster.engine.logs import last_lines
from concertmaster.sandbox.environment import allowed_environment
from concertmaster.sandbox.supervisor import Guard
from concertmaster.sandbox.users import Account, Accounts, give_ownership
from concertmaster.text.display import display

PROBE_SECONDS = 30.0


def replace_unsandboxed(
    agents: Mapping[str, Agent],
    *,
    guard: Guard,
    cache: Path,
    environment: Mapping[str, str],
    accounts: Accounts | None = None,
) -> tuple[dict[str, Agent], tuple[str, ...]]:
    """Return the agents, with their sandbox off where it does not work, and a note on each.

    The sandbox is tried as the user who would run the agent, in a folder below `cache`.
    """
    found, notes = dict(agents), list[str]()
    for name, agent in agents.items():
        probe = agent.sandbox_probe()
        if not probe:
            continue
        words = _try(probe, name, guard=guard, cache=cache, given=environment, accounts=accounts)
        if words:
            found[name] = agent.without_sandbox()
            notes.append(
                f"{name} runs without its own sandbox, which this machine refuses: {words}"
            )
    return found, tuple(notes)


def _try(
    probe: tuple[str, ...],
    name: str,
    *,
    guard: Guard,
    cache: Path,
    given: Mapping[str, str],
    accounts: Accounts | None,
) -> str:
    """Return why the sandbox is refused, "" if it works or the probe failed for another reason."""
    cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    account = Account(uid=accounts.take()) if accounts else None
    if account:
        cache.chmod(0o711)
    with tempfile.TemporaryDirectory(prefix=".probe-", dir=cache) as temporary:
        log, home = Path(temporary, "log"), Path(temporary, "home")
        home.mkdir()
        if account:
            Path(temporary).chmod(0o711)
            give_ownership(home, account.uid)
        ended = guard.run(
            probe,
            mark=f"sandbox/{name}",
            cwd=home,
            env=allowed_environment(given, ()) | {"HOME": str(home), "TMPDIR": str(home)},
            log=log,
            timeout_seconds=PROBE_SECONDS,
            account=account,
        )
        words = last_lines(log, count=1)
    is_refused = not ended.ok and tells_refused_sandbox(words)
    return display(words, limit=200) if is_refused else ""

"""Refuses a budget that cannot be held, because an agent does not tell what it costs."""

from __future__ import annotations

from collections.abc import Mapping

from concertmaster.agents.protocol import Agent
from concertmaster.errors import UsageError
from concertmaster.model import RunSettings
from concertmaster.settings.choices import UnmeasuredBudget

_OWN_PROGRAM = "command"  # its user knows that it tells nothing


def check_budget(settings: RunSettings, agents: Mapping[str, Agent]) -> tuple[str, ...]:
    """Return a note for the plan on agents whose cost no budget counts.

    Raises UsageError unless the settings allow such a budget.
    """
    silent = [name for name, agent in agents.items() if not agent.tells_cost()]
    if settings.budget_usd is None or not silent:
        return ()
    known = [name for name in silent if name != _OWN_PROGRAM]
    if known and settings.budget_unmeasured is UnmeasuredBudget.REFUSE:
        raise UsageError(
            f"the budget cannot be held: {', '.join(known)} does not tell its cost",
            why="it tells no dollars, and no price of its model is known",
            next_step="name a model that has a price with --agent-model, or run without counting "
            "with --budget-unmeasured allow",
        )
    return (f"the budget does not count the cost of {', '.join(silent)}, which is not known",)

"""Finds the agents of a plan and prepares them for this machine."""

from __future__ import annotations

from pathlib import Path

from concertmaster.agents.catalog import find_agent
from concertmaster.agents.protocol import Agent
from concertmaster.engine.login_check import check_logins
from concertmaster.engine.run_home import RunHome
from concertmaster.engine.unsandboxed_agents import replace_unsandboxed
from concertmaster.model import Plan
from concertmaster.sandbox.supervisor import Guard


def find_agents(plan: Plan, home: RunHome) -> dict[str, Agent]:
    """Return the plan's agents by name.

    Raises UsageError or EnvironmentFault for an agent that is not available.
    """
    settings, search = plan.settings, home.environment.get("PATH", "")
    names = {task.agent or settings.agent for task in plan.tasks} - {""}
    models = {settings.agent: settings.agent_model}  # one that a prompt names has its own
    return {
        name: find_agent(
            name, command=settings.agent_command, path=search, model=models.get(name, "")
        )
        for name in sorted(names)
    }


def prepare_agents(
    plan: Plan, home: RunHome, guard: Guard
) -> tuple[dict[str, Agent], tuple[str, ...]]:
    """Return every agent of the plan by name, as it can run here, and notes for the plan.

    Raises UsageError or EnvironmentFault for one that is not to be had.
    """
    return replace_unsandboxed(
        find_agents(plan, home),
        guard=guard,
        cache=home.cache,
        environment=home.environment,
        accounts=home.accounts,
    )


def refuse_logged_out(plan: Plan, home: RunHome, guard: Guard, *, checkout: Path) -> None:
    """Raise EnvironmentFault if an agent of the plan's tasks says that it is not logged in.

    Raises UsageError or EnvironmentFault for one that is not to be had.
    """
    check_logins(
        find_agents(plan, home),
        environment=home.environment,
        names=frozenset(plan.settings.agent_environment),
        place=checkout,
        guard=guard,
    )

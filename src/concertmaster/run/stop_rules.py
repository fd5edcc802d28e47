"""Decides when the budget or failing agents stop a run, or slow it."""

from __future__ import annotations

from dataclasses import replace

from concertmaster.run.state import RunState

# Failures of agents themselves in a row: first attempts run one at a time, then the run stops.
FAILURES_THAT_SLOW = 5
FAILURES_THAT_STOP = 8


def stop_if_needed(state: RunState) -> RunState:
    """Return the state, stopped if the budget is used up or if the agents themselves fail.

    When many agents in a row have failed, the cause is not in the tasks.
    """
    if state.stopped:
        return state
    return replace(state, stopped=_find_used_budget(state) or _find_failing_agents(state))


def _find_used_budget(state: RunState) -> str:
    budget, cost = state.budget_usd, state.cost_usd
    if budget is None or cost < budget:
        return ""
    return f"the budget of ${budget:.2f} is used up (${cost:.2f})"


def _find_failing_agents(state: RunState) -> str:
    if state.failures < FAILURES_THAT_STOP:
        return ""
    example = next((one.reason for one in state.tasks.values() if one.reason), "")
    return f"{state.failures} agents in a row have failed, one of them: {example}"

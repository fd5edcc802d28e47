"""Real agents that speak the Agent Client Protocol go through whole runs as the agent `acp`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.real_agents.conftest import CELL
from tests.real_agents.programs import REAL_AGENTS, RealAgent
from tests.real_agents.runs import Case, play
from tests.real_agents.server import Fault
from tests.real_agents.test_outcomes import Outcome, check

pytestmark = pytest.mark.agents
SPEAKERS = [agent for agent in REAL_AGENTS if agent.acp]
# Implement, review, mend, review; gemini starts twice where it lost the session, as it
# overwrites one that it loads in the minute in which it was begun.
PHASES = "implement,review"
MOST_STARTS = 4 + 2
CASES = {
    "acp: a requested change": (
        Case(tasks=["WRITE t0.txt := hello\nREJECT_ONCE"], phases=PHASES, by_acp=True),
        Outcome(state="landed", attempt="succeeded", most_starts=MOST_STARTS),
    ),
    "acp: bad key": (
        Case(tasks=["WRITE t0.txt := hello"], fault=Fault(kind="bad_key"), by_acp=True),
        Outcome(state="waiting", attempt="no_access", most_starts=1, words="no access"),
    ),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("speaker", SPEAKERS, ids=lambda agent: agent.name)
def test_an_agent_of_the_protocol_comes_to_the_right_end(
    speaker: RealAgent,
    case: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    played, wanted = CASES[case]

    result = play(speaker, played, tmp_path)

    record_property(CELL, (case, speaker.name, f"{result.outcome}, {result.seconds:.0f} s"))
    check(result, wanted)

"""Makes the words of a task's commit of the last message of its agent."""

from __future__ import annotations

from concertmaster.agents.protocol import AgentReport
from concertmaster.commands import RunPhase
from concertmaster.engine.run_context import RunContext
from concertmaster.git.commit_body import inert_body

_PROGRAM = "command"  # an agent whose output is a log and no message


def describe_work(context: RunContext, command: RunPhase, report: AgentReport) -> str:
    """Return what the agent says that it did, for the commit; "" if it says nothing.

    It holds nothing that looks like a secret: commits cannot be redacted later, and other jobs
    compare the commit with the redacted results.
    """
    if (command.task.agent or context.plan.settings.agent) == _PROGRAM:
        return ""
    said = inert_body(context.redact(report.final_text))
    return said if context.redact(said) == said else ""

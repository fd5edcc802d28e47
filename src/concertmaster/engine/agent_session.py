"""What is said to an agent in a phase, and what comes back of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from concertmaster.agents.answers import UnreadableAnswer
from concertmaster.agents.protocol import AgentReport, AgentRequest
from concertmaster.commands import RunPhase
from concertmaster.engine.logs import last_lines
from concertmaster.engine.phase_failure import PhaseFailure, outcome_of
from concertmaster.engine.run_context import RunContext
from concertmaster.model import Outcome, Phase, Usage
from concertmaster.sandbox.exit_status import Exit
from concertmaster.text.display import duration
from concertmaster.worktrees.worktree import Worktree

Tell = Callable[[str, str], None]
T = TypeVar("T")
# The command lines have tried again themselves by then.
TRANSIENT_WAITS_SECONDS = (2.0, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentQuestion:
    """What an agent is asked; `is_fresh` = in a conversation of its own, `reads_only` = it may
    change nothing, `schema` of the JSON that it answers with, where it can be held to one."""

    text: str
    is_fresh: bool = False
    reads_only: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class UsageTotal:
    """What agents have used, whatever becomes of their work."""

    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSession:
    """One phase's talk with its agent. `tell` gets what the agent does: task id and words."""

    context: RunContext
    command: RunPhase
    worktree: Worktree
    tell: Callable[[str, str], None]
    bill: UsageTotal = field(default_factory=UsageTotal)

    def ask(self, question: AgentQuestion, *, session: str = "") -> AgentReport:
        """The agent's report. Raises Failure where it failed."""
        report, ended = self._ask_patiently(question, session=session)
        if report.ok:
            return report
        reason = report.reason if report.limited else f"the agent failed: {report.reason}"
        outcome = Outcome.LIMITED if report.limited else outcome_of(ended)
        raise PhaseFailure(
            outcome,
            reason,
            agent_failed=outcome in (Outcome.FAILED, Outcome.LOST),
            resumes_at=report.limited_until or 0.0,
            session="" if question.is_fresh else report.session,
        )

    def ask_for(
        self,
        question: AgentQuestion,
        read: Callable[[AgentReport], T],
        *,
        otherwise: str,
        session: str = "",
    ) -> tuple[T, AgentReport]:
        """What `read` finds in the answer; where it raises Unreadable the agent is asked once more.

        Raises Failure, which begins with the words of `otherwise` where that did not help either.
        """
        report = self.ask(question, session=session)
        try:
            return read(report), report
        except UnreadableAnswer as problem:
            again = self._ask_again(question, report, problem)
        try:
            return read(again), again
        except UnreadableAnswer as problem:
            reason = f"{otherwise}: {problem}"
            raise PhaseFailure(Outcome.FAILED, reason) from problem

    def _ask_again(
        self, question: AgentQuestion, first: AgentReport, problem: UnreadableAnswer
    ) -> AgentReport:
        text = self.say("again", evidence=str(problem))
        if not first.session:
            text = f"{question.text}\n\n{text}"
        asked = replace(question, text=text)
        return self.ask(asked, session=first.session)

    def _ask_patiently(self, question: AgentQuestion, *, session: str) -> tuple[AgentReport, Exit]:
        """Overload and broken connections pass; a session that is gone is begun anew."""
        waits = iter(TRANSIENT_WAITS_SECONDS)
        while True:
            report, ended = self._ask_once(question, session=session)
            if report.session_missing and session:
                session = ""
            elif report.transient and (seconds := next(waits, None)) is not None:
                session = report.session or session
                self._wait(seconds, report.reason)
            else:
                return report, ended

    def _wait(self, seconds: float, reason: str) -> None:
        task, attempt = self.command.task.id, self.command.attempt
        self.tell(task, f"tries again in {duration(seconds)}: {reason}")
        self.context.guard.wait(seconds, mark=self.context.mark(task, attempt))

    def _ask_once(self, question: AgentQuestion, *, session: str) -> tuple[AgentReport, Exit]:
        context, command, worktree = self.context, self.command, self.worktree
        settings = context.plan.settings
        agent = context.agents[command.task.agent or settings.agent]
        task = command.task.id
        request = AgentRequest(
            text=question.text,
            session=session,
            reads_only=question.reads_only,
            schema=question.schema,
            folder=str(worktree.temporary),
        )
        _write_schema(request)
        reader = agent.reader(request)

        def read(line: bytes) -> None:
            activity = reader.feed(line)
            if activity:
                self.tell(task, f"{activity.tool} {activity.subject}".strip())

        name = "review" if command.phase is Phase.REVIEW else "transcript"
        log = context.attempt_folder(task, command.attempt) / f"{name}.jsonl"
        ended = context.guard.run(
            agent.argv(request),
            mark=context.mark(task, command.attempt),
            cwd=worktree.files,
            env=context.environment_in(worktree, *agent.environment, *settings.agent_environment),
            stdin=request.text.encode("utf-8", "replace"),
            log=log,
            on_line=read,
            timeout_seconds=settings.timeout_seconds,
            account=worktree.account,
        )
        words = "" if ended.ok else last_lines(log.with_suffix(".stderr"), count=1)
        ending = f"{ended.describe()}: {words}" if words else ended.describe()
        report = reader.finish(exit_ok=ended.ok, exit_text=ending)
        self.bill.usage += report.usage
        return report, ended

    def say(self, name: str, *, evidence: str = "", **more: str) -> str:
        """The template of this name, filled for the task."""
        command, context = self.command, self.context
        return context.template(name).fill(
            check=command.task.check or context.plan.settings.check,
            evidence=evidence,
            prompt=command.task.prompt,
            text=context.prompt_text(command.task.blob),
            **more,
        )


def _write_schema(request: AgentRequest) -> None:
    """The folder is the agent's own too, so what lies there is replaced, never written through."""
    if request.schema_file:
        file = Path(request.schema_file)
        file.unlink(missing_ok=True)
        with file.open("x", encoding="utf-8") as written:
            json.dump(dict(request.schema), written)
        file.chmod(0o644)  # an agent may run as another user

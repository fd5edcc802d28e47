"""What is said to an agent in a phase, and what comes back of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from concertmaster.adapters.agents.agent import Report, Request
from concertmaster.adapters.process import Exit
from concertmaster.adapters.worktree import Worktree
from concertmaster.core.command import RunPhase
from concertmaster.core.model import Outcome, Phase, Usage
from concertmaster.core.review import Unreadable
from concertmaster.core.text import duration
from concertmaster.engine.failure import Failure, outcome_of
from concertmaster.engine.site import Site, last_lines

Tell = Callable[[str, str], None]
T = TypeVar("T")
# The command lines have tried again themselves by then.
TRANSIENT_WAITS_SECONDS = (2.0, 20.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What an agent is asked; `is_fresh` = in a conversation of its own, `reads_only` = it may
    change nothing, `schema` of the JSON that it answers with, where it can be held to one."""

    text: str
    is_fresh: bool = False
    reads_only: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Bill:
    """What agents have used, whatever becomes of their work."""

    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """One phase's talk with its agent. `tell` gets what the agent does: task id and words."""

    site: Site
    command: RunPhase
    worktree: Worktree
    tell: Callable[[str, str], None]
    bill: Bill = field(default_factory=Bill)

    def ask(self, question: Question, *, session: str = "") -> Report:
        """The agent's report. Raises Failure where it failed."""
        report, ended = self._ask_patiently(question, session=session)
        if report.ok:
            return report
        reason = report.reason if report.limited else f"the agent failed: {report.reason}"
        outcome = Outcome.LIMITED if report.limited else outcome_of(ended)
        raise Failure(
            outcome,
            reason,
            agent_failed=outcome in (Outcome.FAILED, Outcome.LOST),
            resumes_at=report.limited_until or 0.0,
            session="" if question.is_fresh else report.session,
        )

    def ask_for(
        self,
        question: Question,
        read: Callable[[Report], T],
        *,
        otherwise: str,
        session: str = "",
    ) -> tuple[T, Report]:
        """What `read` finds in the answer; where it raises Unreadable the agent is asked once more.

        Raises Failure, which begins with the words of `otherwise` where that did not help either.
        """
        report = self.ask(question, session=session)
        try:
            return read(report), report
        except Unreadable as problem:
            again = self._ask_again(question, report, problem)
        try:
            return read(again), again
        except Unreadable as problem:
            reason = f"{otherwise}: {problem}"
            raise Failure(Outcome.FAILED, reason) from problem

    def _ask_again(self, question: Question, first: Report, problem: Unreadable) -> Report:
        text = self.say("again", evidence=str(problem))
        if not first.session:
            text = f"{question.text}\n\n{text}"
        asked = replace(question, text=text)
        return self.ask(asked, session=first.session)

    def _ask_patiently(self, question: Question, *, session: str) -> tuple[Report, Exit]:
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
        self.site.guard.wait(seconds, mark=self.site.mark(task, attempt))

    def _ask_once(self, question: Question, *, session: str) -> tuple[Report, Exit]:
        site, command, worktree = self.site, self.command, self.worktree
        settings = site.plan.settings
        agent = site.agents[command.task.agent or settings.agent]
        task = command.task.id
        request = Request(
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
        log = site.attempt_folder(task, command.attempt) / f"{name}.jsonl"
        ended = site.guard.run(
            agent.argv(request),
            mark=site.mark(task, command.attempt),
            cwd=worktree.files,
            env=site.environment_in(worktree, *agent.environment, *settings.agent_environment),
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
        command, site = self.command, self.site
        return site.template(name).fill(
            check=command.task.check or site.plan.settings.check,
            evidence=evidence,
            prompt=command.task.prompt,
            text=site.prompt_text(command.task.blob),
            **more,
        )


def _write_schema(request: Request) -> None:
    """The folder is the agent's own too, so what lies there is replaced, never written through."""
    if request.schema_file:
        file = Path(request.schema_file)
        file.unlink(missing_ok=True)
        with file.open("x", encoding="utf-8") as written:
            json.dump(dict(request.schema), written)
        file.chmod(0o644)  # an agent may run as another user

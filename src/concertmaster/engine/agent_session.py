"""Talks to the agent of a phase: runs it, retries transient failures, sums up its usage."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from concertmaster.agents.answers import UnreadableAnswer
from concertmaster.agents.clouds import cloud_variables
from concertmaster.agents.protocol import (
    Agent,
    AgentReport,
    AgentRequest,
    NoProgress,
    OutputReader,
    find_program,
)
from concertmaster.commands import RunPhase
from concertmaster.engine.agent_probe import AgentProbe
from concertmaster.engine.logs import last_lines
from concertmaster.engine.phase_failure import PhaseFailure, outcome_of
from concertmaster.engine.run_context import RunContext
from concertmaster.landing.path_policy import RunPlace
from concertmaster.model import Outcome, Usage
from concertmaster.sandbox.exit_status import Exit
from concertmaster.settings.choices import Phase
from concertmaster.text.display import duration
from concertmaster.worktrees.worktree import Worktree

Tell = Callable[[str, str], None]
T = TypeVar("T")
# The agents' CLIs have retried by themselves before they report a transient failure.
TRANSIENT_WAITS_SECONDS = (2.0, 20.0)
_NO_ACCESS = "the agent has no access to its model"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentQuestion:
    """A question to an agent.

    `anew` is its text where the session to go on with is gone, "" for the same text. `is_fresh`
    asks in a session of its own; `reads_only` forbids changes; `schema` is that of the JSON answer,
    for agents that support one.
    """

    text: str
    anew: str = ""
    is_fresh: bool = False
    reads_only: bool = False
    schema: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class UsageTotal:
    """The running total of what the agents of one phase have used, also in failed calls."""

    usage: Usage = Usage()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSession:
    """The exchange of a phase with its agent; `tell` gets the agent's activity and its task id."""

    context: RunContext
    command: RunPhase
    worktree: Worktree
    tell: Callable[[str, str], None]
    bill: UsageTotal = field(default_factory=UsageTotal)

    def ask(self, question: AgentQuestion, *, session: str = "") -> AgentReport:
        """Return the agent's report. Raises PhaseFailure if the agent failed."""
        report, ended = self._ask_patiently(question, session=session)
        if report.ok:
            return report
        outcome, reason = _judge(report, ended)
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
        """Return the answer as `read` parses it, and the report.

        The agent is asked once more if `read` raises UnreadableAnswer. Raises PhaseFailure; its
        reason starts with `otherwise` if the second answer cannot be read either.
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
        """Retry overload and broken connections, and start anew if the session is gone."""
        waits = iter(TRANSIENT_WAITS_SECONDS)
        while True:
            report, ended = self._ask_once(question, session=session)
            if report.session_missing and session:
                session, question = "", replace(question, text=question.anew or question.text)
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
        settings = self.context.plan.settings
        name = self.command.task.agent or settings.agent
        agent = self.context.agents[name]
        with self._environment(agent) as environment:
            self._check_login(name, agent, environment)
            request = AgentRequest(
                text=question.text,
                session=session,
                reads_only=question.reads_only,
                schema=question.schema,
                folder=str(self.worktree.temporary),
                environment=environment,
            )
            _write_schema(request)
            reader = agent.reader(request)
            ended, ending = self._run(agent, request, reader)
        report = reader.finish(exit_ok=ended.ok, exit_text=ending)
        self.bill.usage += report.usage
        return report, ended

    def _check_login(self, name: str, agent: Agent, environment: Mapping[str, str]) -> None:
        """Raise PhaseFailure if the agent says that it is not logged in.

        It is asked where it would work, as the setup of an attempt may have logged it in. On a
        machine of the user the command has asked before.
        """
        context, worktree = self.context, self.worktree
        if context.place is not RunPlace.GITHUB:
            return
        asked = AgentProbe(
            program=find_program(name, environment.get("PATH", "")),
            agent=agent,
            environment=environment,
            guard=context.guard,
            place=worktree.files,
            folder=context.folder,
            names=frozenset(environment),
            account=worktree.account,
            mark=context.mark(self.command.task.id, self.command.attempt),
        )
        refusal = context.logins.refusal(name, asked)
        worktree.close_to_others()
        if refusal:
            raise PhaseFailure(Outcome.NO_ACCESS, f"{_NO_ACCESS}: {refusal}")

    def _environment(self, agent: Agent) -> AbstractContextManager[dict[str, str]]:
        """Return the environment of the agent, with the files that it names at hand."""
        context, worktree = self.context, self.worktree
        names = {*agent.environment, *context.plan.settings.agent_environment}
        names |= context.agent_names
        names |= cloud_variables(names, context.environment)
        return context.variables_in(worktree, *names)

    def _run(self, agent: Agent, request: AgentRequest, reader: OutputReader) -> tuple[Exit, str]:
        """Run the agent's process; how it ended, and the same in words."""
        context, command, worktree = self.context, self.command, self.worktree
        task = command.task.id

        def read(line: bytes) -> None:
            activity = reader.feed(line)
            if activity:
                self.tell(task, f"{activity.tool} {activity.subject}".strip())

        name = "review" if command.phase is Phase.REVIEW else "transcript"
        log = context.attempt_folder(task, command.attempt) / f"{name}.jsonl"
        try:
            with self._watching():
                ended = context.run_in(
                    worktree,
                    agent.argv(request),
                    mark=context.mark(task, command.attempt),
                    env={**request.environment, **agent.variables(request)},
                    stdin=request.text.encode("utf-8", "replace"),
                    log=log,
                    on_line=read,
                    timeout_seconds=context.plan.settings.timeout_seconds,
                )
        except NoProgress:
            return Exit(code=1), "it was ended, as it only waited"
        words = "" if ended.ok else last_lines(log.with_suffix(".stderr"), count=1)
        return ended, f"{ended.describe()}: {words}" if words else ended.describe()

    def _watching(self) -> AbstractContextManager[None]:
        """Return the context in which what the agent changes is observed."""
        observer = self.context.observer
        return observer.watching(self.command, self.worktree.files) if observer else nullcontext()

    def say(self, name: str, *, evidence: str = "", **more: str) -> str:
        """Return the template of this name, filled for the task."""
        command, context = self.command, self.context
        return context.template(name).fill(
            check=command.task.check or context.plan.settings.check,
            evidence=evidence,
            prompt=command.task.prompt,
            text=context.prompt_text(command.task.blob),
            **more,
        )


def _judge(report: AgentReport, ended: Exit) -> tuple[Outcome, str]:
    """What a failed report means for the attempt, and why in words."""
    if report.limited:
        return Outcome.LIMITED, report.reason
    if report.no_access:
        return Outcome.NO_ACCESS, f"{_NO_ACCESS}: {report.reason}"
    return outcome_of(ended), f"the agent failed: {report.reason}"


def _write_schema(request: AgentRequest) -> None:
    """Write the schema file of the request.

    The agent can write in the same folder, so an existing file is replaced and no link is followed.
    """
    if request.schema_file:
        file = Path(request.schema_file)
        file.unlink(missing_ok=True)
        with file.open("x", encoding="utf-8") as written:
            json.dump(dict(request.schema), written)
        file.chmod(0o644)  # an agent may run as another user

"""Asks an agent that can only read about one prompt, without making a run."""

from __future__ import annotations

import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from concertmaster.commands import RunPhase
from concertmaster.engine.agent_session import AgentQuestion, AgentSession
from concertmaster.engine.local_run import LocalRun, make_context
from concertmaster.engine.phase_failure import PhaseFailure
from concertmaster.engine.prepare_agents import prepare_agents, refuse_logged_out
from concertmaster.engine.run_context import PROMPTS, RunContext
from concertmaster.engine.run_home import RunHome
from concertmaster.errors import Error, Stopped
from concertmaster.files import run_folder
from concertmaster.git.our_branches import PREFIX
from concertmaster.git.repository import Repository
from concertmaster.model import Outcome, Plan, Prompt, Task, Usage
from concertmaster.planning.checkout import PlanRequest, read_checkout
from concertmaster.planning.run_settings import keep_settings
from concertmaster.prompts.parser import task_id
from concertmaster.report.summary import cost
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.choices import Phase
from concertmaster.worktrees.owner import discard_attempt

T = TypeVar("T")
_BLOB = "prompt"
_HIDEOUT = ".split-"
_ENDING = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptQuestion(Generic[T]):
    """A question about a prompt.

    `verb` is what the agent does with it, and the name of the template. `read` returns the answer
    in its last words, or raises UnreadableAnswer.
    """

    verb: str
    schema: Mapping[str, Any]
    read: Callable[[str], T]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAsker:
    """Asks the agent of a request, in a worktree that is thrown away."""

    asked: PlanRequest
    repository: Repository
    home: RunHome
    guard: Guard

    def ask(self, prompt: Prompt, data: bytes, question: PromptQuestion[T]) -> tuple[T, Usage]:
        """Return the answer and what it took. `data` is the content of the prompt file.

        Raises UsageError or EnvironmentFault before an agent starts, Stopped at a usage limit, and
        Error if the agent failed or its answer cannot be read.
        """
        plan = _plan(prompt, self.asked, self.repository, verb=question.verb)
        agents, _ = prepare_agents(plan, self.home, self.guard)
        refuse_logged_out(plan, self.home, self.guard, checkout=self.repository.root)
        with _temporary_folder(self.home) as temporary:
            inside = replace(self.home, cache=temporary / "attempts")
            run = LocalRun(repository=self.repository, folder=temporary / "run")
            context = make_context(plan, run, inside, guard=self.guard, agents=agents)
            (context.folder / PROMPTS).mkdir()
            (context.folder / PROMPTS / _BLOB).write_bytes(data)
            return _ask(context, prompt, question)


def _plan(prompt: Prompt, asked: PlanRequest, repository: Repository, *, verb: str) -> Plan:
    """Return a plan of one task, which only reads. It never becomes a run."""
    base = repository.resolve(asked.base or "HEAD")
    checkout = read_checkout(repository, base, target="", options=asked.options)
    checkout.refuse_agents()
    task = Task(
        id=task_id(prompt.path),
        prompt=prompt.path,
        blob=_BLOB,
        title=prompt.title,
        estimate_seconds=0.0,
    )
    frozen = keep_settings(checkout.settings)
    run = f"{verb}-{secrets.token_hex(4)}"
    return Plan(run=run, base=base, target="", slots=1, settings=frozen, tasks=(task,))


@contextmanager
def _temporary_folder(home: RunHome) -> Iterator[Path]:
    """Yield a temporary folder that is removed, even after an interrupt or a signal to end.

    It lies among the attempts, below a folder that other users cannot write to. Runs leave it
    alone, because its name is that of a draft. Folders that a killed process left are removed
    first.
    """
    home.cache.mkdir(parents=True, exist_ok=True, mode=0o700)
    for left in home.cache.glob(f"{_HIDEOUT}*"):
        if (left / "lock").exists() and not run_folder.is_locked(left):
            with suppress(OSError):  # another process removed it first
                discard_attempt(left)
    with (
        _interrupts(),
        tempfile.TemporaryDirectory(prefix=_HIDEOUT, dir=home.cache) as name,
        run_folder.lock_run(Path(name)),
    ):
        yield Path(name)


@contextmanager
def _interrupts() -> Iterator[None]:
    """Treat SIGHUP and SIGTERM as Ctrl-C. A second signal does not interrupt the clean-up."""
    before = {number: signal.getsignal(number) for number in _ENDING}
    taken = [number for number in _ENDING if before[number] is not signal.SIG_IGN]

    def interrupt(*_: object) -> NoReturn:
        for number in taken:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, before[number])


def _ask(context: RunContext, prompt: Prompt, question: PromptQuestion[T]) -> tuple[T, Usage]:
    (task,) = context.plan.tasks
    command = RunPhase(task=task, attempt=1, phase=Phase.RESEARCH, base=context.plan.base)
    worktree = context.worktrees.create(
        context.plan.base, task=task.id, attempt=1, branch=f"{PREFIX}{question.verb}"
    )
    talk = AgentSession(context=context, command=command, worktree=worktree, tell=_ignore_activity)
    try:
        answer, _ = talk.ask_for(
            AgentQuestion(
                text=talk.say(question.verb), is_fresh=True, reads_only=True, schema=question.schema
            ),
            lambda report: question.read(report.final_text),
            otherwise="its answer cannot be read",
        )
    except PhaseFailure as failure:
        raise _explain(failure, prompt.path, question.verb, talk.bill.usage) from failure
    finally:
        context.worktrees.remove(worktree.folder)
    return answer, talk.bill.usage


def _ignore_activity(task: str, activity: str) -> None:
    """Ignore the activity of the agent."""


def _explain(failure: PhaseFailure, path: str, verb: str, usage: Usage) -> Error:
    price = cost(usage)
    why = f"{failure.reason} (it cost {price})" if price else failure.reason
    if failure.outcome is Outcome.LIMITED:
        ends = time.strftime("%H:%M", time.localtime(failure.resumes_at))
        when = f"after {ends}" if failure.resumes_at else "later"
        next_step = f"give the command again {when}; nothing was written"
        return Stopped("the agent has met a usage limit", why=why, next_step=next_step)
    return Error(
        f"the agent did not {verb} {path}",
        why=why,
        next_step="give the command again, or use another agent; nothing was written",
    )

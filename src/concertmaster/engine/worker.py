"""A slot's work: one phase of one attempt, from command to event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from concertmaster.adapters.agents.agent import Report, Request, read_no_op
from concertmaster.adapters.process import Exit
from concertmaster.adapters.run_repository import Conflict
from concertmaster.adapters.worktree import Snapshot, Worktree
from concertmaster.core import message, policy
from concertmaster.core.command import RunPhase
from concertmaster.core.events import PhaseFailed, PhaseFinished
from concertmaster.core.model import Built, Outcome, Phase, Usage
from concertmaster.engine.merging import build_base
from concertmaster.engine.site import Site, describe_failure, last_lines
from concertmaster.errors import Error
from concertmaster.templates import fill

Tell = Callable[[str, str], None]
Answer = PhaseFinished | PhaseFailed


# A folder that is gone is the attempt's misfortune; a disk that is full is the run's.
_BROKEN_BY_AN_AGENT = (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError)


class Failure(Exception):
    """A phase did not meet its exit condition; the arguments are those of PhaseFailed."""

    def __init__(
        self,
        outcome: Outcome,
        reason: str,
        *,
        saved: str = "",
        unsaved: bool = False,
        usage: Usage = Usage(),
    ) -> None:
        super().__init__(reason)
        self.outcome = outcome
        self.reason = reason
        self.saved = saved
        self.unsaved = unsaved
        self.usage = usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """Performs phases. `tell` gets what an agent does while it does it: task id and words."""

    site: Site
    tell: Tell

    def perform(self, command: RunPhase) -> Answer:
        """Run the phase; whatever goes wrong with it is an event as well."""
        began = time.monotonic()
        try:
            answer = _PHASES[command.phase](self, command)
        except Failure as failure:
            answer = self._failed(command, failure)
        except (Error, *_BROKEN_BY_AN_AGENT) as error:
            why = f": {error.why}" if isinstance(error, Error) and error.why else ""
            is_there = command.folder != "" and Path(command.folder).exists()
            lost = Failure(Outcome.LOST, f"{error}{why}", unsaved=is_there)
            answer = self._failed(command, lost)
        return replace(answer, seconds=time.monotonic() - began)

    def _failed(self, command: RunPhase, failure: Failure) -> PhaseFailed:
        return PhaseFailed(
            task=command.task.id,
            attempt=command.attempt,
            phase=command.phase,
            seconds=0.0,
            outcome=failure.outcome,
            reason=failure.reason,
            saved=failure.saved,
            unsaved=failure.unsaved,
            notes=self._half_done_notes(command) if command.redo else (),
            usage=failure.usage,
        )

    def _finished(self, command: RunPhase) -> PhaseFinished:
        return PhaseFinished(
            task=command.task.id, attempt=command.attempt, phase=command.phase, seconds=0.0
        )

    # --- prepare -------------------------------------------------------------------------------

    def prepare(self, command: RunPhase) -> Answer:
        """A worktree at the base, made usable by the repository's setup."""
        base, merged, notes = self._make_base(command)
        worktree = self._make_worktree(command, base)
        finished = self._finished(command)
        return replace(
            finished, checkpoint=base, folder=str(worktree.folder), built_on=merged, notes=notes
        )

    def _make_base(self, command: RunPhase) -> tuple[str, tuple[Built, ...], tuple[str, ...]]:
        """The run's base plus the wanted changes; a change that may be dropped is, with a note."""
        plan, task = self.site.plan, command.task.id
        base, merged, notes = plan.base, list[Built](), list[str]()
        for built in sorted(command.wanted, key=lambda b: b.task not in command.required):
            result = build_base(
                self.site.objects,
                plan.base,
                (*merged, built),
                task=task,
                made_at=plan.settings.made_at,
            )
            if not isinstance(result, Conflict):
                base = result
                merged.append(built)
            elif built.task in command.required:
                paths = ", ".join(result.paths)
                reason = f"the changes it needs do not merge: {built.task} conflicts in {paths}"
                raise Failure(Outcome.REFUSED, reason)
            else:
                notes.append(f"not built on {built.task}, which does not merge into the base")
        return base, tuple(merged), tuple(notes)

    def _make_worktree(self, command: RunPhase, commit: str) -> Worktree:
        worktree = self.site.worktrees.create(
            commit,
            task=command.task.id,
            attempt=command.attempt,
            branch=f"concertmaster/{self.site.plan.run}/{command.task.id}",
            name=Path(command.folder).name,
        )
        if self.site.plan.settings.setup:
            self._set_up(command, worktree)
        return worktree

    def _set_up(self, command: RunPhase, worktree: Worktree) -> None:
        log = self._folder(command) / "setup.log"
        setup = self.site.plan.settings.setup
        mark = self._mark(command)
        ended = self.site.run_shell(setup, worktree, mark=mark, log=log)
        if not ended.ok:
            worktree.remove()
            raise Failure(_outcome(ended), describe_failure(f"setup `{setup}`", ended, log))

    # --- implement -----------------------------------------------------------------------------

    def implement(self, command: RunPhase) -> Answer:
        """The agent does the task; its evidence is a difference, or a reasoned no-op."""
        worktree, notes = self._enter(command)
        report, ended = self._run_agent(command, worktree)
        snapshot = self._snapshot(command, worktree)
        changed = snapshot.tree != self.site.objects.tree(command.checkpoint)
        if not report.ok:
            raise Failure(
                Outcome.LIMITED if report.limited else _outcome(ended),
                report.reason if report.limited else f"the agent failed: {report.reason}",
                saved=snapshot.commit if changed else "",
                usage=report.usage,
            )
        no_op = "" if changed else read_no_op(report.final_text)
        if not changed and not no_op:
            reason = "the agent ended without changing anything, and without saying why"
            raise Failure(Outcome.FAILED, reason, usage=report.usage)
        return replace(
            self._finished(command),
            checkpoint=snapshot.commit if changed else "",
            no_op=no_op,
            notes=(*notes, *snapshot.notes),
            session=report.session,
            usage=report.usage,
        )

    def _run_agent(self, command: RunPhase, worktree: Worktree) -> tuple[Report, Exit]:
        agent = self.site.agents[command.task.agent or self.site.plan.settings.agent]
        reader = agent.reader()

        def read(line: bytes) -> None:
            activity = reader.feed(line)
            if activity:
                self.tell(command.task.id, f"{activity.tool} {activity.subject}".strip())

        log = self._folder(command) / "transcript.jsonl"
        request = Request(text=self._prompt(command), session=command.session)
        ended = self.site.guard.run(
            agent.argv(request),
            mark=self._mark(command),
            cwd=worktree.files,
            env=self.site.environment_in(
                worktree, *agent.environment, *self.site.plan.settings.agent_environment
            ),
            stdin=request.text.encode("utf-8", "replace"),
            log=log,
            on_line=read,
            timeout_seconds=self.site.plan.settings.timeout_seconds,
            account=worktree.account,
        )
        words = "" if ended.ok else last_lines(log.with_suffix(".stderr"), count=1)
        ending = f"{ended.describe()}: {words}" if words else ended.describe()
        return reader.finish(exit_ok=ended.ok, exit_text=ending), ended

    def _prompt(self, command: RunPhase) -> str:
        task, evidence = command.task, ""
        if command.evidence:
            evidence = f"\nAn earlier attempt at this task failed: {command.evidence}\n"
        return fill(
            "implement.md",
            check=task.check or self.site.plan.settings.check,
            evidence=evidence,
            prompt=task.prompt,
            text=self.site.prompt_text(task.blob),
        )

    # --- test and deliver ----------------------------------------------------------------------

    def test(self, command: RunPhase) -> Answer:
        """The check's exit status decides."""
        worktree, notes = self._enter(command)
        log = self._folder(command) / "check.log"
        check = command.task.check or self.site.plan.settings.check
        mark = self._mark(command)
        ended = self.site.run_shell(check, worktree, mark=mark, log=log)
        if not ended.ok:
            reason = describe_failure(f"check `{check}`", ended, log)
            raise Failure(_outcome(ended), reason, saved=command.checkpoint)
        return replace(self._finished(command), notes=notes)

    def deliver(self, command: RunPhase) -> Answer:
        """The one commit that may land, if the path policy lets it."""
        plan, objects, task = self.site.plan, self.site.objects, command.task
        judgement = policy.judge(
            objects.changes(command.base, command.checkpoint),
            place=self.site.place,
            protected=plan.settings.protected,
            prompts=[one.prompt for one in plan.tasks],
            touches=task.touches,
        )
        if judgement.refused:
            reason = "; ".join(judgement.refused)
            raise Failure(Outcome.REFUSED, reason, saved=command.checkpoint)
        head = objects.commit(
            objects.tree(command.checkpoint),
            parents=(command.base,),
            message=message.task_message(
                task.title,
                task=task.id,
                prompt=task.prompt,
                run=plan.run,
                settings=plan.settings,
            ),
            at=plan.settings.made_at,
        )
        return replace(self._finished(command), checkpoint=head, sensitive=judgement.sensitive)

    # --- the worktree between phases -----------------------------------------------------------

    def _enter(self, command: RunPhase) -> tuple[Worktree, tuple[str, ...]]:
        """The attempt's worktree at its checkpoint. After a crash what was half done is saved,
        then undone; a worktree that is gone is made anew."""
        worktree = self.site.worktrees.open(Path(command.folder))
        if worktree is None:
            return self._make_worktree(command, command.checkpoint), ("its worktree was gone",)
        if not command.redo:
            return worktree, ()
        self._save_half_done(command, worktree)
        worktree.restore(command.checkpoint)
        return worktree, self._half_done_notes(command)

    def _save_half_done(self, command: RunPhase, worktree: Worktree) -> None:
        """As a ref, which is there even if we die before anything of it is in the journal."""
        worktree.forget_index()
        half_done = self._snapshot(command, worktree)
        if half_done.tree != self.site.objects.tree(command.checkpoint):
            ref = f"{self._half_done_refs(command)}/{half_done.commit}"
            self.site.objects.pin(ref, half_done.commit)

    def _half_done_notes(self, command: RunPhase) -> tuple[str, ...]:
        saved = self.site.objects.pinned(self._half_done_refs(command))
        return tuple(
            f"half-done work of an interrupted phase is saved as {commit}" for commit in saved
        )

    def _half_done_refs(self, command: RunPhase) -> str:
        return f"refs/half-done/{command.task.id}/{command.attempt}/{command.phase}"

    def _snapshot(self, command: RunPhase, worktree: Worktree) -> Snapshot:
        strays = worktree.undo_strays()
        snapshot = worktree.snapshot(
            parent=command.checkpoint,
            message=message.snapshot_message(
                command.task.id, attempt=command.attempt, phase=command.phase
            ),
            at=self.site.plan.settings.made_at,
        )
        notes = tuple(f"put aside, it lay outside the worktree: {stray}" for stray in strays)
        return replace(snapshot, notes=(*snapshot.notes, *notes))

    def _mark(self, command: RunPhase) -> str:
        return self.site.mark(command.task.id, command.attempt)

    def _folder(self, command: RunPhase) -> Path:
        return self.site.attempt_folder(command.task.id, command.attempt)


def _outcome(ended: Exit) -> Outcome:
    if ended.timed_out:
        return Outcome.TIMED_OUT
    if ended.stopped:
        return Outcome.CANCELLED
    return Outcome.LOST if ended.lost else Outcome.FAILED


_PHASES: Mapping[Phase, Callable[[Worker, RunPhase], Answer]] = {
    Phase.PREPARE: Worker.prepare,
    Phase.IMPLEMENT: Worker.implement,
    Phase.TEST: Worker.test,
    Phase.DELIVER: Worker.deliver,
}

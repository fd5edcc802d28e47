"""A slot's work: one phase of one attempt, from command to event."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from concertmaster.adapters.agents.agent import Report, read_no_op
from concertmaster.adapters.contents import Contents
from concertmaster.adapters.run_repository import Conflict
from concertmaster.adapters.worktree import Snapshot, Worktree
from concertmaster.core import message, policy
from concertmaster.core.command import RunPhase
from concertmaster.core.events import PhaseFailed, PhaseFinished
from concertmaster.core.model import Built, Outcome, Phase
from concertmaster.core.policy import is_document
from concertmaster.core.review import (
    Unreadable,
    WorkPlan,
    describe_plan,
    describe_review,
    read_follow_ups,
    read_plan,
    read_reason,
)
from concertmaster.engine.conversation import Conversation, Question, Tell
from concertmaster.engine.failure import Failure, outcome_of
from concertmaster.engine.merging import build_base
from concertmaster.engine.reviewing import review
from concertmaster.engine.site import Site, describe_failure, describe_setup_failure, read_end
from concertmaster.errors import Error
from concertmaster.insight.tree import TreePaths

Answer = PhaseFinished | PhaseFailed

_EARLIER = "An earlier attempt at this task failed:"
_SO_FAR = "What was done so far lies in the working tree. It is not done yet:"

# A folder that is gone is the attempt's misfortune; a disk that is full is the run's.
_BROKEN_BY_AN_AGENT = (FileNotFoundError, FileExistsError, NotADirectoryError, PermissionError)


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
            evidence=failure.evidence,
            agent_failed=failure.agent_failed,
            resumes_at=failure.resumes_at,
            session=failure.session,
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
        worktree, setup_seconds, more = self._make_worktree(command, base)
        return replace(
            self._finished(command),
            setup_seconds=setup_seconds,
            checkpoint=base,
            folder=str(worktree.folder),
            built_on=merged,
            notes=(*notes, *more),
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

    def _make_worktree(
        self, command: RunPhase, commit: str
    ) -> tuple[Worktree, float, tuple[str, ...]]:
        """How long its setup took, and notes."""
        worktree = self.site.worktrees.create(
            commit,
            task=command.task.id,
            attempt=command.attempt,
            branch=f"concertmaster/{self.site.plan.run}/{command.task.id}",
            name=Path(command.folder).name,
        )
        notes = self.site.hand_out_downloads(worktree)
        return worktree, self._set_up(command, worktree), notes

    def _set_up(self, command: RunPhase, worktree: Worktree) -> float:
        """The seconds that the setup took; 0 where there is none."""
        settings, log = self.site.plan.settings, self._folder(command) / "setup.log"
        if not settings.setup:
            return 0.0
        mark = self._mark(command)
        ended = self.site.run_shell(settings.setup, worktree, mark=mark, log=log)
        if not ended.ok:
            worktree.remove()
            raise Failure(outcome_of(ended), describe_setup_failure(settings, ended, log))
        return ended.seconds

    # --- research, implement, document ---------------------------------------------------------

    def research(self, command: RunPhase) -> Answer:
        """The agent makes a plan; its evidence is one that names paths of the repository."""
        worktree, notes = self._enter(command)
        talk = self._talk(command, worktree)
        before = worktree.list_contents()
        try:
            plan, report = talk.ask_for(
                Question(text=talk.say("research"), reads_only=True),
                partial(self._read_plan, command),
                otherwise="research gave no plan that can be used",
                session=command.session,
            )
        except Failure as failure:
            if failure.outcome is Outcome.LIMITED:  # after any other the worktree goes
                self._undo_changes(command, worktree, before)
            raise
        strays = self._undo_changes(command, worktree, before)
        return replace(
            self._finished(command),
            findings=describe_plan(plan),
            notes=(*notes, *strays),
            session=report.session,
            usage=report.usage,
        )

    def _read_plan(self, command: RunPhase, report: Report) -> WorkPlan:
        plan = read_plan(report.final_text)
        known = TreePaths(self.site.objects.paths(command.base))
        strange = [path for path in plan.paths if not known.could_hold(path)]
        if strange:
            raise Unreadable(f"the repository has no place {strange[0]}")
        return plan

    def _undo_changes(
        self, command: RunPhase, worktree: Worktree, before: Contents
    ) -> tuple[str, ...]:
        """Not every agent can be held to reading; what it wrote goes, also where git ignores it."""
        strays = _describe_strays(worktree.undo_strays())
        if not worktree.remove_new(before):
            self._renew(command, worktree)
        return strays

    def _renew(self, command: RunPhase, worktree: Worktree) -> None:
        """As `prepare` left it."""
        worktree.restore(command.checkpoint, with_ignored=True)
        self._set_up(command, worktree)

    def implement(self, command: RunPhase) -> Answer:
        """The agent does the task; its evidence is a difference, or a reasoned no-op."""
        worktree, notes = self._enter(command)
        talk = self._talk(command, worktree)
        with self._saving(command, worktree):
            report = talk.ask(self._task(command, talk), session=command.session)
        snapshot = self._snapshot(command, worktree)
        began_at = _began_at(command)
        changed = snapshot.tree != self.site.objects.tree(began_at)
        is_first = began_at == command.base
        no_op = "" if changed or not is_first else read_no_op(report.final_text)
        if not changed and not no_op:
            reason = "the agent ended without changing anything, and without saying why"
            raise Failure(Outcome.FAILED, reason, usage=report.usage)
        return replace(
            self._finished(command),
            checkpoint=snapshot.commit if changed else "",
            no_op=no_op,
            follow_ups=read_follow_ups(report.final_text),
            notes=(*notes, *snapshot.notes),
            session=report.session,
            usage=report.usage,
        )

    def _task(self, command: RunPhase, talk: Conversation) -> Question:
        """The whole task; in a conversation that goes on only what is to be mended."""
        evidence = command.evidence
        is_mending = _began_at(command) != command.base and evidence != ""
        if is_mending and command.session:
            return Question(text=talk.say("mend", evidence=evidence))
        told = f"\n{_EARLIER}\n\n{evidence}\n" if evidence else ""
        if is_mending:
            told = f"\n{_SO_FAR}\n\n{evidence}\n"
        findings = f"\nThe plan you made:\n\n{command.findings}\n" if command.findings else ""
        text = talk.say("implement", evidence=told, findings=findings)
        return Question(text=text)

    def document(self, command: RunPhase) -> Answer:
        """The agent brings the documents up to date; its evidence is a change of them, or why
        there is none."""
        worktree, notes = self._enter(command)
        talk = self._talk(command, worktree)
        with self._saving(command, worktree):
            (reason, snapshot), report = talk.ask_for(
                Question(text=talk.say("document")),
                partial(self._find_documents, command, worktree),
                otherwise="the agent did not document its change",
                session=command.session,
            )
        changed = snapshot.tree != self.site.objects.tree(command.checkpoint)
        return replace(
            self._finished(command),
            checkpoint=snapshot.commit if changed else "",
            findings=reason,
            notes=(*notes, *snapshot.notes),
            session=report.session,
            usage=report.usage,
        )

    def _find_documents(
        self, command: RunPhase, worktree: Worktree, report: Report
    ) -> tuple[str, Snapshot]:
        """A changed document, or why there is none."""
        reason = read_reason(report.final_text, "no_docs")
        snapshot = self._snapshot(command, worktree)
        changes = self.site.objects.changes(_began_at(command), snapshot.commit)
        if not reason and not any(is_document(change.path) for change in changes):
            raise Unreadable("no document was changed, and it does not say why")
        return reason, snapshot

    def review(self, command: RunPhase) -> Answer:
        """A fresh agent that cannot write approves of exactly this tree."""
        found = review(self.site, command, tell=self.tell)
        return replace(
            self._finished(command),
            findings=describe_review(found.review),
            session=found.session,
            usage=found.usage,
        )

    def _talk(self, command: RunPhase, worktree: Worktree) -> Conversation:
        return Conversation(site=self.site, command=command, worktree=worktree, tell=self.tell)

    @contextmanager
    def _saving(self, command: RunPhase, worktree: Worktree) -> Iterator[None]:
        """Where the agent fails, what it had done is saved."""
        try:
            yield
        except Failure as failure:
            snapshot = self._snapshot(command, worktree)
            if snapshot.tree != self.site.objects.tree(command.checkpoint):
                failure.saved = snapshot.commit
            raise

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
            tail = f"The check `{check}` failed:\n\n{read_end(log)}" if ended.code else ""
            raise Failure(outcome_of(ended), reason, evidence=tail, saved=command.checkpoint)
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
            worktree, _, notes = self._make_worktree(command, command.checkpoint)
            return worktree, ("its worktree was gone", *notes)
        if not command.redo:
            return worktree, ()
        self._save_half_done(command, worktree)
        if command.phase is Phase.RESEARCH:
            self._renew(command, worktree)
        else:
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
        return replace(snapshot, notes=(*snapshot.notes, *_describe_strays(strays)))

    def _mark(self, command: RunPhase) -> str:
        return self.site.mark(command.task.id, command.attempt)

    def _folder(self, command: RunPhase) -> Path:
        return self.site.attempt_folder(command.task.id, command.attempt)


def _describe_strays(strays: Iterable[str]) -> tuple[str, ...]:
    return tuple(f"put aside, it lay outside the worktree: {stray}" for stray in strays)


def _began_at(command: RunPhase) -> str:
    """What the phase's change is a change of: also what it did before a usage limit counts."""
    return command.interrupted_at or command.checkpoint


_PHASES: Mapping[Phase, Callable[[Worker, RunPhase], Answer]] = {
    Phase.PREPARE: Worker.prepare,
    Phase.RESEARCH: Worker.research,
    Phase.IMPLEMENT: Worker.implement,
    Phase.TEST: Worker.test,
    Phase.DOCUMENT: Worker.document,
    Phase.REVIEW: Worker.review,
    Phase.DELIVER: Worker.deliver,
}

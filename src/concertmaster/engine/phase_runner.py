"""Performs the phases of attempts: takes a RunPhase command, returns its event."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from concertmaster.agents.answers import (
    UnreadableAnswer,
    WorkPlan,
    describe_plan,
    describe_review,
    last_words,
    read_follow_ups,
    read_plan,
    read_reason,
)
from concertmaster.agents.protocol import AgentReport, read_no_op
from concertmaster.commands import RunPhase
from concertmaster.engine import repairer
from concertmaster.engine.agent_session import AgentQuestion, AgentSession, Tell, UsageTotal
from concertmaster.engine.attempt_base import make_base
from concertmaster.engine.attempt_workspace import AttemptWorkspace
from concertmaster.engine.last_message import describe_work
from concertmaster.engine.logs import describe_failure, read_evidence, read_failing_tests
from concertmaster.engine.machine_state import measure_machine
from concertmaster.engine.phase_failure import (
    PhaseFailure,
    failed_phase,
    nothing_changed,
    outcome_of,
)
from concertmaster.engine.reading_tree import reading_tree, tells_agents_more
from concertmaster.engine.reviewer import run_review
from concertmaster.engine.run_context import RunContext
from concertmaster.errors import Error
from concertmaster.events import PhaseFailed, PhaseFinished
from concertmaster.git import commit_message
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.landing.flake_rules import is_known_flake
from concertmaster.landing.path_policy import is_document
from concertmaster.model import Outcome
from concertmaster.planning.neighbours import describe_neighbours
from concertmaster.settings.choices import Phase
from concertmaster.worktrees.worktree import Snapshot, Worktree

Answer = PhaseFinished | PhaseFailed

MOST_FLAKE_RERUNS = 2  # of a check in which only known flakes failed, before the agent is asked
_EARLIER = "An earlier attempt at this task failed:"
_SO_FAR = "What was done so far lies in the working tree. It is not done yet:"

# An agent can cause these, so they end the attempt; others, such as a full disk, end the run.
_BROKEN_BY_AN_AGENT = (
    *(FileNotFoundError, FileExistsError, PermissionError),
    *(IsADirectoryError, NotADirectoryError),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseRunner:
    """The performer of phases; `tell` gets the agent's activity and its task id as it happens."""

    context: RunContext
    tell: Tell
    bill: UsageTotal = field(default_factory=UsageTotal)  # the usage of one phase

    def perform(self, command: RunPhase) -> Answer:
        """Run the phase and return its event; failures are events as well."""
        began, bill = time.monotonic(), UsageTotal()
        try:
            answer = _PHASES[command.phase](replace(self, bill=bill), command)
        except PhaseFailure as failure:
            answer = self._failed(command, failure)
        except (Error, *_BROKEN_BY_AN_AGENT) as error:
            why = f": {error.why}" if isinstance(error, Error) and error.why else ""
            is_there = command.folder != "" and Path(command.folder).exists()
            lost = PhaseFailure(Outcome.LOST, f"{error}{why}", unsaved=is_there)
            answer = self._failed(command, lost)
        return replace(answer, seconds=time.monotonic() - began, usage=bill.usage)

    def _failed(self, command: RunPhase, failure: PhaseFailure) -> PhaseFailed:
        return failed_phase(
            command,
            failure,
            machine=measure_machine(self.context.measure),
            notes=self._place(command).half_done_notes() if command.redo else (),
        )

    def _finished(self, command: RunPhase) -> PhaseFinished:
        return PhaseFinished(
            task=command.task.id, attempt=command.attempt, phase=command.phase, seconds=0.0
        )

    # --- prepare -------------------------------------------------------------------------------

    def prepare(self, command: RunPhase) -> Answer:
        """Make a worktree at the base and run the repository's setup in it."""
        if command.repair is not None:
            return repairer.lay_out(self._place(command), command.repair)
        start = make_base(self.context, command)
        if command.carried is not None and command.carried.head:
            answer = repairer.carry_over(self._place(command), command.carried, start.commit)
            return replace(answer, built_on=start.built_on, notes=start.notes)
        worktree, setup_seconds, more = self._place(command).make(start.commit)
        return replace(
            self._finished(command),
            setup_seconds=setup_seconds,
            checkpoint=start.commit,
            folder=str(worktree.folder),
            built_on=start.built_on,
            notes=(*start.notes, *more),
        )

    # --- research, implement, document ---------------------------------------------------------

    def research(self, command: RunPhase) -> Answer:
        """Ask the agent for a plan; the exit condition is a plan that names existing places."""
        if tells_agents_more(self.context, command.base):
            with reading_tree(self.context, command, command.base) as tree:
                plan, _ = self._ask_for_plan(command, self._talk(command, tree.worktree))
            return replace(self._finished(command), findings=describe_plan(plan))
        place = self._place(command)
        worktree, notes = place.enter()
        before = worktree.list_contents()
        try:
            plan, session = self._ask_for_plan(
                command, self._talk(command, worktree), session=command.session
            )
        except PhaseFailure as failure:
            if failure.outcome is Outcome.LIMITED:  # any other failure removes the worktree
                place.undo_changes(worktree, before)
            raise
        strays = place.undo_changes(worktree, before)
        return replace(
            self._finished(command),
            findings=describe_plan(plan),
            notes=(*notes, *strays),
            session=session,
        )

    def _ask_for_plan(
        self, command: RunPhase, talk: AgentSession, *, session: str = ""
    ) -> tuple[WorkPlan, str]:
        """Return the plan and the session that made it. Raises PhaseFailure if there is none."""
        text = talk.say("research", neighbours=self._tell(command))
        plan, report = talk.ask_for(
            AgentQuestion(text=text, reads_only=True),
            partial(self._read_plan, command),
            otherwise="research gave no plan that can be used",
            session=session,
        )
        if self.context.observer:
            self.context.observer.note_plan(command, plan.paths)
        return plan, report.session

    def _read_plan(self, command: RunPhase, report: AgentReport) -> WorkPlan:
        plan = read_plan(report.final_text)
        known = TreePaths(self.context.objects.paths(command.base))
        strange = [path for path in plan.paths if not known.could_hold(path)]
        if strange:
            raise UnreadableAnswer(f"the repository has no place {strange[0]}")
        return plan

    def implement(self, command: RunPhase) -> Answer:
        """Let the agent do the task; the exit condition is a change or a reasoned no-op."""
        place = self._place(command)
        worktree, notes = place.enter()
        talk = self._talk(command, worktree)
        if command.repair is not None and not command.evidence:
            return repairer.mend(place, talk, command.repair)
        with place.saving(worktree):
            report = talk.ask(self._task(place, talk), session=command.session)
        snapshot = place.snapshot(worktree)
        repairer.check_resolved(command, place, snapshot)
        changed = snapshot.tree != self.context.objects.tree(place.began_at)
        is_first = place.began_at == command.base
        no_op = "" if changed or not is_first else read_no_op(report.final_text)
        if not changed and not no_op:
            words = last_words(report.final_text)
            reason = nothing_changed(snapshot.notes, last_words=words)
            raise PhaseFailure(Outcome.FAILED, reason, notes=snapshot.notes)
        return replace(
            self._finished(command),
            checkpoint=snapshot.commit if changed else "",
            no_op=no_op,
            said=describe_work(self.context, command, report) if changed else "",
            follow_ups=read_follow_ups(report.final_text),
            notes=(*notes, *snapshot.notes),
            session=report.session,
        )

    def _task(self, place: AttemptWorkspace, talk: AgentSession) -> AgentQuestion:
        """Return the whole task, or in a session that goes on only the failure to fix."""
        command, evidence = place.command, place.command.evidence
        is_mending = place.began_at != command.base and evidence != ""
        told = f"\n{_EARLIER}\n\n{evidence}\n" if evidence else ""
        if is_mending:
            told = f"\n{_SO_FAR}\n\n{evidence}\n"
        findings = f"\nThe plan you made:\n\n{command.findings}\n" if command.findings else ""
        whole = talk.say(
            "implement", evidence=told, findings=findings, neighbours=self._tell(command)
        )
        if is_mending and command.session:
            return AgentQuestion(text=talk.say("mend", evidence=evidence), anew=whole)
        return AgentQuestion(text=whole)

    def _tell(self, command: RunPhase) -> str:
        plan = self.context.plan
        note = describe_neighbours(plan, command.task, apart=command.apart)
        return f"\n{note}\n" if note and plan.settings.notes else ""

    def document(self, command: RunPhase) -> Answer:
        """Let the agent update the documents; the exit condition is a change or a reason."""
        place = self._place(command)
        worktree, notes = place.enter()
        talk = self._talk(command, worktree)
        with place.saving(worktree):
            (reason, snapshot), report = talk.ask_for(
                AgentQuestion(text=talk.say("document")),
                partial(_find_documents, place, worktree),
                otherwise="the agent did not document its change",
                session=command.session,
            )
        return replace(
            self._finished(command),
            checkpoint=snapshot.commit if place.is_change(snapshot) else "",
            findings=reason,
            notes=(*notes, *snapshot.notes),
            session=report.session,
        )

    def review(self, command: RunPhase) -> Answer:
        """Ask a fresh, read-only agent for a verdict on exactly this tree."""
        found = run_review(self.context, command, tell=self.tell, bill=self.bill)
        return replace(
            self._finished(command),
            findings=describe_review(found.review),
            session=found.session,
        )

    def _place(self, command: RunPhase) -> AttemptWorkspace:
        return AttemptWorkspace(context=self.context, command=command)

    def _talk(self, command: RunPhase, worktree: Worktree) -> AgentSession:
        tell, bill = self.tell, self.bill
        return AgentSession(
            context=self.context, command=command, worktree=worktree, tell=tell, bill=bill
        )

    # --- test and deliver ----------------------------------------------------------------------

    def test(self, command: RunPhase) -> Answer:
        """Run the check; the exit condition is its exit status 0."""
        place = self._place(command)
        worktree, notes = place.enter()
        log = place.folder / "check.log"
        check = command.task.check or self.context.plan.settings.check
        for _ in range(1 + MOST_FLAKE_RERUNS):
            ended = self.context.run_shell(check, worktree, mark=place.mark, log=log)
            if not is_known_flake(self.context.plan.flakes, read_failing_tests(ended, log)):
                break
        if not ended.ok:
            reason = describe_failure(f"check `{check}`", ended, log)
            told = read_evidence(ended, log)
            tail = f"The check `{check}` failed:\n\n{told}" if ended.code else ""
            raise PhaseFailure(outcome_of(ended), reason, evidence=tail, saved=command.checkpoint)
        return replace(self._finished(command), notes=notes)

    def deliver(self, command: RunPhase) -> Answer:
        """Make the one commit that may land, if the path policy allows it."""
        plan, objects, task = self.context.plan, self.context.objects, command.task
        judgement = self.context.judge().judge(
            command.base, command.checkpoint, touches=task.touches
        )
        if judgement.refused:
            reason = "; ".join(judgement.refused)
            raise PhaseFailure(Outcome.REFUSED, reason, saved=command.checkpoint)
        head = objects.commit(
            objects.tree(command.checkpoint),
            parents=(command.base,),
            message=commit_message.task_message(task, plan=plan, said=command.said),
            at=plan.settings.made_at,
        )
        return replace(
            self._finished(command),
            checkpoint=head,
            sensitive=judgement.sensitive,
            classes=judgement.classes,
        )


def _find_documents(
    place: AttemptWorkspace, worktree: Worktree, report: AgentReport
) -> tuple[str, Snapshot]:
    """Return the reason for no document ("" if there is none) and the snapshot.

    Raises UnreadableAnswer if neither a document was changed nor a reason given.
    """
    reason = read_reason(report.final_text, "no_docs")
    snapshot = place.snapshot(worktree)
    changes = place.context.objects.changes(place.began_at, snapshot.commit)
    if not reason and not any(is_document(change.path) for change in changes):
        raise UnreadableAnswer("no document was changed, and it does not say why")
    return reason, snapshot


_PHASES: Mapping[Phase, Callable[[PhaseRunner, RunPhase], Answer]] = {
    Phase.PREPARE: PhaseRunner.prepare,
    Phase.RESEARCH: PhaseRunner.research,
    Phase.IMPLEMENT: PhaseRunner.implement,
    Phase.TEST: PhaseRunner.test,
    Phase.DOCUMENT: PhaseRunner.document,
    Phase.REVIEW: PhaseRunner.review,
    Phase.DELIVER: PhaseRunner.deliver,
}

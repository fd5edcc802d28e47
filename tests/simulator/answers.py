"""Answers the commands of a run in memory, without git and without processes.

A change is named by the task that made it, and a commit is the set of changes it contains.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from concertmaster.commands import (
    AwaitTime,
    CheckBase,
    CheckBatch,
    Command,
    FinishRun,
    KeepWork,
    LandBatch,
    MeasureRoom,
    MergeCandidate,
    RemoveWorktree,
    RunPhase,
    StopAttempt,
    StopCheck,
)
from concertmaster.events import (
    BaseChecked,
    BatchChecked,
    BatchLanded,
    Event,
    FootprintObserved,
    MergeConflicted,
    PauseEnded,
    PhaseFailed,
    PhaseFinished,
    RunFinished,
    TargetMoved,
    Throttled,
    WorkKept,
)
from concertmaster.model import Built, Outcome, Plan, Repair, Shortage, Sighting, Usage
from concertmaster.run.phases import AGENTS_OWN
from concertmaster.run.reducer import AGENT_PHASES
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run
from concertmaster.settings.choices import Phase
from tests.simulator.plans import BASE
from tests.simulator.world import BRANCH, Changes, Commit, Disturbance, World

Answer = (
    BaseChecked
    | PhaseFinished
    | PhaseFailed
    | BatchChecked
    | MergeConflicted
    | BatchLanded
    | TargetMoved
    | WorkKept
    | PauseEnded
    | Throttled
    | RunFinished
)


class SimulatedEngine:
    """The answers of a `World` to the commands of one run."""

    def __init__(
        self,
        plan: Plan,
        world: World | None = None,
        *,
        disturbance: Disturbance | None = None,
        order: Iterable[int] = (),
    ) -> None:
        self.plan = plan
        self.world = world or World()
        self.disturbance = disturbance or Disturbance()
        self.order = iter(order)
        self.state: RunState = begin_run(plan)
        self.journal: list[Event] = []
        self.commands: list[Command] = []
        self.pending: list[Command] = []
        self.stopped: set[tuple[str, int]] = set()
        self.commits: dict[str, Commit] = {BASE: Commit(name=BASE, contents=frozenset())}
        self.target = BASE
        self.own_branch = ""
        self.green: set[str] = set()  # commits whose tree passed
        self.checks: list[Changes] = []  # those that were really run
        self.landings = 0
        self.moved = 0
        self.limited: set[tuple[str, int]] = set()  # a limit is met once
        self.happened: Counter[tuple[str, str, Phase]] = Counter()
        self.now = 0.0
        self.judged: dict[Phase, set[str]] = {Phase.TEST: set(), Phase.REVIEW: set()}
        self.drafts = 0
        self.short: Shortage | None = None  # of what the machine is

    # --- git -----------------------------------------------------------------------------------

    def _commit(self, contents: Changes, *, of: str, base: Changes = frozenset()) -> str:
        """Make a commit named `of`; the same merges give the same commit."""
        self.commits[of] = Commit(name=of, contents=contents, base=base)
        return of

    def _merges(self, ours: Changes, theirs: Changes) -> bool:
        return not any(
            frozenset({a, b}) in self.world.conflicts for a in ours - theirs for b in theirs - ours
        )

    def _join(self, tip: str, candidate: MergeCandidate) -> str | None:
        """Return the commit of the tip with the candidate, or None for a conflict.

        A head brings all that it is built on; a re-applied change comes alone.
        """
        ours, head = self.commits[tip].contents, self.commits[candidate.head]
        assert self.commits[candidate.base].contents == head.base
        if self._is_merged(tip, candidate):
            theirs, merges = head.contents, self._merges(ours, head.contents)
            is_there = candidate.head in tip
        else:
            theirs = frozenset({candidate.task})
            written_against = (head.base ^ ours) - theirs
            merges = not any(
                frozenset({candidate.task, other}) in self.world.conflicts
                for other in written_against
            )
            is_there = candidate.task in ours
        if is_there or not merges:
            return tip if is_there else None
        kind = "merge" if self._is_merged(tip, candidate) else "apply"
        return self._commit(ours | theirs, of=f"{tip} {kind} {candidate.head}")

    def _is_merged(self, tip: str, candidate: MergeCandidate) -> bool:
        """Return whether the head is merged; a base that did not land would come with it."""
        own = self.commits[candidate.base].contents & self.state.tasks.keys()
        is_foreign = candidate.base != BASE and not own <= self.commits[tip].contents
        return candidate.as_it_is and not is_foreign

    def _passes(self, contents: Changes) -> bool:
        number = len(self.checks)
        self.checks.append(contents)
        return number not in self.world.flakes and self.is_green(contents)

    def is_green(self, contents: Changes) -> bool:
        """Return what a check without flakes says of the tree."""
        return not any(bad <= contents for bad in self.world.red)

    def observe(self, command: Command) -> Iterator[FootprintObserved]:
        """Yield what is seen of the paths of an attempt while the phase runs."""
        if not isinstance(command, RunPhase):
            return
        task, attempt = command.task.id, command.attempt
        seen: dict[Sighting, Changes] = {}
        planned, written = self.world.planned.get(task), self.world.written.get(task)
        if command.phase is Phase.RESEARCH and planned is not None:
            seen[Sighting.PLANNED] = planned
        if command.phase is Phase.IMPLEMENT and written is not None:
            before = self.state.tasks[task].attempts[-1].observed.changed
            seen[Sighting.CHANGING] = frozenset((*before, *sorted(written)[:1]))
            seen[Sighting.CHANGED] = written
        if command.carried is not None and command.carried.head and written is not None:
            seen[Sighting.CHANGED] = written
        for sighting, paths in seen.items():
            yield FootprintObserved(
                task=task, attempt=attempt, sighting=sighting, paths=tuple(sorted(paths))
            )

    # --- the answers ---------------------------------------------------------------------------

    def answer(self, command: Command) -> Answer | None:
        match command:
            case CheckBase():
                return self._check_base()
            case RunPhase():
                return self._run_phase(command)
            case CheckBatch():
                return self._check_batch(command)
            case LandBatch():
                return self._land(command)
            case KeepWork():
                branch = f"concertmaster/run/{command.task}"
                return WorkKept(task=command.task, branch=branch, commit=command.commit)
            case AwaitTime():
                return PauseEnded(at=command.until)
            case MeasureRoom():
                return self._measure(is_answer=True)
            case FinishRun():
                return RunFinished()
            case StopAttempt() | StopCheck() | RemoveWorktree():
                return None

    def _measure(self, *, is_answer: bool = False) -> Throttled:
        return Throttled(short=self.short, reason=self.short or "", is_answer=is_answer)

    def _check_base(self) -> BaseChecked:
        passed = not self.world.base_red
        if passed:
            self.green.add(BASE)
        return BaseChecked(
            tree=_tree(frozenset()), passed=passed, reason="red", seconds=1.0, tip=self.target
        )

    def _run_phase(self, command: RunPhase) -> PhaseFinished | PhaseFailed:
        task, attempt, phase = command.task.id, command.attempt, command.phase
        if (task, attempt) in self.stopped and next(self.order, 0) % 4:
            return self._failed(command, Outcome.CANCELLED, "stopped")
        where, outcome = self.world.fails.get((task, attempt), (None, Outcome.FAILED))
        if where is phase and (task, attempt) not in self.limited:
            if outcome is Outcome.LIMITED:
                self.limited.add((task, attempt))
            return self._failed(command, outcome, f"{outcome} in {phase}")
        if self._happens("limit", self.world.limits, command):
            return self._failed(command, Outcome.LIMITED, f"limited in {phase}")
        if self._happens("return", self.world.returns, command):
            return self._failed(command, Outcome.FAILED, "red", evidence=f"{phase} says no")
        return self._prepare(command) if phase is Phase.PREPARE else self._work(command)

    def _happens(
        self, what: str, times: Mapping[tuple[str, Phase], int], command: RunPhase
    ) -> bool:
        """Return whether `what` happens now; the world says how often it does in this phase."""
        key = (command.task.id, command.phase)
        if self.happened[what, *key] >= times.get(key, 0):
            return False
        self.happened[what, *key] += 1
        return True

    def _failed(
        self, command: RunPhase, outcome: Outcome, reason: str, *, evidence: str = ""
    ) -> PhaseFailed:
        is_agents = command.phase in AGENT_PHASES and not evidence
        failed = is_agents and outcome in (Outcome.FAILED, Outcome.LOST)
        until = self.now + next(self.order, 0) % 3 * 25.0
        return PhaseFailed(
            task=command.task.id,
            attempt=command.attempt,
            phase=command.phase,
            seconds=1.0,
            outcome=outcome,
            reason=reason,
            evidence=evidence,
            agent_failed=failed and next(self.order, 0) % 2 == 1,
            resumes_at=until if outcome is Outcome.LIMITED and until > self.now else 0.0,
            saved=self._save(command),
            usage=Usage(cost_usd=1.0),
        )

    def _save(self, command: RunPhase) -> str:
        """Return the commit with the work of a failed phase; read-only phases change nothing."""
        if command.phase is Phase.PREPARE or next(self.order, 0) % 4 == 3:
            return ""
        if command.phase not in AGENTS_OWN:
            return "" if command.phase is Phase.REVIEW else command.checkpoint
        self.drafts += 1
        base = self.commits[command.base].contents
        return self._commit(base | {command.task.id}, of=f"saved {self.drafts}", base=base)

    def _prepare(self, command: RunPhase) -> PhaseFinished | PhaseFailed:
        if command.repair is not None:
            return self._lay_out(command, command.repair)
        contents, merged = frozenset[str](), list[Built]()
        for built in command.wanted:
            theirs = self.commits[built.head].contents
            if self._merges(contents, theirs):
                contents |= theirs
                merged.append(built)
            elif built.task in command.required:
                return self._failed(command, Outcome.REFUSED, "what it needs does not merge")
        heads = "+".join(built.head for built in merged)
        base = self._commit(contents, of=f"base[{heads}]") if merged else BASE
        return PhaseFinished(
            task=command.task.id,
            attempt=command.attempt,
            phase=command.phase,
            seconds=1.0,
            base=base,
            checkpoint=self._carry(command, contents) or base,
            folder=f"folder {command.task.id} {command.attempt}",
            built_on=tuple(merged),
        )

    def _carry(self, command: RunPhase, contents: Changes) -> str:
        """Return the commit of the base with the work that goes on, "" if there is none."""
        carried, task = command.carried, command.task.id
        if carried is None or not carried.head:
            return ""
        before, after = self.commits[carried.base], self.commits[carried.head]
        assert after.contents == before.contents | {task}
        self.drafts += 1
        return self._commit(contents | {task}, of=f"carried {self.drafts}", base=contents)

    def _lay_out(self, command: RunPhase, repair: Repair) -> PhaseFinished:
        assert self.commits[repair.base].contents == self.commits[repair.head].base
        base, self.drafts = self.commits[repair.tip].contents, self.drafts + 1
        task = command.task.id
        return PhaseFinished(
            task=task,
            attempt=command.attempt,
            phase=command.phase,
            seconds=1.0,
            base=repair.tip,
            checkpoint=self._commit(base | {task}, of=f"merged {self.drafts}", base=base),
            folder=f"folder {task} {command.attempt}",
        )

    def _work(self, command: RunPhase) -> PhaseFinished:
        task, attempt, phase = command.task.id, command.attempt, command.phase
        base = self.commits[command.base].contents
        assert self.commits[command.checkpoint].contents in (base, base | {task})
        assert command.folder == f"folder {task} {attempt}"
        assert phase is not Phase.RESEARCH or command.checkpoint == command.base
        finished = PhaseFinished(
            task=task, attempt=attempt, phase=phase, seconds=1.0, usage=Usage(cost_usd=1.0)
        )
        if phase is Phase.IMPLEMENT and task in self.world.no_ops:
            return replace(finished, no_op="it is done already")
        if phase is Phase.IMPLEMENT and command.interrupted_at and next(self.order, 0) % 2:
            return replace(finished, checkpoint=command.checkpoint)  # all of it was done before
        is_changed = phase is Phase.DOCUMENT and task in self.world.documented
        if phase in (Phase.IMPLEMENT, Phase.DELIVER) or is_changed:
            self.drafts += 1
            made = self._commit(
                base | {task}, of=f"{phase} {task} {attempt} {self.drafts}", base=base
            )
            return replace(finished, checkpoint=made)
        if phase in self.judged:
            self.judged[phase].add(command.checkpoint)
        return finished

    def _check_batch(self, command: CheckBatch) -> BatchChecked | MergeConflicted:
        assert not command.green & command.red
        commit = command.tip
        for number, candidate in enumerate(command.candidates):
            joined = self._join(commit, candidate)
            if joined is None:
                behind = tuple(c.task for c in command.candidates[:number])
                return MergeConflicted(
                    task=candidate.task, tip=command.tip, behind=behind, paths=("x",)
                )
            commit = joined
        contents = self.commits[commit].contents
        tree = _tree(contents)
        cached = tree in command.green | command.red
        passed = tree in command.green if cached else self._passes(contents)
        if passed:
            assert self.is_green(contents), "a tree that never passed is called green"
            self.green.add(commit)
        return BatchChecked(
            tasks=tuple(c.task for c in command.candidates),
            tip=command.tip,
            commit=commit,
            tree=tree,
            passed=passed,
            reason="red",
            seconds=1.0,
            cached=cached,
            reapplied=tuple(c.task for c in command.candidates if not c.as_it_is),
        )

    def _hold_landing(self, command: LandBatch) -> None:
        assert command.commit in self.green, "what lands was never checked"
        contents = self.commits[command.commit].contents
        assert contents - self.commits[command.tip].contents <= set(command.tasks)
        assert set(command.tasks) <= contents
        for task in contents & self.state.tasks.keys():
            assert not self.state.tasks[task].state.is_lost, f"{task} is lost and lands"

    def _land(self, command: LandBatch) -> BatchLanded | TargetMoved:
        """Land the commit; a landing that a dead process has made is found done."""
        self._hold_landing(command)
        landed = BatchLanded(tasks=command.tasks, tip=command.tip, commit=command.commit)
        if command.diverted:
            assert self.own_branch in (command.tip, command.commit)
            self.own_branch = command.commit
            return replace(landed, branch=BRANCH)
        if self.target == command.commit:
            return landed
        if self.target != command.tip:
            return TargetMoved(tip=self.target)
        self.landings += 1
        start = self.world.diverted_from
        if start is not None and self.landings >= start:
            self.own_branch = command.commit
            return replace(landed, branch=BRANCH, reason="the target is in the way")
        self.target = command.commit
        return landed


def _tree(contents: Changes) -> str:
    return "tree:" + ",".join(sorted(contents))

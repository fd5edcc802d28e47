"""Plays a whole run against the pure core: commands in, events out, in any order, no process.

A change is named by the task that made it, and a commit is what it contains. `World` says what
will happen; `Simulator` holds the core to the rules that hold in every world.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

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
    CancelRequested,
    Event,
    MergeConflicted,
    PauseEnded,
    PhaseFailed,
    PhaseFinished,
    RunFinished,
    RunResumed,
    RunStarted,
    TargetMoved,
    Throttled,
    WorkKept,
)
from concertmaster.model import (
    LEAN_PHASES,
    Built,
    Exclusion,
    LandingMode,
    Need,
    Outcome,
    Phase,
    Plan,
    RunSettings,
    Shortage,
    Task,
    TaskState,
    Usage,
)
from concertmaster.run.phases import AGENTS_OWN
from concertmaster.run.reducer import AGENT_PHASES
from concertmaster.run.state import RunState
from concertmaster.run.state_machine import begin_run, fold_events, handle

BASE = "base"
BRANCH = "concertmaster/run/landed"
Changes = frozenset[str]
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


def make_plan(
    tasks: str,
    *,
    hard: Iterable[str] = (),
    soft: Iterable[str] = (),
    apart: Iterable[str] = (),
    slots: int = 8,
    attempts: int = 1,
    budget_usd: float | None = None,
    landing: LandingMode = LandingMode.MERGE,
    phases: tuple[Phase, ...] = LEAN_PHASES,
    fix_attempts: int = 3,
    longest_pause_seconds: float | None = None,
) -> Plan:
    """A plan of tasks named by one letter; "ba" in `hard` or `soft` is b after a."""
    return Plan(
        run="run",
        base=BASE,
        target="main",
        slots=slots,
        settings=RunSettings(
            agent="command",
            attempts=attempts,
            budget_usd=budget_usd,
            landing=landing,
            phases=phases,
            fix_attempts=fix_attempts,
            longest_pause_seconds=longest_pause_seconds,
        ),
        tasks=tuple(
            Task(id=one, prompt=f"{one}.md", blob=one, title=one, estimate_seconds=60.0)
            for one in tasks
        ),
        needs=tuple(
            Need(task=pair[0], on=pair[1], hard=is_hard, reason="said so")
            for pairs, is_hard in ((hard, True), (soft, False))
            for pair in pairs
        ),
        exclusions=tuple(
            Exclusion(tasks=(pair[0], pair[1]), probability=0.9, reason="x") for pair in apart
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What will happen. Changes of other people are numbered: "1", "2"."""

    fails: Mapping[tuple[str, int], tuple[Phase, Outcome]] = field(default_factory=dict)
    returns: Mapping[tuple[str, Phase], int] = field(default_factory=dict)  # times it sends back
    limits: Mapping[tuple[str, Phase], int] = field(default_factory=dict)  # times it meets one
    documented: Changes = frozenset()  # those whose document phase changes the tree
    no_ops: Changes = frozenset()
    red: tuple[Changes, ...] = ()  # a tree that contains one of these does not pass
    conflicts: frozenset[Changes] = frozenset()  # pairs that do not merge
    flakes: frozenset[int] = frozenset()  # numbers of checks that fail without a reason
    diverted_from: int | None = None  # number of the landing from which the target is in the way
    base_red: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """What comes from outside, each at the number of a step."""

    moves: frozenset[int] = frozenset()  # somebody pushes to the target
    crashes: frozenset[int] = frozenset()  # the process dies and the run is resumed
    cancel: int | None = None
    shortages: Mapping[int, Shortage | None] = field(default_factory=dict)  # from then on
    resumes: int = 3  # how often a run that a limit or a budget stopped is resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """`own` is the change that lies between the parent and the commit."""

    name: str
    contents: Changes
    base: Changes = frozenset()


class Simulator:
    """One run of a plan in a world. `order` chooses which pending command is answered next."""

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

    # --- the engine ----------------------------------------------------------------------------

    def run(self) -> RunState:
        """Play until the run has finished; raises AssertionError where a rule is broken."""
        self._happen(RunStarted(run=self.plan.run))
        resumes = self.disturbance.resumes
        for step in range(self._most_steps()):
            if self.state.finished:
                if not self.state.stopped or not resumes:
                    self._check_end()
                    return self.state
                resumes -= 1
                self.short = None  # somebody has made room
                self._resume()
            self._disturb(step)
            self._answer_one()
        raise AssertionError("the run does not end")

    def _most_steps(self) -> int:
        attempts = self.plan.settings.attempts + len(self.world.fails)
        phases = 8 + 8 * sum(self.world.returns.values()) + 4 * sum(self.world.limits.values())
        tasks = len(self.plan.tasks) * (phases * attempts + 40)
        return 100 + tasks + 20 * len(self.disturbance.moves)

    def _disturb(self, step: int) -> None:
        if step in self.disturbance.moves:
            self.moved += 1
            contents = self.commits[self.target].contents | {str(self.moved)}
            self.target = self._commit(contents, of=f"push {self.moved}")
        if step in self.disturbance.shortages:
            self.short = self.disturbance.shortages[step]
            self._happen(self._measure())
        if step == self.disturbance.cancel:
            self._happen(CancelRequested())
        if step in self.disturbance.crashes:
            self._crash()

    def _answer_one(self) -> None:
        assert self.pending, "nothing is asked, and the run has not finished"
        command = self.pending.pop(next(self.order, 0) % len(self.pending))
        event = self._answer(command)
        if event is not None:
            self._happen(event)

    def _crash(self) -> None:
        """Whatever a dead process still did is not in the journal."""
        for command in self.pending:
            if isinstance(command, LandBatch) and next(self.order, 0) % 2:
                self._answer(command)
        assert fold_events(self.plan, self.journal) == self.state
        self._resume()

    def _resume(self) -> None:
        self.pending.clear()
        self.stopped.clear()
        budget = None if self.state.budget_usd is None else self.state.cost_usd + 5.0
        self._happen(RunResumed(budget_usd=budget))

    def _happen(self, event: Event) -> None:
        self.now = max(self.now + 1.0, event.at)
        event = replace(event, at=self.now)
        self.journal.append(event)
        before = self.state
        self.state, commands = handle(self.state, event)
        for command in commands:
            self.commands.append(command)
            self._hold_asking(command)
            if isinstance(command, StopAttempt):
                self.stopped.add((command.task, command.attempt))
            elif isinstance(command, StopCheck):
                self._stop_check()
            else:
                self.pending.append(command)
        self._hold_slots()
        self._hold_starts(before)
        self._hold_accusations(before, event)

    def _stop_check(self) -> None:
        """Its answer may have been on its way."""
        if next(self.order, 0) % 2 == 0:
            checks = (CheckBase, CheckBatch)
            self.pending = [p for p in self.pending if not isinstance(p, checks)]

    # --- the rules -----------------------------------------------------------------------------

    def _hold_asking(self, command: Command) -> None:
        """Nothing is asked twice, nothing is asked before its time."""
        train = (CheckBase, CheckBatch, LandBatch)
        if isinstance(command, train):
            # A check that was stopped may still answer.
            waits = self.state.is_halted or not any(isinstance(p, train) for p in self.pending)
            assert waits, "the train is asked for two things at once"
        if isinstance(command, RunPhase):
            attempt = self.state.tasks[command.task.id].attempts[-1]
            assert command.phase not in attempt.holds, f"{command.phase} holds and is asked again"
            assert not any(p.task == command.task for p in self.pending if isinstance(p, RunPhase))
            assert not self.state.cancelled, "an agent starts after the cancellation"
            assert not self.state.stopped, "an agent starts after the stop"
            assert self.state.base_green, "an agent starts on a base that is not green"
            assert not self.state.paused_until, "a phase begins in a pause"
            if command.phase is Phase.PREPARE:
                self._hold_needs(command)
            if command.phase is Phase.DELIVER:
                self._hold_evidence(command)
        if isinstance(command, AwaitTime):
            assert not any(isinstance(p, AwaitTime) for p in self.pending), "two pauses at once"
        if isinstance(command, RemoveWorktree):
            for one in self.state.tasks.values():
                in_use = one.is_busy and one.attempt and one.attempt.folder == command.folder
                assert not in_use, "a folder in use is removed"
        if isinstance(command, FinishRun):
            assert not any(isinstance(p, RunPhase | LandBatch | KeepWork) for p in self.pending)

    def _hold_evidence(self, command: RunPhase) -> None:
        """What is delivered has passed the check and, where it is asked for, the review."""
        assert command.checkpoint in self.judged[Phase.TEST], "what is delivered was not checked"
        if Phase.REVIEW in self.plan.settings.phases:
            assert command.checkpoint in self.judged[Phase.REVIEW], "nobody approved of it"

    def _hold_needs(self, command: RunPhase) -> None:
        """What is needed is over and in the base, also behind a need that changed nothing."""
        states = [self.state.tasks[need.on].state for need in self._needs(command.task.id)]
        assert all(state.is_over for state in states)
        assert not any(self.state.tasks[on].state.is_lost for on in self._hard(command.task.id))
        required = [self.commits[b.head] for b in command.wanted if b.task in command.required]
        assert self._hard(command.task.id) <= frozenset().union(*(c.contents for c in required))

    def _needs(self, task: str) -> list[Need]:
        return [need for need in self.plan.needs if need.task == task]

    def _hard(self, task: str) -> Changes:
        """The changes that the task needs."""
        found: set[str] = set()
        for need in self._needs(task):
            if need.hard:
                found |= {need.on} if self.state.tasks[need.on].head else self._hard(need.on)
        return frozenset(found)

    def _hold_slots(self) -> None:
        busy = {key for key, one in self.state.tasks.items() if one.is_busy}
        assert len(busy) <= self.plan.slots
        for exclusion in self.plan.exclusions:
            assert not busy.issuperset(exclusion.tasks), f"{exclusion.tasks} run together"

    def _hold_starts(self, before: RunState) -> None:
        """Nothing new starts without room; but with little memory, one where nothing else runs."""
        tasks = self.state.tasks
        began = [k for k, one in tasks.items() if len(one.attempts) > len(before.tasks[k].attempts)]
        if began:
            busy = [key for key, one in tasks.items() if one.is_busy]
            assert self.state.short is not Shortage.DISK, "an agent starts on a full disk"
            alone = busy == began and len(began) == 1 and not self.state.landing.asked
            assert alone or self.state.short is None, "too many agents for the memory"

    def _hold_accusations(self, before: RunState, event: Event) -> None:
        """A culprit turns red what is green without it: the target and what goes there first."""
        if not isinstance(event, BatchChecked) or self.state.landing.stuck:
            return
        landing = before.landing
        company = {c.task for c in landing.batch[: landing.passed]}
        contents = self.commits[landing.tip].contents | company
        for key in self.in_state(TaskState.LEFT_OUT):
            if before.tasks[key].state is not TaskState.LEFT_OUT:
                assert self.is_green(contents), f"{key} is accused on a red tree"
                assert not self.is_green(contents | {key}), f"{key} is accused and harmless"

    def _hold_landing(self, command: LandBatch) -> None:
        assert command.commit in self.green, "what lands was never checked"
        contents = self.commits[command.commit].contents
        assert contents - self.commits[command.tip].contents <= set(command.tasks)
        assert set(command.tasks) <= contents
        for task in contents & self.state.tasks.keys():
            assert not self.state.tasks[task].state.is_lost, f"{task} is lost and lands"

    def _check_end(self) -> None:
        state = self.state
        assert fold_events(self.plan, self.journal) == state
        on_target = self.commits[
            self.own_branch if state.landing.diverted else self.target
        ].contents
        stops = state.cancelled or state.stopped or state.base_green is False
        for key, one in state.tasks.items():
            lost = one.state.is_lost
            assert one.state.is_over or stops, f"{key} is left {one.state}"
            assert not (lost and key in on_target), f"{key} is {one.state} and on the target"
            if one.state in (TaskState.LANDED, TaskState.AWAITING_MERGE):
                assert {key} | self._hard(key) <= on_target, f"{key} landed without what it needs"
            if self.plan.settings.landing is LandingMode.MERGE and not state.cancelled:
                assert one.state is not TaskState.SUCCEEDED or not one.head, f"{key} is forgotten"
            keeps = self.plan.settings.landing is not LandingMode.NONE
            if keeps and one.work and (lost or state.cancelled) and key not in on_target:
                assert one.kept_on, f"the work of {key} is lost"
            for attempt in one.attempts:
                has_stopped_run = self.plan.settings.longest_pause_seconds is not None
                assert attempt.outcome is not Outcome.LIMITED or has_stopped_run
                over = attempt.outcome or one.state.is_over
                released = attempt.folder_released or attempt.folder_stays
                assert released or not over or not attempt.folder, f"a folder of {key} is left"

    # --- git -----------------------------------------------------------------------------------

    def _commit(self, contents: Changes, *, of: str, base: Changes = frozenset()) -> str:
        """The same merges give the same commit."""
        self.commits[of] = Commit(name=of, contents=contents, base=base)
        return of

    def _merges(self, ours: Changes, theirs: Changes) -> bool:
        return not any(
            frozenset({a, b}) in self.world.conflicts for a in ours - theirs for b in theirs - ours
        )

    def _join(self, tip: str, candidate: MergeCandidate) -> str | None:
        """A head brings all that it is built on; re-applied, a change comes alone."""
        ours, head = self.commits[tip].contents, self.commits[candidate.head]
        assert self.commits[candidate.base].contents == head.base
        if candidate.as_it_is:
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
        kind = "merge" if candidate.as_it_is else "apply"
        return self._commit(ours | theirs, of=f"{tip} {kind} {candidate.head}")

    def _passes(self, contents: Changes) -> bool:
        number = len(self.checks)
        self.checks.append(contents)
        return number not in self.world.flakes and self.is_green(contents)

    def is_green(self, contents: Changes) -> bool:
        """What an honest check says."""
        return not any(bad <= contents for bad in self.world.red)

    # --- the answers ---------------------------------------------------------------------------

    def _answer(self, command: Command) -> Answer | None:
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
        """So often in this phase of the task as the world says."""
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
        """An agent may have changed something; who only looks has not."""
        if command.phase is Phase.PREPARE or next(self.order, 0) % 4 == 3:
            return ""
        if command.phase not in AGENTS_OWN:
            return "" if command.phase is Phase.REVIEW else command.checkpoint
        self.drafts += 1
        base = self.commits[command.base].contents
        return self._commit(base | {command.task.id}, of=f"saved {self.drafts}", base=base)

    def _prepare(self, command: RunPhase) -> PhaseFinished | PhaseFailed:
        contents, merged = frozenset[str](), list[Built]()
        for built in command.wanted:
            theirs = self.commits[built.head].contents
            if self._merges(contents, theirs):
                contents |= theirs
                merged.append(built)
            elif built.task in command.required:
                return self._failed(command, Outcome.REFUSED, "what it needs does not merge")
        heads = "+".join(built.head for built in merged)
        return PhaseFinished(
            task=command.task.id,
            attempt=command.attempt,
            phase=command.phase,
            seconds=1.0,
            checkpoint=self._commit(contents, of=f"base[{heads}]") if merged else BASE,
            folder=f"folder {command.task.id} {command.attempt}",
            built_on=tuple(merged),
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

    def _land(self, command: LandBatch) -> BatchLanded | TargetMoved:
        """A landing of a process that died afterwards is found done."""
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

    # --- what tests ask ------------------------------------------------------------------------

    def in_state(self, *states: TaskState) -> Changes:
        """The tasks that are in one of these states."""
        return frozenset(key for key, one in self.state.tasks.items() if one.state in states)

    @property
    def landed(self) -> Changes:
        """The tasks that reached the target."""
        return self.in_state(TaskState.LANDED)

    def asked(self, kind: type[Command]) -> Iterator[Command]:
        """All commands of a kind, in order."""
        return (command for command in self.commands if isinstance(command, kind))


def _tree(contents: Changes) -> str:
    return "tree:" + ",".join(sorted(contents))

"""Accepts the results of a round that pass the checks against plan, git and path policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from concertmaster.action.artifacts import share_folder
from concertmaster.action.plan_artifact import PlanArtifact
from concertmaster.errors import EnvironmentFault
from concertmaster.events import ResultReceived
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing import change_limits
from concertmaster.landing.judge_change import ChangeJudge
from concertmaster.landing.path_policy import PathVerdict, RunPlace
from concertmaster.model import Plan, TaskResult, TaskState
from concertmaster.rounds import bundles, documents
from concertmaster.rounds.check_result import find_base_fault, find_head_fault
from concertmaster.rounds.history import TaskHistory
from concertmaster.rounds.result import Result, ShareResults

_OPEN = (TaskState.WAITING, TaskState.RUNNING)
_WORKFLOWS = ".github/workflows/"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareFiles:
    """The results of a round by task, and the reasons why other tasks have none (`lost`)."""

    read: tuple[ShareResults, ...]
    results: Mapping[str, Result]
    lost: Mapping[str, str]

    @property
    def base_green(self) -> bool | None:
        """Return whether the base passes its check; None if the shares do not agree or say nothing.

        Then the verify job checks it, because a base that fails once may be flaky.
        """
        found = {one.base_green for one in self.read} - {None}
        return found.pop() if len(found) == 1 else None

    @property
    def base_reason(self) -> str:
        """The reason why the base does not pass its check, "" if it does."""
        return next((one.base_reason for one in self.read if one.base_green is False), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedResults:
    """An event for each task of the run, and the reasons why some results may never land.

    `gone` are the reasons why results of earlier rounds could not be found any more. `reported` is
    what the path policy says of pull requests that it does not hold back.
    """

    events: tuple[ResultReceived, ...]
    refused: Mapping[str, str]
    gone: Mapping[str, str]
    reported: Mapping[str, str] = field(default_factory=dict)

    @property
    def held(self) -> dict[str, ResultReceived]:
        """The results that only a person may merge; their `sensitive` paths are the reason."""
        return {one.task: one for one in self.events if one.sensitive}


@dataclass(frozen=True, slots=True, kw_only=True)
class _RefusedResult:
    """A result that may never land."""

    task: str
    reason: str

    @property
    def event(self) -> ResultReceived:
        return ResultReceived(task=self.task, state=TaskState.FAILED, reason=self.reason)


def read_shares(plan: Plan, artifacts: Path, *, round_number: int) -> ShareFiles:
    """Return what the work jobs left below `artifacts`.

    The tasks of a share whose results cannot be read are lost.
    """
    read, lost = list[ShareResults](), dict[str, str]()
    for share, tasks in enumerate(plan.shares):
        folder, why = share_folder(artifacts, share), "its job says nothing of it"
        try:
            read.append(documents.read_results(folder, plan=plan, round=round_number, share=share))
        except EnvironmentFault as error:
            why = _describe(error)
        lost |= dict.fromkeys(tasks, why)
    results = {one.task: one for share in read for one in share.tasks}
    return ShareFiles(
        read=tuple(read),
        results=results,
        lost={task: why for task, why in lost.items() if task not in results},
    )


@dataclass(frozen=True, kw_only=True)
class ResultChecker:
    """A checker of the results of one round.

    `fetched` holds the commits of earlier rounds that the server still has, which are in `objects`.
    """

    plan_artifact: PlanArtifact
    shares: ShareFiles
    artifacts: Path
    objects: RunRepository
    fetched: Mapping[str, str]

    def accept(self) -> AcceptedResults:
        """Return one event for each task.

        A fault in a share's files never raises; it is the reason to refuse the result.
        """
        answers = [self._answer(one) for one in self.plan_artifact.history.tasks.values()]
        refused = {one.task: one.reason for one in answers if isinstance(one, _RefusedResult)}
        events = (one.event if isinstance(one, _RefusedResult) else one for one in answers)
        return AcceptedResults(
            events=tuple(events),
            refused=refused,
            gone=self._find_gone(),
            reported={
                one.task: verdict.reason
                for one in self.plan_artifact.history.tasks.values()
                if one.lands_anyway and one.head in self.fetched and one.task not in refused
                if (verdict := self._judge(one.base, one.head, ()))
            },
        )

    def _find_gone(self) -> dict[str, str]:
        """Return the reason for each result of an earlier round whose commit is nowhere."""
        return {
            one.task: f"its commit {one.head} is on no branch and in no bundle of the run"
            for one in self.plan_artifact.history.tasks.values()
            if self._is_carried(one) and one.head not in self.fetched
        }

    def _is_carried(self, one: TaskHistory) -> bool:
        is_answered = one.task in self.shares.lost or one.task in self.shares.results
        return not is_answered and one.state is TaskState.SUCCEEDED and bool(one.head)

    def _answer(self, one: TaskHistory) -> ResultReceived | _RefusedResult:
        key = one.task
        if key in self.shares.lost:
            reason = self.shares.lost[key]
            return ResultReceived(task=key, state=TaskState.FAILED, reason=reason)
        if key in self.shares.results:
            return self._answer_result(self.shares.results[key])
        if self._is_carried(one):
            return self._answer_carried(one)
        # The work of a lost task is put on a branch, which needs its commit.
        is_gone = one.state.is_lost and one.head not in self.fetched
        head = "" if is_gone else one.head
        return replace(_without_change(key, one.state, one.reason), head=head)

    def _answer_result(self, result: Result) -> ResultReceived | _RefusedResult:
        if not result.head:
            return _without_change(result.task, result.state, result.reason)
        touches = {task.id: task.touches for task in self.plan_artifact.plan.tasks}[result.task]
        reason = self._doubt(result)
        judgement = PathVerdict() if reason else self._judge(result.base, result.head, touches)
        reason = reason or "; ".join(judgement.refused)
        if reason:
            return _RefusedResult(task=result.task, reason=reason)
        return _to_land(result, sensitive=judgement.sensitive, classes=judgement.classes)

    def _answer_carried(self, one: TaskHistory) -> ResultReceived | _RefusedResult:
        """Check only the paths of a result that an earlier round accepted.

        The list of protected paths may have changed since then.
        """
        if one.head not in self.fetched:
            return _without_change(one.task, TaskState.FAILED, self._find_gone()[one.task])
        reason = self._refuse_given(one) if one.given else self._refuse_carried(one)
        if reason:
            return _RefusedResult(task=one.task, reason=reason)
        return _to_land(one, sensitive=one.sensitive, classes=one.classes)

    def _refuse_carried(self, one: TaskHistory) -> str:
        return "; ".join(self._judge(one.base, one.head, ()).refused)

    def _refuse_given(self, one: TaskHistory) -> str:
        """Return why a pull request of others may not land, or "".

        The path policy holds those of forks, and nobody is asked about a part of them.
        """
        if one.lands_anyway:
            odd = change_limits.check_change(self.objects, base=one.base, head=one.head)
            return "; ".join(odd) or self._find_workflow(one)
        return self._judge(one.base, one.head, ()).reason

    def _find_workflow(self, given: TaskHistory) -> str:
        """Return why the change cannot be pushed, or ""."""
        changed = self.objects.changes(given.base, given.head)
        found = next((one.path for one in changed if one.path.startswith(_WORKFLOWS)), "")
        if not found:
            return ""
        return f"{found}: GitHub lets no workflow push a change of workflows; a person merges it"

    def _doubt(self, result: Result) -> str:
        """Return why the result is not what it says; "" if it is."""
        plan = self.plan_artifact.plan
        share = next(n for n, tasks in enumerate(plan.shares) if result.task in tasks)
        folder = share_folder(self.artifacts, share)
        try:
            bundles.receive_bundle(self.objects, folder, result, run=plan.run, base=plan.base)
            return find_head_fault(self.objects, result, plan=plan) or find_base_fault(
                self.objects, result, plan=plan, results=self.shares.results
            )
        except EnvironmentFault as error:
            return _describe(error)

    def _judge(self, base: str, head: str, touches: tuple[str, ...]) -> PathVerdict:
        plan = self.plan_artifact.plan
        # This comes first because it also tells whether the change can be listed at all.
        odd = change_limits.check_change(self.objects, base=base, head=head)
        if odd:
            return PathVerdict(refused=odd)
        judge = ChangeJudge(
            objects=self.objects,
            plan=plan,
            place=RunPlace.GITHUB,
            prompts=self.plan_artifact.history.prompts,
        )
        return judge.judge(base, head, touches=touches)


def _to_land(
    one: TaskResult, *, sensitive: tuple[str, ...], classes: tuple[str, ...]
) -> ResultReceived:
    """Return the event of a result with a change; a reason of an earlier round is over."""
    taken = one.take(TaskResult) | {"reason": ""}
    return ResultReceived(**taken, sensitive=sensitive, classes=classes)


def _without_change(task: str, state: TaskState, reason: str) -> ResultReceived:
    """Return the event of a task that has nothing to land.

    An open task has failed for this job, because no agent works on it in this round any more.
    """
    if state not in _OPEN:
        return ResultReceived(task=task, state=state, reason=reason)
    return ResultReceived(
        task=task, state=TaskState.FAILED, reason=reason or "it is not done in this round"
    )


def _describe(error: EnvironmentFault) -> str:
    return f"{error.what}: {error.why}" if error.why else error.what

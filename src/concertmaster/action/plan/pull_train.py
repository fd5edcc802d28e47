"""Plans the landing of pull requests that people and others have opened.

Each is a task of the run without work: its head is pinned here, and later jobs take that commit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster.action.authorize import AuthorizedRequest
from concertmaster.action.job import Job
from concertmaster.action.plan import inputs
from concertmaster.errors import UsageError
from concertmaster.git.our_branches import PREFIX
from concertmaster.github.asked_pulls import AskedPull, find_obstacle
from concertmaster.github.errors import NotFound
from concertmaster.model import Need, Plan, RunSettings, Skipped, TaskState
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.checkout import Checkout
from concertmaster.planning.given_branches import (
    GivenBranch,
    find_needs,
    read_given,
    without_agent,
)
from concertmaster.planning.run_settings import draft_plan
from concertmaster.rounds.history import GivenPull, History, TaskHistory, by_name
from concertmaster.settings.choices import HistoryShape, LandingMode
from concertmaster.settings.sources import overrule

_NEEDS_LINEAR = "required_linear_history"


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedPull:
    """A pull request that may land, and its branch at the head that was asked for."""

    asked: AskedPull
    branch: GivenBranch


def plan_train(job: Job, request: AuthorizedRequest) -> tuple[Planned, History]:
    """Return the plan, which has no tasks for agents, and the history as the run begins.

    Raises UsageError if none of the pull requests can land.
    """
    options = overrule(job.settings.options(), by=dict(request.order.options))
    checkout = inputs.open_target(job, job.clone(), options)
    pinned, left = _pin(job, request, checkout)
    if not pinned:
        raise UsageError(
            "none of these pull requests can land now",
            why="; ".join(f"#{number}: {reason}" for number, reason in left.items()),
            next_step="see to what is named, then write the comment again",
        )
    trigger = request.trigger
    draft = draft_plan(checkout, run=trigger.run, requester=trigger.requester)
    plan = replace(draft, slots=1, settings=_settle(job, checkout, draft))
    needs = (*find_needs([one.branch for one in pinned]), *_find_stacks(pinned))
    history = _begin(request, plan, pinned, needs=needs, left=left)
    return Planned(plan=plan, repository=checkout.repository, texts={}), history


def _settle(job: Job, checkout: Checkout, draft: Plan) -> RunSettings:
    """Return the settings of the run: what was asked for lands, merged unless a rule forbids it."""
    given, shape = checkout.settings, checkout.settings.history
    if shape is HistoryShape.AUTO:
        rules = job.issue_client.rules(checkout.target)
        is_linear = any(rule.type == _NEEDS_LINEAR for rule in rules)
        shape = HistoryShape.LINEAR if is_linear else HistoryShape.MERGE
    single = LandingMode.SINGLE_PULL_REQUEST
    landing = single if given.landing is single else LandingMode.MERGE
    return without_agent(draft.settings, landing=landing, history=shape)


def plan_train_again(job: Job, checkout: Checkout, before: History) -> Planned:
    """Return the plan of a further round, which lands what an earlier one pinned."""
    draft = draft_plan(checkout, run=before.run, requester=before.requester)
    plan = replace(draft, slots=1, settings=_settle(job, checkout, draft))
    return Planned(plan=plan, repository=checkout.repository, texts={})


def _pin(
    job: Job, request: AuthorizedRequest, checkout: Checkout
) -> tuple[list[PinnedPull], dict[int, str]]:
    """Return the pull requests that may land, in the comment's order, and why others may not."""
    found, left = _look_up(job, request)
    usable = _choose(found, left, target=checkout.target)
    commits = [one.pull.head_commit for one in usable]
    fetched = job.remote.fetch(checkout.repository, commits)
    pinned: list[PinnedPull] = []
    for one in usable:
        number = one.pull.number
        if one.pull.head_commit not in fetched:
            left[number] = f"its commit {one.pull.head_commit[:12]} cannot be fetched"
            continue
        try:
            branch = _read_branch(one, checkout)
        except UsageError as error:
            left[number] = f"{error.what}, {error.why}"
            continue
        if branch.commits:
            pinned.append(PinnedPull(asked=one, branch=branch))
        else:
            left[number] = f"{checkout.target} contains it already"
    return _without_stranded(pinned, left, target=checkout.target), left


def _look_up(job: Job, request: AuthorizedRequest) -> tuple[dict[int, AskedPull], dict[int, str]]:
    """Return the pull requests of the comment by number, and why others may not land."""
    found: dict[int, AskedPull] = {}
    left: dict[int, str] = {}
    pulls = job.issue_client.pulls
    for number in request.order.pulls:
        try:
            pull, missing = pulls.get(number), pulls.missing_reviews(number)
        except NotFound:
            left[number] = "there is no such pull request"
            continue
        asked = AskedPull(pull=pull, push=pulls.last_push(pull), missing=missing)
        reason = find_obstacle(asked, at=request.trigger.comment_at)
        if asked.is_fork and job.is_single and not reason:
            reason = (
                "it is of a fork, and this workflow has one job, which holds the token that "
                "writes; the workflow of four jobs checks forks without any secret"
            )
        if reason:
            left[number] = reason
        else:
            found[number] = asked
    return found, left


def _choose(
    found: Mapping[int, AskedPull], left: dict[int, str], *, target: str
) -> list[AskedPull]:
    """Return those that are for the target or for the branch of another one; note why not."""
    branches = {one.pull.head for one in found.values()} - {""}
    usable = []
    for number, one in found.items():
        if one.pull.base in {target, *branches}:
            usable.append(one)
        else:
            left[number] = (
                f"it is for {one.pull.base}, which is neither {target} nor the branch of another "
                "one in the comment"
            )
    return usable


def _without_stranded(
    pinned: Sequence[PinnedPull], left: dict[int, str], *, target: str
) -> list[PinnedPull]:
    """Return those whose lower ones are there, however deep they are stacked."""
    kept = [*pinned]
    while True:
        branches = {target, *(one.asked.pull.head for one in kept)}
        stranded = [one for one in kept if one.asked.pull.base not in branches]
        if not stranded:
            return kept
        for one in stranded:
            pull = one.asked.pull
            left[pull.number] = f"the pull request of {pull.base}, which it is for, does not land"
            kept.remove(one)


def _read_branch(asked: AskedPull, checkout: Checkout) -> GivenBranch:
    pull = asked.pull
    number, head = pull.number, pull.head_commit
    return read_given(checkout, f"#{number}", task=f"pull-{number}", head=head)


def _find_stacks(pinned: Sequence[PinnedPull]) -> list[Need]:
    """Return the needs of pull requests that are for the branch of another one.

    One whose lower branch went on contains its head no more, and still lands only with it.
    """
    lower = {one.asked.pull.head: one.branch for one in pinned if one.asked.pull.head}
    return [
        Need(
            task=one.branch.task,
            on=lower[one.asked.pull.base].task,
            hard=True,
            reason=f"{one.branch.name} is for the branch of {lower[one.asked.pull.base].name}",
        )
        for one in pinned
        if one.asked.pull.base in lower
        if lower[one.asked.pull.base].head not in one.branch.commits
    ]


def _begin(
    request: AuthorizedRequest,
    plan: Plan,
    pinned: Sequence[PinnedPull],
    *,
    needs: tuple[Need, ...],
    left: Mapping[int, str],
) -> History:
    """Return the history of a run whose results are there before it begins."""
    assert request.parent is not None, "a comment stands on an issue"
    options = {**dict(request.order.options), "history": str(plan.settings.history)}
    return History(
        run=plan.run,
        round=1,
        trigger=request.key,
        parent=request.parent.number,
        base=plan.base,
        target=plan.target,
        options=tuple(sorted(options.items())),
        requester=plan.settings.requester,
        tasks=by_name(map(_task, pinned)),
        needs=needs,
        skipped=tuple(
            Skipped(prompt=f"#{number}", task=f"pull-{number}", reason=reason)
            for number, reason in left.items()
        ),
        started_at=plan.settings.made_at,
    )


def _task(one: PinnedPull) -> TaskHistory:
    pull = one.asked.pull
    is_trusted = not one.asked.is_fork and not pull.head.startswith(PREFIX)
    return TaskHistory(
        task=one.branch.task,
        title=pull.title,
        prompt=one.branch.name,
        blob="",
        state=TaskState.SUCCEEDED,
        base=one.branch.base,
        head=one.branch.head,
        pull=pull.number,
        given=GivenPull(number=pull.number, branch=pull.source_branch, is_trusted=is_trusted),
    )

"""Prepares the next round of a run: reads its state and reconciles it with GitHub."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from concertmaster.action.authorize import AuthorizedRequest
from concertmaster.action.find_plan import find_plan
from concertmaster.action.job import Job
from concertmaster.action.plan.inputs import open_branch
from concertmaster.action.plan.plan_round import deal_round, plan_round
from concertmaster.action.plan.pull_train import plan_train_again
from concertmaster.action.reconcile import reconcile
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.git.repository import Repository
from concertmaster.github.event import Trigger
from concertmaster.model import Plan
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.checkout import Checkout, do_again
from concertmaster.planning.restricted_plan import restrict
from concertmaster.prompts.files import PromptFile
from concertmaster.rounds import next_round, state_branch, transitions
from concertmaster.rounds.evidence import add_evidence
from concertmaster.rounds.history import History, TaskHistory
from concertmaster.rounds.next_round import RoundTodo
from concertmaster.rounds.state_branch import SavedState
from concertmaster.settings.choices import HistoryShape
from concertmaster.settings.sources import overrule


class NotDue(UsageError):
    """The round was held before, or we dispatched it ourselves and it is not due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NextRound:
    """The next round of a run.

    `before` is the history on the state branch, `history` the same after reconciliation with
    GitHub. `named` are the ids of the tasks that a person named.
    """

    before: History
    history: History
    by_person: bool
    key: str  # names the request for this round
    named: tuple[str, ...] = ()

    @property
    def is_settled(self) -> bool:
        """Return whether people merged or closed pull requests since the last round."""
        return self.before != self.history


def plan_next_round(job: Job, request: AuthorizedRequest) -> tuple[Planned, History | None]:
    """Return the plan of this round and the history as it begins.

    The plan has no tasks where nothing is to be worked on. The history is None where nothing is to
    be done at all. Raises UsageError where there is no run, or it may not go on now.
    """
    repository = job.clone()
    found = _find_next_round(job, request, repository)
    options = {**dict(found.history.options), **dict(request.order.options)}
    # A run that began before there was a choice names none.
    usual = {"history": str(HistoryShape.MERGE)}
    given = overrule(job.settings.options(), by={**usual, **options})
    target, requester = found.history.target, request.trigger.requester
    # The history of the run says what has landed.
    checkout = do_again(open_branch(job, repository, target, options=given))
    requester = requester or found.history.requester
    trigger = replace(request.trigger, run=found.history.run, requester=requester)
    if found.history.is_train:
        planned = plan_train_again(job, checkout, found.history)
    else:
        planned = plan_round(job, checkout, _read_prompts(found, checkout), trigger=trigger)
    if "history" in options:
        options["history"] = str(planned.plan.settings.history)
    before = replace(found.history, options=tuple(sorted(options.items())))
    plan, todo = _keep_to_budget(found, planned.plan)
    is_untold = before.due is not None and before.due.reason == next_round.UNANSWERED
    if not (todo or found.is_settled or is_untold):
        return planned, None
    whole = add_evidence(restrict(plan, todo.work), before)
    history = next_round.begin_round(
        before, whole, todo, trigger=found.key, own=not found.by_person
    )
    plan = deal_round(job, whole, checkout.settings) if whole.tasks else whole
    return replace(planned, plan=plan), history


def _find_next_round(job: Job, request: AuthorizedRequest, repository: Repository) -> NextRound:
    trigger = request.trigger
    run = trigger.run if trigger.is_further else _name_run(job, trigger.issue)
    before = _read_state(job, repository, run).history
    history = transitions.block(reconcile(job.issue_client, before))
    found = NextRound(
        before=before,
        history=history,
        by_person=not _is_ours(job, before, trigger),
        key=request.key,
        named=_find_tasks(history, request.order.tasks),
    )
    _check_round(found, trigger)
    return found


def _is_ours(job: Job, before: History, trigger: Trigger) -> bool:
    """Return whether we dispatched the round ourselves.

    A person whose token we use has the same login, so the round of such a token must also be due.
    """
    if not trigger.is_further or trigger.actor != job.issue_client.viewer():
        return False
    return trigger.is_bot or (before.due is not None and before.due.round == trigger.round)


def _name_run(job: Job, issue: int) -> str:
    """Return the run of the issue's newest plan. Raises UsageError if there is none."""
    plan = find_plan(job, issue)
    if plan is not None:
        return plan.run
    raise UsageError(
        f"there is no run on issue #{issue} to go on with",
        why="no plan of ours stands on it",
        next_step="start one with `/orchestrate` and a list of prompts",
    )


def _read_state(job: Job, repository: Repository, run: str) -> SavedState:
    found = state_branch.read(repository, job.remote, run)
    if found is not None:
        return found
    raise UsageError(
        f"nothing is known of run {run}",
        why=f"there is no branch {state_branch.name_of(run)}; its last job writes it",
        next_step="wait until the run is over, or start a new one with `/orchestrate`",
    )


def _find_tasks(history: History, named: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of tasks that are named by id or by issue number (`#12`).

    Raises UsageError for an unknown name.
    """
    known = {f"#{one.issue}": key for key, one in history.tasks.items() if one.issue}
    known |= {key: key for key in history.tasks}
    for name in named:
        if name not in known:
            raise UsageError(
                f"this run has no task {name}",
                why=f"it has {', '.join([*history.tasks][:20])}",
                next_step="name tasks by their id or by the number of their issue",
            )
    return tuple(known[name] for name in named)


def _check_round(found: NextRound, trigger: Trigger) -> None:
    """Raise NotDue for a round that was held before, and for one of ours that is not due."""
    before = found.before
    if before.trigger == found.key:
        raise NotDue(
            f"round {before.round} of run {before.run} is over",
            why="this workflow run has done it already",
            next_step=f"write `/orchestrate retry` on #{before.parent} for what did not land",
        )
    if found.by_person or found.is_settled:
        return
    due = before.due
    if due is None or due.round != trigger.round:
        raise NotDue(
            f"no round {trigger.round} of run {before.run} is due",
            why=f"its state branch has {'round ' + str(due.round) if due else 'none'} as due",
            next_step=f"write `/orchestrate retry` on #{before.parent} for what did not land",
        )


def _keep_to_budget(found: NextRound, plan: Plan) -> tuple[Plan, RoundTodo]:
    """The plan with what is left of the run's budget; with none left no agent works any more.

    No task is worked on when the budget is used up. Raises UsageError when a person then asks for
    work.
    """
    settings = plan.settings
    todo = next_round.choose_todo(
        found.history, settings, by_person=found.by_person, named=found.named
    )
    if settings.budget_usd is None:
        return plan, todo
    spent = transitions.cost(found.history)
    left = settings.budget_usd - spent
    if todo.work and left <= 0:
        if found.by_person:
            raise UsageError(
                f"the budget of ${settings.budget_usd:.2f} is used up (${spent:.2f})",
                why="it is that of the whole run, not of one round",
                next_step=f"raise it: `/orchestrate retry budget={math.ceil(2 * spent)}`",
            )
        return plan, replace(todo, work=())
    changed = replace(settings, budget_usd=max(left, 0.0))
    return replace(plan, settings=changed), todo


def _read_prompts(found: NextRound, checkout: Checkout) -> list[PromptFile]:
    """Every prompt of the run: as a person who asks again finds it on the target now, else as it
    was when the run began. Raises EnvironmentFault for a text that is gone."""
    modes = checkout.repository.modes(checkout.commit) if found.by_person else {}
    return [
        PromptFile(path=one.prompt, data=_read_prompt(checkout, one, modes=modes))
        for one in found.history.tasks.values()
    ]


def _read_prompt(checkout: Checkout, one: TaskHistory, *, modes: Mapping[str, str]) -> bytes:
    if modes.get(one.prompt) in ("100644", "100755"):
        data = checkout.repository.read_file(checkout.commit, one.prompt)
    else:
        answer = checkout.repository.git.ask("cat-file", "blob", one.blob)
        data = answer.out if answer.code == 0 else None
    if data is None:
        raise EnvironmentFault(
            f"the text of {one.prompt} is gone",
            why=f"the repository does not have its blob {one.blob[:12]} any more",
            next_step="start a new run with `/orchestrate`",
        )
    return data

"""The finalize job: lands what passed, says what became of everything, begins the next round.

Nothing from the tree is executed, and all that other jobs left is hostile until checked.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from concertmaster.adapters.statebranch import State
from concertmaster.core import notice, rounds
from concertmaster.core.history import History
from concertmaster.core.model import LandingMode, TaskState, Usage
from concertmaster.core.tidings import Speed
from concertmaster.core.verdict import Verdict
from concertmaster.engine import remembrance
from concertmaster.engine.conclusion import Closing, conclude, count_by
from concertmaster.engine.delivery import deliver
from concertmaster.engine.ground import Ground
from concertmaster.engine.intake import Round, gather
from concertmaster.engine.job import Job
from concertmaster.engine.keeping import tidy_branches
from concertmaster.engine.ledger import remember
from concertmaster.engine.next_round import reconcile
from concertmaster.engine.proposals import name_merged
from concertmaster.engine.reach import Delivery, Reached
from concertmaster.engine.repetition import repeat
from concertmaster.engine.settlement import dispatch
from concertmaster.errors import EnvironmentFault

ACTIONS_BOT = "github-actions[bot]"  # whose pushes start no workflow


def finalize(job: Job) -> int:
    """Land, report, remember; safe to run again."""
    ground, held = gather(job)
    delivery = _deliver(ground, held, name_merged(ground, _start(held)))
    history, failed = tidy_branches(ground, held, delivery.history)
    delivery = replace(delivery, history=_with_due(job, held, history)).note(*failed)
    history, page = _conclude(ground, held, delivery)
    remember(ground, held, history)
    _begin_next(job, history)
    _write_outputs(job, history, page)
    return 0


def _start(held: Round) -> History:
    """The history with what came back, before anything is delivered."""
    history = _continue(held.handout.history, held.state)
    history = rounds.take_results(history, held.shares.results, lost=held.shares.lost)
    for task, paths in held.accepted.held.items():
        history = history.put(replace(history.task(task), sensitive=paths))
    for task, reason in held.accepted.refused.items():
        history = rounds.refuse(history, task, reason=reason)
    if held.verdict is not None:
        history = rounds.take_verdict(history, held.verdict)
    return rounds.block(history)


def _continue(history: History, state: State | None) -> History:
    """What a try before this one has written down of this round is known as well."""
    if state is None or state.history.round < history.round:
        return history
    stored = state.history
    if stored.round > history.round or stored.trigger != history.trigger:
        raise EnvironmentFault(
            f"round {history.round} of run {history.run} is over",
            why=f"its state branch has round {stored.round}, held by another workflow run",
            next_step=f"write `/orchestrate retry` on #{history.parent} for what did not land",
        )
    return replace(history, tips=stored.tips, failure_issue=stored.failure_issue)


def _deliver(ground: Ground, held: Round, history: History) -> Delivery:
    verdict = held.verdict
    if verdict is None or verdict.base_green is False:
        return Delivery(history=history).note(*_explain(ground.job, verdict, history))
    made = repeat(ground.objects, verdict, history, plan=ground.plan)
    settings = ground.plan.settings
    last = history.own_rounds >= settings.rounds
    delivery = deliver(ground, history, verdict, made=made, last=last)
    return replace(delivery, history=rounds.block(delivery.history))


def _explain(job: Job, verdict: Verdict | None, history: History) -> Iterator[str]:
    if verdict is not None:
        return  # the report tells what it says of the base
    if job.settings.cancelled:
        yield "The run was cancelled, so nothing landed; what agents had done is kept."
    elif any(one.state is TaskState.SUCCEEDED and one.head for one in history.tasks):
        yield "There is no verdict of the verify job, so nothing landed."


def _with_due(job: Job, held: Round, history: History) -> History:
    """The next round that we begin by ourselves, if there is one."""
    settings = held.handout.plan.settings
    is_red = held.verdict is not None and held.verdict.base_green is False
    is_red = is_red or held.shares.base_green is False
    spent = rounds.cost(history) - rounds.cost(held.handout.history)
    is_spent = settings.budget_usd is not None and spent >= settings.budget_usd
    if job.settings.cancelled or is_red or is_spent:
        return replace(history, due=None)
    return replace(history, due=rounds.find_due(history, settings, at=job.clock.now()))


def _conclude(ground: Ground, held: Round, delivery: Delivery) -> tuple[History, str]:
    job = ground.job
    history, notes = _put_memory(ground, delivery)
    closing = Closing(
        history=history,
        verdict=held.verdict,
        speed=_measure(job, held),
        notes=[*delivery.notes, *notes, *_tell_of_token(ground, delivery)],
    )
    return conclude(job, closing, viewer=ground.viewer)


def _put_memory(ground: Ground, delivery: Delivery) -> tuple[History, tuple[str, ...]]:
    """Memory.md as the run ends, also where nothing landed; the notes of what did not work."""
    history, mode = delivery.history, ground.plan.settings.landing
    if ground.job.settings.cancelled:
        return history, ()
    if mode is LandingMode.PULL_REQUESTS:
        return remembrance.offer(ground, history)
    lands_here = mode is LandingMode.MERGE and delivery.reached is not Reached.PULL
    if history.due or not (lands_here or delivery.reached is Reached.TARGET):
        return history, ()
    return history, remembrance.bring(ground, history)


def _measure(job: Job, held: Round) -> Speed | None:
    """Of this round alone; before it nobody may have done anything for days."""
    results = held.shares.results.values()
    if not results:
        return None
    return Speed(
        agent_seconds=sum(one.seconds for one in results),
        check_seconds=held.verdict.check_seconds if held.verdict else 0.0,
        wall_seconds=max(0.0, job.clock.now() - held.handout.plan.settings.made_at),
        usage=sum((one.usage for one in results), start=Usage()),
    )


def _tell_of_token(ground: Ground, delivery: Delivery) -> Iterator[str]:
    if ground.viewer == ACTIONS_BOT and delivery.reached in (Reached.TARGET, Reached.PULL):
        yield notice.NO_CI


def _begin_next(job: Job, history: History) -> None:
    """The round that is due now; the hourly job starts what is due later.

    A pull request that a person merged before the state branch told of it made control start none.
    """
    due = history.due
    is_due = due is not None and due.at <= job.clock.now()
    if job.settings.workflow_ref and (is_due or reconcile(job.forge, history) != history):
        dispatch(job, history, number=history.round + 1)


def _write_outputs(job: Job, history: History, page: str) -> None:
    counted = {name: json.dumps(tasks) for name, tasks in count_by(history).items()}
    job.write_outputs({"run": history.run, **counted, "report": page})

"""Runs the finalize job: lands what passed, reports every task and begins the next round.

Nothing from the tree is executed, and everything from other jobs is hostile until checked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from concertmaster.action.dispatch import dispatch_round
from concertmaster.action.finalize import memory
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.deliver import deliver
from concertmaster.action.finalize.given_pulls import leave_out_changed, settle_given
from concertmaster.action.finalize.inputs import RoundInputs, read_round_inputs
from concertmaster.action.finalize.publish_report import RoundReport, count_by_state, publish_report
from concertmaster.action.finalize.pull_requests import Delivery, Reached, name_merged
from concertmaster.action.finalize.replay_merges import replay_merges
from concertmaster.action.finalize.save_state import save_state
from concertmaster.action.finalize.stranded_work import PackedWork, pack_stranded
from concertmaster.action.finalize.tidy_branches import tidy_branches
from concertmaster.action.job import Job
from concertmaster.action.reconcile import reconcile
from concertmaster.action.workflow_commands import encode_names
from concertmaster.comments import pull_request
from concertmaster.comments.round_report import Speed
from concertmaster.comments.task_words import issue_number
from concertmaster.errors import EnvironmentFault
from concertmaster.github.errors import GivenUp
from concertmaster.model import TaskState, Usage
from concertmaster.rounds import next_round, transitions
from concertmaster.rounds.history import History
from concertmaster.rounds.state_branch import SavedState
from concertmaster.rounds.verdict import Verdict
from concertmaster.settings.choices import LandingMode, branch_of
from concertmaster.text.markdown import as_line

ACTIONS_BOT = "github-actions[bot]"  # its pushes start no workflow


def finalize(job: Job) -> int:
    """Run the finalize job and return its exit code, 0; safe to repeat.

    Raises GivenUp where GitHub does not answer; then the state is kept and a round is due.
    """
    context, held = read_round_inputs(job)
    begun = _start(held)
    try:
        delivery = _deliver(context, held, name_merged(context, begun))
    except GivenUp:
        _keep(context, held, begun)
        raise
    tidied = tidy_branches(context, held, delivery.history)
    kept = pack_stranded(context, tidied.stranded)
    notes = (*tidied.notes, *kept.notes)
    delivery = replace(delivery, history=_with_due(job, held, tidied.history)).note(*notes)
    try:
        history, page = _conclude(context, held, delivery)
    except GivenUp:  # git still works, and the state tells the next round what has landed
        _save_unfinished(context, held, delivery.history, kept)
        raise
    save_state(context, held, history, bundles=kept.bundles)
    _begin_next(job, history)
    _write_outputs(job, history, page)
    return 0


def _keep(context: FinalizeContext, held: RoundInputs, history: History) -> None:
    """Keep the results of the round, by git alone, for a round that is due."""
    tidied = tidy_branches(context, held, history)
    _save_unfinished(context, held, tidied.history, pack_stranded(context, tidied.stranded))


def _save_unfinished(
    context: FinalizeContext, held: RoundInputs, history: History, kept: PackedWork
) -> None:
    unfinished = next_round.finish_later(history, at=context.job.clock.now())
    save_state(context, held, unfinished, bundles=kept.bundles)


def _start(held: RoundInputs) -> History:
    """Return the history with the results and the verdict of this round, before anything lands."""
    history = _continue(held.plan_artifact.history, held.state)
    history = transitions.take_results(history, held.shares.results, lost=held.shares.lost)
    for task, found in held.accepted.held.items():
        paths, classes = found.sensitive, found.classes
        history = history.put(replace(history.task(task), sensitive=paths, classes=classes))
    for task, reason in held.accepted.gone.items():
        history = transitions.lose(history, task, reason=reason)
    for task, reason in held.accepted.refused.items():
        history = transitions.refuse(history, task, reason=reason)
    if held.verdict is not None:
        history = transitions.take_verdict(history, held.verdict)
    return transitions.block(history)


def _continue(history: History, state: SavedState | None) -> History:
    """Return the history with what an earlier try of this round saved.

    Raises EnvironmentFault when another workflow run has held this round, or a later one.
    """
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


def _deliver(context: FinalizeContext, held: RoundInputs, history: History) -> Delivery:
    verdict = held.verdict
    if verdict is None or verdict.base_green is False:
        return Delivery(history=history).note(*_explain(context.job, verdict, history))
    replayed = replay_merges(context.objects, verdict, history, plan=context.plan)
    if history.is_train and not context.has_landed(replayed.verdict.commit):
        history, replayed = leave_out_changed(context, history, replayed)
    settings = context.plan.settings
    last = history.own_rounds >= settings.rounds
    delivery = deliver(context, history, replayed, last=last)
    delivery = delivery.note(*replayed.notes)
    return replace(delivery, history=transitions.block(delivery.history))


def _explain(job: Job, verdict: Verdict | None, history: History) -> Iterator[str]:
    """Yield why nothing landed, unless the report tells it anyway."""
    if verdict is not None:
        return  # the report says that the base is red
    if job.settings.cancelled:
        yield "The run was cancelled, so nothing landed; what agents had done is kept."
    elif any(one.state is TaskState.SUCCEEDED and one.head for one in history.tasks.values()):
        yield "There is no verdict of the verify job, so nothing landed."


def _with_due(job: Job, held: RoundInputs, history: History) -> History:
    """Return the history with the next round that we begin ourselves, if there is one."""
    settings = held.plan_artifact.plan.settings
    is_red = held.verdict is not None and held.verdict.base_green is False
    is_red = is_red or held.shares.base_green is False
    spent = transitions.cost(history) - transitions.cost(held.plan_artifact.history)
    is_spent = settings.budget_usd is not None and spent >= settings.budget_usd
    if job.settings.cancelled or is_red or is_spent:
        return replace(history, due=None)
    return replace(history, due=next_round.find_due(history, settings, at=job.clock.now()))


def _conclude(
    context: FinalizeContext, held: RoundInputs, delivery: Delivery
) -> tuple[History, str]:
    """Write Memory.md and publish the report; return the history and the URL of the report."""
    job = context.job
    history, notes = _put_memory(context, delivery)
    settle_given(context, history)
    closing = RoundReport(
        history=history,
        verdict=held.verdict,
        speed=_measure(job, held),
        notes=[
            *delivery.notes,
            *notes,
            *_tell_of_policy(history, held),
            *_tell_of_token(context, delivery),
        ],
    )
    return publish_report(job, closing, viewer=context.viewer)


def _put_memory(context: FinalizeContext, delivery: Delivery) -> tuple[History, tuple[str, ...]]:
    """Write Memory.md when the run ends, even where nothing landed.

    Returns the history, and notes (Markdown) on what failed.
    """
    history, mode = delivery.history, context.plan.settings.landing
    if context.job.settings.cancelled or history.is_train:
        return history, ()
    if branch_of(context.plan.settings.memory) and not history.due:
        return history, memory.push_memory(context, history)
    if mode is LandingMode.PULL_REQUESTS:
        return memory.propose_memory(context, history)
    lands_here = mode is LandingMode.MERGE and delivery.reached is not Reached.PULL
    if history.due or not (lands_here or delivery.reached is Reached.TARGET):
        return history, ()
    return history, memory.push_memory(context, history)


def _measure(job: Job, held: RoundInputs) -> Speed | None:
    """Return the times and the usage of this round, None when no task has a result.

    Earlier rounds do not count, because days without work may lie between them.
    """
    results = held.shares.results.values()
    if not results:
        return None
    return Speed(
        agent_seconds=sum(one.seconds for one in results),
        check_seconds=held.verdict.check_seconds if held.verdict else 0.0,
        wall_seconds=max(0.0, job.clock.now() - held.plan_artifact.plan.settings.made_at),
        usage=sum((one.usage for one in results), start=Usage()),
    )


def _tell_of_policy(history: History, held: RoundInputs) -> Iterator[str]:
    """Yield what the path policy says of pull requests that it does not hold back."""
    for task, reason in held.accepted.reported.items():
        yield f"{issue_number(history.task(task).pull)} changes {as_line(reason, limit=400)}"


def _tell_of_token(context: FinalizeContext, delivery: Delivery) -> Iterator[str]:
    """Yield a note when pushes of our token start no CI."""
    if context.viewer == ACTIONS_BOT and delivery.reached in (Reached.TARGET, Reached.PULL):
        yield pull_request.NO_CI


def _begin_next(job: Job, history: History) -> None:
    """Dispatch the next round if there is something to do now.

    The hourly control job dispatches rounds that are due later. A pull request that a person merged
    before the state branch recorded it made control dispatch none, so it is looked for here.
    """
    due = history.due
    is_due = due is not None and due.at <= job.clock.now()
    if job.settings.workflow_ref and (is_due or reconcile(job.issue_client, history) != history):
        dispatch_round(job, history, number=history.round + 1)


def _write_outputs(job: Job, history: History, page: str) -> None:
    counted = {name: encode_names(tasks) for name, tasks in count_by_state(history).items()}
    job.write_outputs({"run": history.run, **counted, "report": page})

"""Runs the plan job: authorises the event, plans the tasks and hands out the shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from concertmaster.action.authorize import (
    AuthorizedRequest,
    RejectedRequest,
    answer_event,
    authorize,
    read_parent,
)
from concertmaster.action.job import Job
from concertmaster.action.plan import inputs, publish
from concertmaster.action.plan.further_round import NotDue, plan_next_round
from concertmaster.action.plan.plan_round import deal_round, plan_round
from concertmaster.action.plan.publish import NOTHING
from concertmaster.action.plan.pull_train import plan_train
from concertmaster.action.plan.token_rights import check_token
from concertmaster.action.schedule_issue import close_schedule_issue, report_schedule
from concertmaster.comments import plan_comment
from concertmaster.errors import Error
from concertmaster.github.event import EventKind
from concertmaster.github.prompt_list import PromptList
from concertmaster.github.slash_command import CommandVerb, reply_comment
from concertmaster.planning.build_plan import Planned
from concertmaster.planning.checkout import do_again
from concertmaster.settings.sources import overrule

_STARTS = (CommandVerb.RUN, CommandVerb.PLAN, CommandVerb.RETRY, CommandVerb.LAND)


def plan(job: Job) -> int:
    """Run the plan job and return its exit code, 0.

    A request that may not start a run is answered, and nothing is planned. Raises Error when an
    authorised run cannot be planned.
    """
    received = authorize(job)
    if isinstance(received, RejectedRequest):
        return _reject(job, received)
    if received.order.verb not in _STARTS:
        job.console.note(f"{received.order.verb} is not for the plan job")
        job.write_outputs(NOTHING)
        return 0
    if received.order.verb is CommandVerb.RETRY or received.trigger.is_further:
        return _go_on(job, received)
    with _report_errors(job, job.write_summary):
        request = read_parent(job, received)
    if request.order.verb is CommandVerb.LAND:
        return _land(job, request)
    if request.prompts.problems:
        return _reject(job, _unreadable(request, request.prompts))
    _react(job, request)
    is_scheduled = request.trigger.kind is EventKind.SCHEDULE
    tell = report_schedule if is_scheduled else answer_event
    with _report_errors(job, partial(tell, job, request.trigger)):
        planned = check_token(job, _make_plan(job, request))
    if is_scheduled:
        close_schedule_issue(job, request.trigger)
    return publish.publish_plan(job, request, planned)


@contextmanager
def _report_errors(job: Job, tell: Callable[[str], None]) -> Iterator[None]:
    """Tell people about an Error of the block with `tell`, then raise it again.

    A NotDue goes to the job summary only.
    """
    try:
        yield
    except Error as error:
        job.write_outputs(NOTHING)
        if isinstance(error, NotDue):  # a repeated request, or our own: nobody waits for a reply
            tell = job.write_summary
        tell(plan_comment.error_text(error.what, error.why, error.next_step))
        raise


def _react(job: Job, request: AuthorizedRequest) -> None:
    is_locked = request.parent is not None and request.parent.is_locked
    if request.trigger.comment and not is_locked:
        job.issue_client.react(request.trigger.comment)


def _unreadable(request: AuthorizedRequest, prompts: PromptList) -> RejectedRequest:
    reason = "the list of prompts cannot be read"
    return RejectedRequest(reason=reason, trigger=request.trigger, replies=prompts.problems)


def _reject(job: Job, rejected: RejectedRequest) -> int:
    """Reject the request; only people who may start a run get a reply."""
    job.console.note(f"nothing to do: {rejected.reason}")
    for reply in rejected.replies:
        job.console.note(f"line {reply.line}: {reply.why} {reply.fix}")
    if rejected.replies and rejected.trigger is not None:
        answer_event(job, rejected.trigger, reply_comment(list(rejected.replies)))
    job.write_outputs(NOTHING)
    return 0


def _make_plan(job: Job, request: AuthorizedRequest) -> Planned:
    options = overrule(job.settings.options(), by=dict(request.order.options))
    checkout = inputs.open_target(job, job.clone(), options)
    prompts = request.prompts
    if request.trigger.kind is EventKind.SCHEDULE:  # the same prompts each time
        prompts = inputs.read_scheduled(checkout)
        checkout = do_again(checkout)
    files = inputs.read_prompts(checkout, prompts)
    planned = plan_round(job, checkout, files, trigger=request.trigger, notes=prompts.notes)
    return replace(planned, plan=deal_round(job, planned.plan, checkout.settings))


def _land(job: Job, request: AuthorizedRequest) -> int:
    """Plan the landing of the pull requests that the comment names."""
    _react(job, request)
    with _report_errors(job, partial(answer_event, job, request.trigger)):
        planned, history = plan_train(job, request)
        planned = check_token(job, planned)
    return publish.publish_train(job, planned, history)


def _go_on(job: Job, request: AuthorizedRequest) -> int:
    """Plan the next round of an existing run on the present tip of the target."""
    trigger = request.trigger
    try:
        with _report_errors(job, partial(answer_event, job, trigger)):
            planned, history = plan_next_round(job, request)
            planned = check_token(job, planned)
    except NotDue as error:
        job.console.note(f"nothing to do: {error.what}")
        return 0
    if history is None:
        answer_event(job, trigger, plan_comment.NOTHING_LEFT)
        job.write_outputs(NOTHING)
        return 0
    if trigger.comment:
        job.issue_client.react(trigger.comment)
    return publish.publish_next_round(job, planned, history)

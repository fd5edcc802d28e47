"""Runs the plan job: authorises the event, plans the tasks and hands out the shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from concertmaster.action import checkout
from concertmaster.action.authorize import (
    AuthorizedRequest,
    RejectedRequest,
    answer_event,
    authorize,
    read_parent,
)
from concertmaster.action.checkout import PlanInputs
from concertmaster.action.job import Job, usable_seconds
from concertmaster.action.plan import next_round, publish
from concertmaster.action.plan.next_round import NextRound, NotDue
from concertmaster.action.plan.publish import NOTHING, request_key
from concertmaster.comments import plan_comment
from concertmaster.errors import Error
from concertmaster.git.repository import Repository
from concertmaster.github.event import EventKind, Trigger
from concertmaster.github.prompt_list import PromptList
from concertmaster.github.slash_command import CommandVerb, reply_comment
from concertmaster.model import LandingMode, Plan, RunSettings
from concertmaster.planning.build_plan import Planned, plan_files
from concertmaster.planning.estimates import Sample
from concertmaster.planning.run_settings import FilledSettings, fill_commands, freeze_settings
from concertmaster.planning.shares import deal_shares
from concertmaster.prompts.files import PromptFile
from concertmaster.rounds import state_branch, transitions
from concertmaster.rounds.history import History, recall_history
from concertmaster.settings.sources import overrule

LONGEST_PAUSE_SECONDS = 600.0
MOST_PAST_RUNS = 20  # runs that estimates are learned from
_STARTS = (CommandVerb.RUN, CommandVerb.PLAN, CommandVerb.RETRY)


def plan(job: Job) -> int:
    """Run the plan job and return its exit code, 0.

    A request that may not start a run is answered, and nothing is planned. Raises Error when an
    authorised run cannot be planned.
    """
    received = authorize(job)
    if isinstance(received, RejectedRequest):
        return _turn_away(job, received)
    if received.order.verb not in _STARTS:
        job.console.note(f"{received.order.verb} is not for the plan job")
        job.write_outputs(NOTHING)
        return 0
    if received.order.verb is CommandVerb.RETRY or received.trigger.is_further:
        return _go_on(job, received)
    with _saying_why(job, job.write_summary):
        request = read_parent(job, received)
    if request.prompts.problems:
        return _turn_away(job, _unreadable(request, request.prompts))
    _react(job, request)
    with _saying_why(job, partial(answer_event, job, request.trigger)):
        planned = _make_plan(job, request)
    return publish.publish_plan(job, request, planned)


@contextmanager
def _saying_why(job: Job, tell: Callable[[str], None]) -> Iterator[None]:
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


def _turn_away(job: Job, rejected: RejectedRequest) -> int:
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
    found = checkout.read_plan_inputs(job, job.clone(), options)
    prompts = request.prompts
    if request.trigger.kind is EventKind.SCHEDULE:
        prompts = checkout.read_scheduled(found.settings)
    files = checkout.read_prompts(found.repository, found.base, prompts)
    planned = _plan_files(job, found, files, trigger=request.trigger, notes=prompts.notes)
    return _deal(job, planned, planned.plan)


def _plan_files(
    job: Job,
    found: PlanInputs,
    files: list[PromptFile],
    *,
    trigger: Trigger,
    notes: tuple[str, ...] = (),
) -> Planned:
    filled = fill_commands(found.settings, found.repository, base=found.base, paths=found.paths)
    return plan_files(
        files,
        repository=found.repository,
        paths=found.paths,
        run=trigger.run,
        base=found.base,
        target=found.target,
        slots=found.settings.parallel or job.settings.slots,
        settings=_freeze(filled, trigger),
        notes=(*notes, *filled.notes),
        past=_recall(job, found.repository),
    )


def _recall(job: Job, repository: Repository) -> Sequence[Sample]:
    """Return samples of the newest runs, or none when they cannot be read."""
    # Anyone who can push to these branches can forge them. Only numbers are used, and names that
    # are compared with ours, so a forgery can distort estimates and nothing else.
    try:
        histories = state_branch.read_newest(repository, job.remote, most=MOST_PAST_RUNS)
    except Error as error:
        job.console.note(f"nothing is learned from past runs: {error.what}: {error.why}")
        return ()
    return [sample for history in histories for sample in recall_history(history)]


def _freeze(filled: FilledSettings, trigger: Trigger) -> RunSettings:
    """Return the frozen settings of this run.

    Nobody watches a run that a label or a schedule started, so it lands by pull requests unless
    `landing` is set. The pause for a usage limit is short, because a waiting job costs its time; a
    later round waits instead.
    """
    settings = freeze_settings(filled, requester=trigger.requester)
    settings = replace(settings, longest_pause_seconds=LONGEST_PAUSE_SECONDS)
    is_watched = trigger.kind not in (EventKind.LABEL, EventKind.SCHEDULE)
    if is_watched or "landing" in filled.settings.given:
        return settings
    return replace(settings, landing=LandingMode.PULL_REQUESTS)


def _deal(job: Job, planned: Planned, whole: Plan) -> Planned:
    jobs, seconds = job.settings.max_parallel, usable_seconds(job)
    return replace(planned, plan=deal_shares(whole, jobs=jobs, job_seconds=seconds))


def _go_on(job: Job, request: AuthorizedRequest) -> int:
    """Plan the next round of an existing run on the present tip of the target."""
    trigger = request.trigger
    try:
        with _saying_why(job, partial(answer_event, job, trigger)):
            repository = job.clone()
            found = next_round.find_next_round(
                job, request, repository, key=request_key(job, request)
            )
            planned, history = _plan_further(job, request, found, repository)
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


def _plan_further(
    job: Job, request: AuthorizedRequest, found: NextRound, repository: Repository
) -> tuple[Planned, History | None]:
    """Return the plan of the next round and the history that it begins with.

    The plan has no tasks when no agent has to work. The history is None when nothing is left to do.
    """
    asked = {**dict(found.history.options), **dict(request.order.options)}
    before = replace(found.history, options=tuple(sorted(asked.items())))
    options = overrule(job.settings.options(), by=asked)
    now = checkout.read_plan_inputs(job, repository, options, target=before.target)
    files = next_round.read_prompts(found, repository, now.base)
    requester = request.trigger.requester or before.requester
    trigger = replace(request.trigger, run=before.run, requester=requester)
    planned = _plan_files(job, now, files, trigger=trigger)
    planned, todo = next_round.keep_to_budget(found, planned)
    if not (todo or found.is_settled):
        return planned, None
    evidence = {task: transitions.evidence_of(before.task(task)) for task in todo.work}
    whole = transitions.restrict(planned.plan, todo.work, evidence=evidence)
    history = transitions.begin_round(
        before, whole, todo, trigger=found.key, own=not found.by_person
    )
    return _deal(job, planned, whole) if whole.tasks else replace(planned, plan=whole), history

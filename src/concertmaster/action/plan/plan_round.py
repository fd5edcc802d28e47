"""Plans the tasks of a round: what the local planner does, with what GitHub adds to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from concertmaster.action.job import Job, usable_seconds
from concertmaster.errors import Error
from concertmaster.git.repository import Repository
from concertmaster.github.event import EventKind, Trigger
from concertmaster.model import Plan
from concertmaster.planning.build_plan import PastWork, Planned, plan_files
from concertmaster.planning.checkout import Checkout
from concertmaster.planning.estimates import Sample
from concertmaster.planning.run_settings import draft_plan
from concertmaster.planning.shares import deal_shares, limit_jobs
from concertmaster.prompts.files import PromptFile
from concertmaster.rounds import state_branch
from concertmaster.rounds.history import recall_history
from concertmaster.settings.choices import LandingMode
from concertmaster.settings.declarations import Settings

LONGEST_PAUSE_SECONDS = 600.0
MOST_PAST_RUNS = 20  # that estimates are learned from


def plan_round(
    job: Job,
    checkout: Checkout,
    files: Sequence[PromptFile],
    *,
    trigger: Trigger,
    notes: Sequence[str] = (),
) -> Planned:
    """Return the plan of these prompt files, before its tasks are dealt to jobs."""
    draft = draft_plan(checkout, run=trigger.run, requester=trigger.requester, notes=notes)
    _, slots = _limit(job, checkout.settings)
    draft = replace(draft, slots=slots, notes=(*draft.notes, *_note_limit(job, checkout.settings)))
    past = _recall(job, checkout.repository)
    return plan_files(
        _adapt(draft, checkout, trigger), files, checkout, past=PastWork(samples=past)
    )


def deal_round(job: Job, plan: Plan, settings: Settings) -> Plan:
    """Return the plan with its tasks dealt to the work jobs."""
    jobs, _ = _limit(job, settings)
    return deal_shares(plan, jobs=jobs, job_seconds=usable_seconds(job))


def _limit(job: Job, settings: Settings) -> tuple[int, int]:
    """Return the most work jobs and the slots of each."""
    given = job.settings
    return limit_jobs(settings.parallel, jobs=given.max_parallel, slots=given.slots)


def _note_limit(job: Job, settings: Settings) -> tuple[str, ...]:
    """Return a note if the workflow file allows fewer agents than `parallel` asks for."""
    most = job.settings.max_parallel * job.settings.slots
    if settings.parallel is None or settings.parallel <= most:
        return ()
    given = f"{job.settings.max_parallel} (`max_parallel`) times {job.settings.slots} (`slots`)"
    return (f"parallel={settings.parallel} is more than the workflow file allows: {given}.",)


def _recall(job: Job, repository: Repository) -> Sequence[Sample]:
    """Return what the newest runs took; a plan can also be made without."""
    # Whoever can push to these branches can lie. Only numbers are taken, and what is compared
    # with our own names, so that it bends estimates and no more.
    try:
        histories = state_branch.read_newest(repository, job.remote, most=MOST_PAST_RUNS)
    except Error as error:
        job.console.note(f"nothing is learned from past runs: {error.what}: {error.why}")
        return ()
    return [sample for history in histories for sample in recall_history(history)]


def _adapt(draft: Plan, checkout: Checkout, trigger: Trigger) -> Plan:
    """Return the draft for a run on GitHub.

    Where nobody looks on, people merge, if nothing else was said. A job that only waits for a usage
    limit to end costs its time, so a later round waits instead.
    """
    settings = replace(draft.settings, longest_pause_seconds=LONGEST_PAUSE_SECONDS)
    is_watched = trigger.kind not in (EventKind.LABEL, EventKind.SCHEDULE)
    if not is_watched and "landing" not in checkout.settings.given:
        settings = replace(settings, landing=LandingMode.PULL_REQUESTS)
    return replace(draft, settings=settings)

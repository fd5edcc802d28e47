"""Builds the plan that a user asks for from the repository and the prompt files."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from concertmaster.errors import UsageError
from concertmaster.git.landed_prompts import find_landed
from concertmaster.git.repository import Repository
from concertmaster.insight.foresight import foresee
from concertmaster.model import KnownFlakes, Plan, Prompt
from concertmaster.planning import planner
from concertmaster.planning.checkout import Checkout, PlanRequest, open_checkout
from concertmaster.planning.earlier_tries import EarlierTry, add_changed_paths
from concertmaster.planning.estimates import Sample, learn_samples
from concertmaster.planning.past_flakes import read_flakes
from concertmaster.planning.past_runs import read_past
from concertmaster.planning.planner import Candidate, Experience, SoftOrder
from concertmaster.planning.prose_order import infer_order
from concertmaster.planning.run_settings import draft_plan
from concertmaster.planning.running_prompts import find_running_prompts
from concertmaster.planning.slots import SlotCapacity
from concertmaster.prompts.files import PromptFile, read_prompts
from concertmaster.prompts.parser import parse_prompt, task_id
from concertmaster.sandbox import host
from concertmaster.settings.choices import LandingMode
from concertmaster.settings.process import count_cores, find_index_cache
from concertmaster.text.display import display, shorten_id
from concertmaster.text.failing_tests import name_failing_tests


@dataclass(frozen=True, slots=True, kw_only=True)
class PastWork:
    """What earlier runs tell: what tasks took, what was tried, and what is done.

    `samples` with impossible numbers are ignored. `tries` and `done` are by task id; `done` says
    why there is nothing to do. `busy` are the runs that work on prompts, by task id and blob.
    """

    samples: Sequence[Sample] = ()
    tries: Mapping[str, EarlierTry] = field(default_factory=dict)
    done: Mapping[str, str] = field(default_factory=dict)
    busy: Mapping[tuple[str, str], str] = field(default_factory=dict)


NOTHING_PAST = PastWork()


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with its repository and the contents of its prompts, by blob id."""

    plan: Plan
    repository: Repository
    texts: Mapping[str, bytes]


def make_plan(asked: PlanRequest) -> Planned:
    """Return the plan of a request. Change nothing.

    Raises UsageError or EnvironmentFault.
    """
    checkout = open_checkout(asked)
    root = checkout.repository.root
    files, notes = read_prompts(asked.prompts, root=root, all_prompts=asked.all_prompts)
    return plan_here(checkout, files, notes=(*asked.notes, *notes))


def plan_here(
    checkout: Checkout,
    files: Sequence[PromptFile],
    *,
    notes: Sequence[str] = (),
    past: PastWork = NOTHING_PAST,
) -> Planned:
    """Return the plan of a new run on this machine. The samples are those of its past runs.

    Raises UsageError.
    """
    repository = checkout.repository
    draft = draft_plan(checkout, run=new_run(), requester=repository.requester(), notes=notes)
    flakes = read_flakes(repository.git_dir, check=draft.settings.check)
    noted = replace(draft, flakes=flakes, notes=(*draft.notes, *_note_flakes(flakes)))
    return plan_files(
        _land_here(noted),
        files,
        checkout,
        past=replace(
            past,
            samples=read_past(repository.git_dir),
            busy=find_running_prompts(repository.git_dir),
        ),
        capacity=None if checkout.settings.parallel else measure_capacity(),
    )


def _note_flakes(flakes: KnownFlakes) -> Iterator[str]:
    if flakes.failures:
        named = f": {display(name_failing_tests(flakes.tests), limit=300)}" if flakes.tests else ""
        yield (
            f"the check failed at random in {flakes.failures} of {flakes.checks} past checks"
            f"{named}; suspects are checked again as often as that asks for"
        )


def _land_here(draft: Plan) -> Plan:
    """Return the plan with a way of landing that one machine has, and a note if it is another."""
    mode = draft.settings.landing
    if mode not in (LandingMode.PULL_REQUESTS, LandingMode.SINGLE_PULL_REQUEST):
        return draft
    note = (
        f"landing: {mode} opens pull requests on GitHub only; here each result is kept on a "
        "branch, to be pushed"
    )
    settings = replace(draft.settings, landing=LandingMode.BRANCHES)
    return replace(draft, settings=settings, notes=(*draft.notes, note))


def plan_files(
    draft: Plan,
    files: Sequence[PromptFile],
    checkout: Checkout,
    *,
    past: PastWork = NOTHING_PAST,
    capacity: SlotCapacity | None = None,
) -> Planned:
    """Return the plan of these prompt files on the commit of the checkout. Raises UsageError."""
    checkout.refuse_agents()
    repository = checkout.repository
    prompts = [parse_prompt(file.data, path=file.path) for file in files]
    seen = foresee(prompts, repository=repository, base=checkout.commit, cache=find_index_cache())
    candidates = [
        Candidate(
            id=task_id(file.path),
            prompt=prompt,
            blob=_blob_id(file.data, repository.object_format),
            footprint=forecast.entries,
            notes=forecast.notes,
            unknown=forecast.unknown,
        )
        for file, prompt, forecast in zip(files, prompts, seen.forecasts, strict=True)
    ]
    past = replace(past, done={**_find_done(candidates, checkout), **past.done})
    candidates = [_add_past(candidate, past) for candidate in candidates]
    _refuse_same_ids([(c.id, c.prompt) for c in candidates])
    plan = planner.make_plan(
        replace(draft, notes=(*draft.notes, *seen.notes)),
        candidates,
        hints=[SoftOrder(path=o.path, on=o.on, reason=o.reason) for o in infer_order(prompts)],
        capacity=capacity,
        known=Experience(past=learn_samples(past.samples), learnt=seen.calibration),
    )
    texts = {c.blob: file.data for c, file in zip(candidates, files, strict=True)}
    return Planned(plan=plan, repository=repository, texts=texts)


def _find_done(candidates: Sequence[Candidate], checkout: Checkout) -> dict[str, str]:
    """Return why tasks have nothing to do: their prompt landed before, with the same text."""
    if checkout.settings.again:
        return {}
    blobs = {candidate.id: candidate.blob for candidate in candidates}
    landed = find_landed(checkout.repository, checkout.commit, blobs)
    return {task: f"landed before in {shorten_id(commit)}" for task, commit in landed.items()}


def _add_past(candidate: Candidate, past: PastWork) -> Candidate:
    """Return the candidate with what earlier runs tell of it."""
    earlier = past.tries.get(candidate.id)
    run = past.busy.get((candidate.id, candidate.blob))
    candidate = replace(
        candidate,
        done=past.done.get(candidate.id, ""),
        busy=f"run {run}, which is going on, works on it" if run else "",
        earlier=earlier,
    )
    if earlier is None or not earlier.paths:
        return candidate
    entries = add_changed_paths(candidate.footprint, earlier)
    return replace(candidate, footprint=entries, unknown=False)


def measure_capacity() -> SlotCapacity:
    """Return the cores of this machine and, if it can be measured, its free memory."""
    try:
        return SlotCapacity(cores=count_cores(), memory_bytes=host.measure_memory())
    except OSError:
        return SlotCapacity(cores=count_cores())


def new_run() -> str:
    """Return a new run id; ids sort by time, to 4 ms."""
    now = time.time()
    second = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{second}-{int(now % 1 * 256):02x}{secrets.token_hex(1)}"


def _blob_id(data: bytes, object_format: str) -> str:
    """Return the id that git gives a blob of this data."""
    return hashlib.new(object_format, b"blob %d\0" % len(data) + data).hexdigest()


def _refuse_same_ids(named: Sequence[tuple[str, Prompt]]) -> None:
    seen: dict[str, str] = {}
    for task, prompt in named:
        if task in seen:
            raise UsageError(
                f"{seen[task]} and {prompt.path} would get the same task id {task}",
                why="ids are made from the file name and a short hash of the path",
                next_step="rename one of the two files",
            )
        seen[task] = prompt.path

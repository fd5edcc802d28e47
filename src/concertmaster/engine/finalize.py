"""The finalize job: lands what passed, says what became of everything, begins the next round.

Nothing from the tree is executed, and all that other jobs left is hostile until checked.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from concertmaster.adapters import parcel, remote, statebranch
from concertmaster.adapters.remote import PushState, clone
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.adapters.statebranch import State
from concertmaster.core import message, notice, rounds
from concertmaster.core.account import Speed
from concertmaster.core.history import History, TaskHistory
from concertmaster.core.model import LandingMode, TaskState
from concertmaster.core.neutral import as_code
from concertmaster.core.verdict import Fault, Verdict
from concertmaster.engine import remembrance
from concertmaster.engine.acceptance import (
    Accepted,
    Gate,
    Shares,
    doubt_head,
    folder_of,
    read_shares,
)
from concertmaster.engine.conclusion import Closing, conclude, count_by
from concertmaster.engine.delivery import WHOLE, Delivery, Reached, deliver
from concertmaster.engine.ground import Ground
from concertmaster.engine.handout import Handout, read_handout
from concertmaster.engine.job import PLAN, VERIFY, Job, digest
from concertmaster.engine.next_round import reconcile
from concertmaster.engine.proposals import await_merged, name_merged
from concertmaster.engine.repetition import repeat
from concertmaster.engine.settlement import dispatch
from concertmaster.errors import EnvironmentFault, GitFault

ACTIONS_BOT = "github-actions[bot]"  # whose pushes start no workflow
MOST_JOURNAL_BYTES = 2 << 20
WORKFLOWS = ".github/workflows"


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """All that this round brought: what was handed out, and what came back of it."""

    handout: Handout
    shares: Shares
    accepted: Accepted
    verdict: Verdict | None
    state: State | None


def finalize(job: Job) -> int:
    """Land, report, remember; safe to run again."""
    ground, held = _gather(job)
    delivery = _deliver(ground, held, name_merged(ground, _start(held)))
    history, failed = _tidy_branches(ground, held, delivery.history)
    delivery = replace(delivery, history=_with_due(job, held, history)).note(*failed)
    history, page = _conclude(ground, held, delivery)
    _remember(ground, held, history)
    _begin_next(job, history)
    _write_outputs(job, history, page)
    return 0


def _gather(job: Job) -> tuple[Ground, Round]:
    """All that the other jobs left, and what was known before."""
    handout = read_handout(job)
    history = handout.history
    ground = _prepare(job, handout)
    url, token = job.clone_url, job.token
    shares = read_shares(handout.plan, job.artifacts, round_number=history.round)
    carried = [one.head for one in history.tasks if one.head and not one.is_done]
    gate = Gate(
        handout=handout,
        shares=shares,
        artifacts=job.artifacts,
        objects=ground.objects,
        fetched=remote.fetch(ground.objects, url, carried, token=token),
    )
    held = Round(
        handout=handout,
        shares=shares,
        accepted=gate.accept(),
        verdict=None if job.settings.cancelled else _read_verdict(job, handout),
        state=statebranch.read(ground.repository, url, history.run, token=token),
    )
    return ground, held


def _prepare(job: Job, handout: Handout) -> Ground:
    folder, plan = job.folder / "finalize", handout.plan
    shutil.rmtree(folder, ignore_errors=True)  # of a try of this job before
    folder.mkdir(parents=True)
    repository = clone(job.clone_url, folder / "clone", token=job.token)
    remote.fetch(repository, job.clone_url, [plan.base], token=job.token)
    repository.resolve(plan.base)
    objects = RunRepository.create(folder / "repository.git", user=repository, base=plan.base)
    viewer = job.forge.viewer()
    return Ground(job=job, plan=plan, repository=repository, objects=objects, viewer=viewer)


def _read_verdict(job: Job, handout: Handout) -> Verdict | None:
    """None where the verify job left none, which is no reason to land anything."""
    folder, wanted = job.artifacts / VERIFY, job.settings.verdict_sha256
    if not wanted:
        return None
    if digest(folder / parcel.VERDICT_FILE) != wanted:
        raise EnvironmentFault(
            "the verdict of the artifact is not the verdict that was given",
            why="its sha256 differs from the output `verdict_sha256` of the verify job",
            next_step="run the whole workflow again",
        )
    return parcel.read_verdict(folder, history=handout.history)


# --- what this round changed -------------------------------------------------------------------


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


def _tidy_branches(
    ground: Ground, held: Round, history: History
) -> tuple[History, tuple[str, ...]]:
    """Work that did not land lies on its task's branch; those of what landed go."""
    if ground.plan.settings.landing is LandingMode.NONE:
        return history, ()
    wanted = dict(_branches(ground, held, history))
    removed = [name for name, commit in wanted.items() if not commit]
    shown_open = await_merged(ground, removed, since=history.created_at)
    for name in shown_open:
        del wanted[name]
    history, failed = ground.set_branches(history, wanted)
    left = dict(history.tips)
    for one in history.tasks:
        branch = ground.branch(one.task) if one.task in left else ""
        history = history.put(replace(one, branch=branch))
    still = (
        f"The branch {as_code(ground.branch(name))} stays: its task has landed, but its pull "
        "request is still open. Look for commits on it that are not ours, then close it."
        for name in shown_open
    )
    return history, (*failed.values(), *still)


def _branches(ground: Ground, held: Round, history: History) -> Iterator[tuple[str, str]]:
    left = dict(history.tips)
    for one in history.tasks:
        if one.state is TaskState.LANDED:
            if one.task in left:
                yield one.task, ""
        elif one.state is TaskState.AWAITING_MERGE or _may_reopen(one, left):
            continue
        elif commit := _find_work(ground, held, one):
            yield one.task, commit
    if WHOLE in left and not any(_keeps_whole(history, one) for one in history.tasks):
        yield WHOLE, ""


def _may_reopen(one: TaskHistory, left: Mapping[str, str]) -> bool:
    """A person may open its closed pull request again, as long as the branch is as it was."""
    return one.fault is Fault.CLOSED and one.task in left


def _keeps_whole(history: History, one: TaskHistory) -> bool:
    is_closed = one.fault is Fault.CLOSED and history.deciding_pull(one) == history.pull
    return is_closed or one.state is TaskState.AWAITING_MERGE or one.fault is Fault.STUCK


def _find_work(ground: Ground, held: Round, one: TaskHistory) -> str:
    """The commit of what was done, now in our objects; "" where it may not be on a branch."""
    commit = one.head or _receive_work(ground, held, one)
    doubt = _doubt_work(ground, held, one, commit) if commit and commit != one.head else ""
    if doubt:
        note = f"the work of {one.task} is only in the artifact of its job: {doubt}"
        ground.job.console.note(note)
        return ""
    return commit


def _doubt_work(ground: Ground, held: Round, one: TaskHistory, commit: str) -> str:
    """Why it would do harm on a branch: GitHub acts on workflows and words there too."""
    if _brings_workflows(ground, commit):
        return "its workflows would start there, with what the repository keeps secret"
    result = held.shares.results.get(one.task)
    if result is None or result.head != commit:
        return ""
    return doubt_head(ground.objects, result, plan=ground.plan)


def _brings_workflows(ground: Ground, commit: str) -> bool:
    """Other ones than the run's base has."""
    ours, theirs = (
        ground.objects.git.ask("rev-parse", "--verify", "--quiet", f"{one}:{WORKFLOWS}").out
        for one in (ground.plan.base, commit)
    )
    return bool(theirs) and theirs != ours


def _receive_work(ground: Ground, held: Round, one: TaskHistory) -> str:
    """The commit of unfinished or refused work; "" where it cannot be had."""
    if not one.work or ground.objects.holds(one.work):
        return one.work
    result = held.shares.results.get(one.task)
    if result is None:
        return ""
    share = next(n for n, tasks in enumerate(ground.plan.shares) if one.task in tasks)
    folder = folder_of(ground.job.artifacts, share)
    try:
        return parcel.receive(
            ground.objects, folder, result, run=ground.plan.run, base=ground.plan.base
        )
    except (EnvironmentFault, GitFault) as error:
        ground.job.console.note(f"the work of {one.task} is not kept: {error.what}")
        return ""


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


# --- what is said of it ------------------------------------------------------------------------


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
    costs = [one.usage.cost_usd for one in results if one.usage.cost_usd is not None]
    return Speed(
        agent_seconds=sum(one.seconds for one in results),
        check_seconds=held.verdict.check_seconds if held.verdict else 0.0,
        wall_seconds=max(0.0, job.clock.now() - held.handout.plan.settings.made_at),
        cost_usd=sum(costs) if costs else None,
        tokens=sum(one.usage.input_tokens + one.usage.output_tokens for one in results),
    )


def _tell_of_token(ground: Ground, delivery: Delivery) -> Iterator[str]:
    if ground.viewer == ACTIONS_BOT and delivery.reached in (Reached.TARGET, Reached.PULL):
        yield notice.NO_CI


# --- what is kept of it ------------------------------------------------------------------------


def _remember(ground: Ground, held: Round, history: History) -> None:
    """On the state branch, from which every later round and answer is made."""
    job, state = ground.job, held.state
    files = {
        **_earlier_files(ground, state),
        parcel.HISTORY_FILE: parcel.write_history(history),
        **dict(_round_files(job, history, shares=len(ground.plan.shares))),
    }
    pushed = statebranch.write(
        ground.objects,
        job.clone_url,
        history.run,
        files=files,
        old=state.commit if state else "",
        at=ground.plan.settings.made_at,
        message=message.state_message(history.run, history.round),
        token=job.token,
    )
    if pushed.state is not PushState.DONE:
        raise EnvironmentFault(
            f"what became of run {history.run} could not be written down",
            why=pushed.reason,
            next_step="run the finalize job again; what it has done is not done twice",
        )


def _round_files(job: Job, history: History, *, shares: int) -> Iterator[tuple[str, bytes]]:
    """Plan, verdict and journals of this round, as the other jobs left them."""
    folder = f"rounds/{history.round}"
    sources = {"plan.json": job.artifacts / PLAN / "plan.json"}
    sources["verdict.json"] = job.artifacts / VERIFY / parcel.VERDICT_FILE
    for share in range(shares):
        sources[f"work-{share}.jsonl"] = folder_of(job.artifacts, share) / "journal.jsonl"
    for name, path in sources.items():
        is_plain = path.is_file() and not path.is_symlink()
        if is_plain and path.stat().st_size <= MOST_JOURNAL_BYTES:
            yield f"{folder}/{name}", job.redact(path.read_text(errors="replace")).encode()


def _earlier_files(ground: Ground, state: State | None) -> Mapping[str, bytes]:
    """Those of the rounds before."""
    if state is None:
        return {}
    names = [name for name in ground.repository.paths(state.commit) if name.startswith("rounds/")]
    return {name: state.file(name) or b"" for name in names}


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

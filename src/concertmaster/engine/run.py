"""A run on this machine: its folder, its start, its resumption and its end."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import FrameType

from concertmaster.adapters import host, journal, perimeter
from concertmaster.adapters.account import Accounts
from concertmaster.adapters.agents.agent import Agent
from concertmaster.adapters.agents.catalog import find_agent
from concertmaster.adapters.journal import Journal
from concertmaster.adapters.process import Guard
from concertmaster.adapters.repository import OWNER, Repository
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.adapters.worktree import Worktrees
from concertmaster.core.ending import can_go_on
from concertmaster.core.events import (
    CancelRequested,
    Event,
    PhaseFinished,
    RunResumed,
    RunStarted,
    StopRequested,
)
from concertmaster.core.headroom import Headroom
from concertmaster.core.machine import fold
from concertmaster.core.model import Plan
from concertmaster.core.policy import Place
from concertmaster.core.report import Report
from concertmaster.core.reporting import build_report
from concertmaster.core.state import RunState
from concertmaster.core.text import duration
from concertmaster.engine.loop import Loop, Progress
from concertmaster.engine.planning import Planned
from concertmaster.engine.site import PROMPTS, Site
from concertmaster.errors import EnvironmentFault, Error, UsageError

DRAFTS = "follow-ups"
_GOES_ON = RunResumed()
MOST_OPEN_RUNS = 20  # that are looked at for one that can go on
MEASURE_SECONDS = 3.0  # an agent takes longer to grow


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where things lie on this machine: attempts below `cache`; the environment we were given.

    After `seconds` the run is stopped; None is no limit. With `accounts` each attempt runs as a
    user of its own. `measure` says what is free where these folders lie.
    """

    cache: Path
    environment: Mapping[str, str]
    place: Place = Place.MACHINE
    seconds: float | None = None
    accounts: Accounts | None = None
    measure: Callable[[Collection[Path]], Headroom] = host.measure
    measure_seconds: float = MEASURE_SECONDS


def runs_folder(repository: Repository) -> Path:
    """All runs of a repository."""
    return journal.runs_folder(repository.git_dir)


def find_run(repository: Repository, name: str) -> Path:
    """The folder of the named run, or of the newest. Raises UsageError."""
    folders = journal.list_runs(runs_folder(repository))
    matching = [folder for folder in folders if not name or folder.name == name]
    if matching:
        return matching[-1]
    raise UsageError(
        f"there is no run {name}" if name else "there is no run in this repository yet",
        why=f"looked in {runs_folder(repository)}",
        next_step="see `concertmaster status` for the runs, or start one: concertmaster run ...",
    )


def find_open_run(repository: Repository, name: str) -> Path:
    """The folder of the named run, or of the newest that can go on, or of the newest."""
    newest = find_run(repository, name)
    if name:
        return newest
    folders = journal.list_runs(runs_folder(repository))[-MOST_OPEN_RUNS:]
    return next((folder for folder in reversed(folders) if _is_open(folder)), newest)


def _is_open(folder: Path) -> bool:
    try:
        return can_go_on(look(folder)[0])
    except Error:  # the run of another version, or a broken one
        return False


def start(planned: Planned, home: Home, *, progress: Progress, guard: Guard) -> Path:
    """Run a new plan to its end; the run's folder."""
    plan = planned.plan
    agents = find_agents(plan, home)
    folder = runs_folder(planned.repository) / plan.run
    (folder / PROMPTS).mkdir(parents=True)
    for blob, data in planned.texts.items():
        (folder / PROMPTS / blob).write_bytes(data)
    planned.repository.pin(f"refs/concertmaster/{plan.run}/base", plan.base)
    journal.write_plan(folder, plan)
    site = make_site(plan, folder, planned.repository, home, guard=guard, agents=agents)
    with journal.hold_run(folder):
        _perform(site, RunStarted(run=plan.run), progress=progress, seconds=home.seconds)
    return folder


def resume(
    folder: Path,
    repository: Repository,
    home: Home,
    *,
    progress: Progress,
    guard: Guard,
    budget_usd: float | None = None,
    cancel: bool = False,
) -> None:
    """Go on with a run whose process died, was interrupted or was stopped; or only end it."""
    plan = journal.read_plan(folder)
    agents = {} if cancel else find_agents(plan, home)
    dead = journal.read_owner(folder)
    with journal.hold_run(folder):
        host.sweep(f"{plan.run}/")
        _await_git_of(dead)
        site = make_site(plan, folder, repository, home, guard=guard, agents=agents)
        opening = RunResumed(budget_usd=budget_usd, cancelled=cancel)
        _perform(site, opening, progress=progress, seconds=home.seconds)


def settle(
    folder: Path,
    repository: Repository,
    home: Home,
    *,
    progress: Progress,
    guard: Guard,
    opening: RunStarted | RunResumed = _GOES_ON,
) -> None:
    """Land the results that the run's journal begins with; no agent runs."""
    plan = journal.read_plan(folder)
    site = make_site(plan, folder, repository, home, guard=guard, agents={})
    with journal.hold_run(folder):
        _perform(site, opening, progress=progress, seconds=home.seconds)


def _await_git_of(dead: int | None) -> None:
    """Git is not ended with us, in the middle of the user's files; it comes to its own end."""
    if dead is not None and not host.await_end("git", variable=OWNER, value=str(dead)):
        raise EnvironmentFault(
            "a git command of the process that died is still running",
            why=f"its environment says {OWNER}={dead}",
            next_step="wait for its end, or end it, then resume again",
        )


def find_agents(plan: Plan, home: Home) -> dict[str, Agent]:
    """Every agent of the plan by name. Raises UsageError or EnvironmentFault for one that is not
    to be had."""
    settings, search = plan.settings, home.environment.get("PATH", "")
    names = {task.agent or settings.agent for task in plan.tasks} - {""}
    models = {settings.agent: settings.agent_model}  # one that a prompt names has its own
    return {
        name: find_agent(
            name, command=settings.agent_command, path=search, model=models.get(name, "")
        )
        for name in sorted(names)
    }


def make_site(
    plan: Plan,
    folder: Path,
    repository: Repository,
    home: Home,
    *,
    guard: Guard,
    agents: Mapping[str, Agent],
) -> Site:
    """The tools of a run whose own things lie in `folder`."""
    objects = RunRepository.create(folder / "repository.git", user=repository, base=plan.base)
    worktrees = Worktrees(
        objects, user=repository, cache=home.cache, run=plan.run, accounts=home.accounts
    )
    if home.accounts:
        _close(folder)
    return Site(
        plan=plan,
        folder=folder,
        repository=repository,
        objects=objects,
        worktrees=worktrees,
        guard=guard,
        agents=agents,
        environment=home.environment,
        measure=partial(home.measure, (home.cache, folder)),
        measure_seconds=home.measure_seconds,
        place=home.place,
    )


def _close(folder: Path) -> None:
    """To attempts that run as another user all but the objects, which theirs build on."""
    for name in ("tasks", "indexes", "strays"):
        (folder / name).mkdir(exist_ok=True)
    perimeter.leave_ajar(folder, shown=["repository.git"])


def _perform(
    site: Site, opening: Event, *, progress: Progress, seconds: float | None = None
) -> None:
    record = Journal(site.folder / "journal.jsonl")
    record.repair()
    past = record.read()
    _discard_unnamed(site, past)
    loop = Loop(site, journal=record, progress=progress)
    with _signals(loop), _deadline(loop, seconds):
        journal.sign_run(site.folder)
        is_begun = bool(past) or opening != _GOES_ON  # it may have died before its first event
        loop.run(opening if is_begun else RunStarted(run=site.plan.run), past=past)


def _discard_unnamed(site: Site, past: Sequence[Event]) -> None:
    """The folders whose maker died before it could write them down; no agent ever had them."""
    prepared = (event for event in past if isinstance(event, PhaseFinished) and event.folder)
    site.worktrees.discard_others({Path(event.folder).name for event in prepared})


@contextmanager
def _deadline(loop: Loop, seconds: float | None) -> Iterator[None]:
    """Stop the run when the time is over."""
    reason = f"the time of this job is over ({duration(seconds or 0.0)})"
    timer = threading.Timer(seconds or 0.0, loop.post, [StopRequested(reason=reason)])
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _signals(loop: Loop) -> Iterator[None]:
    """Ctrl-C and a closed terminal leave the run for `resume`; SIGTERM cancels it, and whoever
    waited for that before gets to know as well."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        loop.interrupt()

    def cancel(number: int, frame: FrameType | None) -> None:
        loop.post(CancelRequested())
        if callable(other := before[signal.Signals(number)]):
            other(number, frame)

    wanted = {signal.SIGINT: interrupt, signal.SIGHUP: interrupt, signal.SIGTERM: cancel}
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def look(folder: Path) -> tuple[RunState, tuple[Event, ...]]:
    """The state of a run, whoever owns it now."""
    plan = journal.read_plan(folder)
    events = Journal(folder / "journal.jsonl").read()
    return fold(plan, events), events


def report(folder: Path) -> Report:
    """What became of the run so far."""
    state, events = look(folder)
    return build_report(state, events)


def write_report(folder: Path, html: str, found: Report) -> None:
    """report.json and report.html beside the journal, and the drafts, which people may edit."""
    journal.write_whole(folder / "report.json", json.dumps(asdict(found), indent=1) + "\n")
    journal.write_whole(folder / "report.html", html)
    drafts = folder / DRAFTS
    for draft in found.follow_ups:
        drafts.mkdir(exist_ok=True)
        if not (drafts / draft.file).exists():
            journal.write_whole(drafts / draft.file, draft.text)

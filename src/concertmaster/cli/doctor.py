"""Examines whether this machine is fit for a run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from re import fullmatch

import click

from concertmaster.cli.doctor_agents import look_at_agents
from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.cli.finish import try_checkout
from concertmaster.cli.options import json_option, repo_option, try_option
from concertmaster.clock import SystemClock
from concertmaster.errors import EnvironmentFault, Error, UsageError
from concertmaster.git.repository import Repository
from concertmaster.planning.checkout import Checkout, PlanRequest, open_checkout, read_checkout
from concertmaster.sandbox.resource_limits import LIMITS
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.declarations import FILE_NAMES
from concertmaster.settings.process import find_cache, read_environment
from concertmaster.terminal.console import Console
from concertmaster.text.display import display
from concertmaster.worktrees.place import choose_place


def examine_machine(
    path: Path, *, cache: Path, environment: Mapping[str, str], tries: bool = False
) -> tuple[DoctorFinding, ...]:
    """Return findings on everything that a run on `path` needs.

    They are the repository, the agents, the guard, and the place of worktrees and its room. With
    `tries`, setup and check are run once in a fresh worktree.
    """
    return (
        *_look_at_repository(path),
        *look_at_agents(
            environment, place=path if path.is_dir() else Path.home(), models=_models(path)
        ),
        _look_at_guard(environment),
        *_look_at_place(path, cache),
        *(_look_at_commands(path) if tries else ()),
    )


def _models(path: Path) -> dict[str, str]:
    """Return the model that the settings choose, by the agent that they choose."""
    try:
        settings = _open(Repository.open(path)).settings
    except Error:  # told by other findings
        return {}
    return {settings.agent: settings.agent_model}


def _look_at_repository(path: Path) -> Iterator[DoctorFinding]:
    try:
        repository = Repository.open(path)
    except Error as error:
        yield _from_error("repository", error)
        return
    yield DoctorFinding(name="repository", is_fine=True, words=str(repository.root))
    branch = repository.current_branch()
    yield DoctorFinding(
        name="target",
        is_fine=branch is not None,
        words=f"results land on {branch}" if branch else "HEAD is detached",
        next_step="" if branch else "name a branch with --target",
        is_needed=False,
    )
    who = repository.requester()
    yield DoctorFinding(
        name="identity",
        is_fine=bool(who),
        words=f"commits credit {who}" if who else "user.name and user.email are not set",
        next_step="" if who else "git config user.name ... && git config user.email ...",
        is_needed=False,
    )
    yield from _look_at_settings(repository)


def _look_at_settings(repository: Repository) -> Iterator[DoctorFinding]:
    """Yield whether settings are committed, and whether a run can read them."""
    try:
        checkout = _open(repository)
        checkout.refuse_agents()
    except Error as error:
        yield _from_error("settings", error)
        return
    names = [name for name in FILE_NAMES if name in checkout.paths]
    waiting = [name for name in FILE_NAMES if _is_changed(checkout, name)]
    if waiting:
        words = f"{waiting[0]} has changes that are not committed, and a run reads the commit"
        step = f"git add {waiting[0]} && git commit -m Settings -- {waiting[0]}"
    elif names:
        words, step = f"{names[0]} is committed", ""
    else:
        words = "no concertmaster.yml is committed"
        step = "write one with `concertmaster init`, or give --check"
    is_fine = bool(names) and not waiting
    yield DoctorFinding(
        name="settings", is_fine=is_fine, words=words, next_step=step, is_needed=False
    )


def _open(repository: Repository) -> Checkout:
    """Return the commit that a run would start from, or HEAD where it is detached."""
    asked = PlanRequest(repository=repository.root, prompts=(), options={})
    if repository.current_branch() is not None:
        return open_checkout(asked)
    return read_checkout(repository, repository.resolve("HEAD"), target="", options={})


def _is_changed(checkout: Checkout, name: str) -> bool:
    """Return whether the file in the checkout is another than that of the commit."""
    place = checkout.repository.root / name
    if not place.is_file():
        return False
    return place.read_bytes() != checkout.repository.read_file(checkout.commit, name)


def _look_at_commands(path: Path) -> Iterator[DoctorFinding]:
    """Yield what came of setup and check in a fresh worktree."""
    try:
        checkout = _open(Repository.open(path))
        with Guard() as guard:
            found = try_checkout(checkout, guard)
    except Error as error:
        yield _from_error("check", error)
        return
    step = "" if found.has_passed else "mend `setup` and `check`, then commit"
    yield DoctorFinding(
        name="check", is_fine=found.has_passed, words=found.sentence(), next_step=step
    )


def _look_at_place(path: Path, cache: Path) -> Iterator[DoctorFinding]:
    try:
        repository = Repository.open(path)
        wanted = _open(repository).settings
        place = choose_place(
            *(repository.root, repository.name),
            wanted=wanted.worktrees,
            home=Path.home(),
            cache=cache,
        )
    except Error as error:
        yield _from_error("worktrees", error)
        return
    words = f"lie in {place.folder} ({place.reason})"
    yield DoctorFinding(name="worktrees", is_fine=True, words=words)
    yield _look_at_disk(place.folder)


def _look_at_guard(environment: Mapping[str, str]) -> DoctorFinding:
    with tempfile.TemporaryDirectory() as folder, Guard() as guard:
        ended = guard.run(
            ("true",),
            mark="doctor/guard",
            cwd=Path(folder),
            env={"PATH": environment.get("PATH", "")},
            log=Path(folder) / "log",
            timeout_seconds=30,
        )
    return DoctorFinding(
        name="guard",
        is_fine=ended.ok,
        words=f"a command under the guard took {ended.seconds * 1000:.0f} ms"
        if ended.ok
        else f"a command under the guard failed: {ended.describe()}",
    )


def _look_at_disk(cache: Path) -> DoctorFinding:
    there = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(there).free
    is_fine = free >= LIMITS.least_disk_bytes
    return DoctorFinding(
        name="disk",
        is_fine=is_fine,
        words=f"{free / (1 << 30):.1f} GiB free for worktrees in {cache}",
        next_step="" if is_fine else "make room, or set `worktrees:` to a folder of another disk",
    )


def _from_error(name: str, error: Error) -> DoctorFinding:
    words = f"{error.what}: {error.why}" if error.why else error.what
    return DoctorFinding(name=name, is_fine=False, words=words, next_step=error.next_step)


def examine_on_github(repository: str, console: Console) -> tuple[DoctorFinding, ...]:
    """Return findings on the settings of owner/name. Raises EnvironmentFault, UsageError."""
    # Their libraries take longer to load than most commands take to run.
    from concertmaster.cli.doctor_github import judge_policies  # noqa: PLC0415
    from concertmaster.github.client import Client  # noqa: PLC0415
    from concertmaster.github.connection import NEWER_API_VERSION, Connection  # noqa: PLC0415
    from concertmaster.github.policies import PolicyReader  # noqa: PLC0415
    from concertmaster.settings.access import load_access_settings  # noqa: PLC0415

    if not fullmatch(r"[\w.-]+/[\w.-]+", repository) or ".." in repository:
        raise UsageError(
            f"{display(repository)!r} names no repository",
            why="its form is OWNER/NAME",
            next_step="give for example --github octo/opera",
        )
    access = load_access_settings()
    token = access.token.get_secret_value()
    connection = Connection(url=access.api, repository=repository, token=token)
    newer = replace(connection, api_version=NEWER_API_VERSION)
    wire, newer_wire = (
        Client(one, clock=SystemClock(), told=console.note) for one in (connection, newer)
    )
    return judge_policies(PolicyReader(wire, newer=newer_wire).read())


@click.command()
@repo_option
@try_option
@click.option("--github", metavar="OWNER/NAME", default="", help="Its settings, by your token.")
@json_option
@click.pass_obj
def doctor(console: Console, /, repo: Path, no_try: bool, github: str, json: bool) -> int:
    """Say what this machine lacks for a run.

    Setup and check are tried once in a fresh worktree. With --github, say instead what the
    settings of that repository stop. It reads with GITHUB_TOKEN or GH_TOKEN and changes nothing.
    """
    if github:
        found = examine_on_github(github, console)
    else:
        found = examine_machine(
            repo, cache=find_cache(), environment=read_environment(), tries=not no_try
        )
    console.result("\n".join(finding.sentence() for finding in found), [*map(asdict, found)])
    unfit = any(finding.is_needed and not finding.is_fine for finding in found)
    return EnvironmentFault.exit_code if unfit else 0

"""Examines whether this machine is fit for a run."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path

import click

from concertmaster.cli.doctor_agents import look_at_agents
from concertmaster.cli.doctor_finding import DoctorFinding
from concertmaster.cli.options import json_option, repo_option
from concertmaster.errors import EnvironmentFault, Error
from concertmaster.git.repository import Repository
from concertmaster.planning.checkout import PlanRequest, open_checkout
from concertmaster.sandbox.resource_limits import LIMITS
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.declarations import FILE_NAMES
from concertmaster.settings.process import find_cache, read_environment
from concertmaster.terminal.console import Console
from concertmaster.worktrees.place import choose_place


def examine_machine(
    path: Path, *, cache: Path, environment: Mapping[str, str]
) -> tuple[DoctorFinding, ...]:
    """Return findings on everything that a run on `path` needs.

    They are the repository, the agents, the guard, and the place of worktrees and its room.
    """
    return (
        *_look_at_repository(path),
        *look_at_agents(environment),
        _look_at_guard(environment),
        *_look_at_place(path, cache),
    )


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
    head = repository.resolve("HEAD")
    settings = [name for name in FILE_NAMES if repository.read_file(head, name) is not None]
    yield DoctorFinding(
        name="settings",
        is_fine=bool(settings),
        words=f"{settings[0]} is committed" if settings else "no concertmaster.yml is committed",
        next_step="" if settings else "commit one with a line `check: ...`, or give --check",
        is_needed=False,
    )


def _look_at_place(path: Path, cache: Path) -> Iterator[DoctorFinding]:
    try:
        repository = Repository.open(path)
        wanted = open_checkout(PlanRequest(repository=path, prompts=(), options={})).settings
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


@click.command()
@repo_option
@json_option
@click.pass_obj
def doctor(console: Console, /, repo: Path, json: bool) -> int:
    """Say what this machine lacks for a run."""
    found = examine_machine(repo, cache=find_cache(), environment=read_environment())
    console.result("\n".join(finding.sentence() for finding in found), [*map(asdict, found)])
    unfit = any(finding.is_needed and not finding.is_fine for finding in found)
    return EnvironmentFault.exit_code if unfit else 0

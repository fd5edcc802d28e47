"""Finds what the tokens of a run may not do, before an agent is paid.

GitHub does not tell a job what its token may do. A called workflow that asks for more than its
caller gives does not start at all. Here the two other cases are looked at: jobs that a repository
wrote out by itself, by what their file declares, and a token that also pushes, by asking git.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.git.repository import Repository
from concertmaster.planning.build_plan import Planned
from concertmaster.settings.file import read_file
from concertmaster.text.display import display
from concertmaster.text.markdown import as_code
from concertmaster.text.object_ids import is_object_id

PLACE = ".github/workflows/"
# The permissions that a job which lands needs, and what fails without each.
_LANDS = {
    "contents": "no result could land, and the state of the run could not be kept",
    "issues": "nobody could be told how the run ended",
    "pull-requests": "it opens no pull request, and what needs one stays on its branch",
    "actions": "no further round starts by itself",
}
# Without these a run is not started: its results would be lost or seen by nobody.
_ESSENTIAL = ("contents", "issues")
_NEEDS = {
    "run": _LANDS,
    "finalize": _LANDS,
    "control": {
        "issues": "`/orchestrate status` and `/orchestrate cancel` get no answer",
        "actions": "`/orchestrate cancel` stops no job, and no further round starts by itself",
    },
}
_INSTALLATION = "ghs_"  # how the token of a job or an App begins
_OWN_TOKEN = ("github.token", "secrets.github_token")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lack:
    """A permission that a job of a workflow file does not declare, and what fails without it."""

    job: str
    permission: str
    effect: str
    is_essential: bool


def check_token(job: Job, planned: Planned) -> Planned:
    """Return the plan with a note on each permission that is missing.

    Raises EnvironmentFault if results could not land or be reported.
    """
    path, lacks = _read_lacks(job, planned.repository)
    for lack in lacks:
        if lack.is_essential:
            raise _fault(lack, path)
    if job.is_single or not job.token.startswith(_INSTALLATION):
        _check_push(job, planned.repository)
    notes = tuple(_note(lack, path) for lack in lacks)
    return replace(planned, plan=replace(planned.plan, notes=(*planned.plan.notes, *notes)))


def find_lacks(data: bytes) -> tuple[Lack, ...]:
    """Return what the jobs of a workflow file lack for what they ask of the action.

    A job counts if its file says which permissions it has and that it works with GITHUB_TOKEN. A
    file that cannot be read lacks nothing: GitHub would not have started it.
    """
    try:
        file = read_file(data, PLACE)
    except UsageError:
        return ()
    jobs = file.get("jobs")
    found = []
    for name, job in (jobs if isinstance(jobs, dict) else {}).items():
        declared = _declared(job, file)
        for part in _parts(job) if declared is not None else ():
            found += [
                Lack(
                    job=str(name),
                    permission=permission,
                    effect=effect,
                    is_essential=part != "control" and permission in _ESSENTIAL,
                )
                for permission, effect in _NEEDS[part].items()
                if declared is not None and declared.get(permission) != "write"
            ]
    return tuple(dict.fromkeys(found))


def _declared(job: Any, file: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the permissions of a job, or None where the repository's default counts."""
    given = job.get("permissions") if isinstance(job, dict) else None
    given = file.get("permissions") if given is None else given
    if isinstance(given, str):  # read-all or write-all
        return dict.fromkeys(_LANDS, given.partition("-")[0])
    return given if isinstance(given, dict) else None


def _parts(job: Any) -> Iterator[str]:
    """Yield what the steps of a job ask of the action with the job's own token."""
    steps = job.get("steps") if isinstance(job, dict) else None
    for step in steps if isinstance(steps, list) else ():
        given = step.get("with") if isinstance(step, dict) else None
        given = given if isinstance(given, dict) else {}
        part = str(given.get("job"))
        token = str(given.get("github_token") or _OWN_TOKEN[0]).lower()
        is_own = any(own in token for own in _OWN_TOKEN) and "||" not in token
        if part in _NEEDS and is_own:
            yield part


def _read_lacks(job: Job, repository: Repository) -> tuple[str, tuple[Lack, ...]]:
    """Return the path of the workflow file of this run, and what its jobs lack."""
    path = job.settings.workflow_ref.partition("@")[0]
    path = path.removeprefix(f"{job.settings.repository}/")
    commit = job.settings.workflow_commit
    if not path.startswith(PLACE) or not is_object_id(commit):
        return path, ()
    return path, find_lacks(repository.read_file(commit, path) or b"")


def _check_push(job: Job, repository: Repository) -> None:
    reason = job.remote.push_obstacle(repository)
    if reason:
        raise EnvironmentFault(
            "the token of this job may not push, so no result could land",
            why=reason,
            next_step="add the line `contents: write` to the job's `permissions:` in the workflow "
            "file; give a token of your own write permission for contents",
        )


def _fault(lack: Lack, path: str) -> EnvironmentFault:
    return EnvironmentFault(
        f"the job `{display(lack.job)}` lacks the permission `{lack.permission}: write`",
        why=lack.effect,
        next_step=f"add the line `{lack.permission}: write` to its `permissions:` in "
        f"{display(path)}",
    )


def _note(lack: Lack, path: str) -> str:
    line = as_code(f"{lack.permission}: write")
    return (
        f"The job {as_code(lack.job)} lacks the permission {line}: {lack.effect}. Add the line to "
        f"its `permissions:` in {as_code(path)}."
    )

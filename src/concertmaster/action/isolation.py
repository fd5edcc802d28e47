"""Isolates what agents wrote: each attempt gets a user of its own, and our files are closed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from concertmaster.action.job import Job, usable_seconds
from concertmaster.engine.run_home import RunHome
from concertmaster.landing.path_policy import RunPlace
from concertmaster.sandbox import permissions
from concertmaster.sandbox.users import Accounts, disable_ptrace, is_root
from concertmaster.settings.action_inputs import Isolation

ATTEMPTS = "attempts"  # the folder of all attempts, below that of the job
_VARIABLES = (  # these name files of this job or of later steps
    *("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STATE", "GITHUB_STEP_SUMMARY"),
    *("GITHUB_EVENT_PATH", "GITHUB_WORKSPACE", "HOME"),
)
_MOUNTED = ("/github/home", "/github/workflow", "/github/file_commands", "/github/workspace")
_SOCKETS = (
    *("/run/docker.sock", "/var/run/docker.sock", "/run/podman/podman.sock"),
    *("/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/buildkit/buildkitd.sock"),
)


@contextmanager
def isolated_users(job: Job) -> Iterator[Accounts | None]:
    """Yield the users for attempts while all our files are closed to them.

    Yields None if attempts run as the user of the job. The job's artifacts belong to the runner
    afterwards, which uploads them even if we are killed. Raises EnvironmentFault if something
    cannot be closed.
    """
    wanted = job.settings.isolation
    if wanted is Isolation.NONE or (wanted is Isolation.AUTO and not is_root()):
        job.console.note("agents and checks run as the user of this job; see `isolation`")
        yield None
        return
    accounts = Accounts()
    disable_ptrace()
    permissions.hand_over(job.artifacts, like=Path(job.settings.temporary))
    passages = (job.folder / ATTEMPTS, job.folder / "repository")
    with permissions.closed(_closing(job), passages=passages):
        yield accounts


def _closing(job: Job) -> Iterator[Path]:
    """Yield the paths that agents must not reach. A path may be missing."""
    settings = job.settings
    named = [job.environment.get(name, "") for name in _VARIABLES]
    named += [settings.output_path, settings.summary_path, settings.event_path]
    for path in (Path(name) for name in named if name):
        yield path
        if path.is_file():
            yield path.parent
    yield from map(Path, (*_MOUNTED, *_SOCKETS))
    if (engine := job.environment.get("DOCKER_HOST", "")).startswith("unix://"):
        yield Path(engine.removeprefix("unix://"))
    temporary = Path(settings.temporary)
    yield from (temporary, *temporary.iterdir(), *job.folder.iterdir(), job.artifacts)


def home(job: Job, accounts: Accounts | None) -> RunHome:
    """Return the place in which the engine runs this job's attempts."""
    return RunHome(
        cache=job.folder / ATTEMPTS,
        accounts=accounts,
        name=job.settings.repository.rpartition("/")[2],
        environment=job.environment,
        agent_names=job.agent_variables.names,
        redact=job.redact,
        place=RunPlace.GITHUB,
        seconds=usable_seconds(job),
    )

"""Where a run works and with what: shared by the workers and the train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from concertmaster.adapters import downloads
from concertmaster.adapters.agents.agent import Agent
from concertmaster.adapters.process import Exit, Guard, allowed_environment, shell_argv
from concertmaster.adapters.repository import Repository
from concertmaster.adapters.run_repository import RunRepository
from concertmaster.adapters.worktree import Worktree, Worktrees
from concertmaster.core.headroom import Headroom
from concertmaster.core.model import Plan, RunSettings
from concertmaster.core.policy import Place
from concertmaster.templates import Template, load

LOG_TAIL_BYTES = 4096
PROMPTS = "prompts"
DOWNLOADS = "downloads"
PHASES = ".github/concertmaster/phases"  # where a repository overrides what agents are told
# They say who the engine's user is, and where it keeps things that another may not even read.
_OF_OUR_USER = frozenset(
    {
        *("SHELL", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
        *("PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache", "GOCACHE", "GOMODCACHE"),
    }
)
_NAME = "concertmaster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One run's tools. `folder` is the run's own, below the user's git folder. What is free where
    it writes is measured every `measure_seconds`; that may raise OSError."""

    plan: Plan
    folder: Path
    repository: Repository
    objects: RunRepository
    worktrees: Worktrees
    guard: Guard
    agents: Mapping[str, Agent]
    environment: Mapping[str, str]
    measure: Callable[[], Headroom]
    measure_seconds: float
    place: Place = Place.MACHINE

    def attempt_folder(self, task: str, attempt: int) -> Path:
        """Where transcript and logs of an attempt lie."""
        folder = self.folder / "tasks" / task / str(attempt)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def mark(self, task: str, attempt: int) -> str:
        """What every process of the attempt carries in its environment."""
        return f"{self.plan.run}/{task}/{attempt}"

    def prompt_text(self, blob: str) -> str:
        """The prompt as it was when the run was planned."""
        return (self.folder / PROMPTS / blob).read_text("utf-8")

    def template(self, name: str) -> Template:
        """What is said in a phase: the repository's own words at the base, else ours."""
        data = self.repository.read_file(self.plan.base, f"{PHASES}/{name}.md")
        return Template(data.decode(errors="replace")) if data else load(f"phases/{name}.md")

    def run_shell(self, command: str, worktree: Worktree, *, mark: str, log: Path) -> Exit:
        """Run a command of the repository (setup, check) in a worktree."""
        settings = self.plan.settings
        return self.guard.run(
            shell_argv(command),
            mark=mark,
            cwd=worktree.files,
            env=self.environment_in(worktree),
            log=log,
            timeout_seconds=min(settings.check_timeout_seconds, settings.timeout_seconds),
            account=worktree.account,
        )

    def environment_in(self, worktree: Worktree, *names: str) -> dict[str, str]:
        """The allow-listed environment, with temporary files inside the attempt's folder; on
        GitHub, where nobody's own settings are wanted, with a home there as well."""
        found = allowed_environment(self.environment, names)
        if self.place is Place.GITHUB:
            home = worktree.folder / "home"
            home.mkdir(exist_ok=True)
            found["HOME"] = str(home)
        if worktree.account is not None:
            found = {name: found[name] for name in found if name not in _OF_OUR_USER}
            found |= {"HOME": str(worktree.home), "USER": _NAME, "LOGNAME": _NAME}
        return {**found, "TMPDIR": str(worktree.temporary)}

    # On one machine all attempts have the user's own home, and so the caches in it.

    def keep_downloads(self, worktree: Worktree) -> tuple[str, ...]:
        """Later attempts begin with what was downloaded into this home; a note says why not. Only
        for a worktree in which nothing but trusted code ever ran, when all of it has ended."""
        if self.place is not Place.GITHUB:
            return ()
        note = downloads.keep(worktree.home, self.folder / DOWNLOADS)
        return (note,) if note else ()

    def hand_out_downloads(self, worktree: Worktree) -> tuple[str, ...]:
        """For a new worktree, before anything runs there; a note says why it has none."""
        if self.place is not Place.GITHUB:
            return ()
        kept = self.folder / DOWNLOADS
        note = downloads.hand_out(kept, worktree.home, account=worktree.account)
        return (note,) if note else ()


def describe_failure(what: str, ended: Exit, log: Path) -> str:
    """One line on how a command failed, with the last words it said."""
    words = last_lines(log)
    return f"{what} failed ({ended.describe()})" + (f": {words}" if words else "")


def describe_setup_failure(settings: RunSettings, ended: Exit, log: Path) -> str:
    """The same of the setup; of one that nobody gave, how to give another."""
    told = describe_failure(f"setup `{settings.setup}`", ended, log)
    if not settings.setup_reason:
        return told
    way = "name another with `setup:` in concertmaster.yml or --setup, '' for none"
    return f"{told}; nobody gave it, it was found ({settings.setup_reason}): {way}"


def read_end(log: Path) -> str:
    """The end of a log, for whoever has to mend what it tells of."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        return file.read().decode(errors="replace").strip()


def last_lines(log: Path, *, count: int = 3) -> str:
    """The last lines of a log that say something, joined to one line."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - LOG_TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    told = [line.strip() for line in lines if line.strip(" -=.\t")]
    return " | ".join(told[-count:])

"""Holds the tools of a run that the slots and the merge queue share."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from concertmaster.agents.protocol import Agent
from concertmaster.engine.credential_files import readable_files
from concertmaster.engine.footprint_observer import FootprintObserver
from concertmaster.engine.junit_files import read_junit_failures
from concertmaster.engine.login_check import LoginMemory
from concertmaster.git.commit_files import CommitFiles
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.judge_change import ChangeJudge
from concertmaster.landing.path_policy import RunPlace
from concertmaster.model import Plan
from concertmaster.sandbox import download_cache
from concertmaster.sandbox.environment import allowed_environment, shell_argv
from concertmaster.sandbox.exit_status import Exit
from concertmaster.sandbox.resource_limits import FreeResources
from concertmaster.sandbox.supervisor import Guard
from concertmaster.templates import Template, load_template
from concertmaster.worktrees.included_files import INCLUDE_FILE, copy_included
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.owner import draft_prefix
from concertmaster.worktrees.variables import attempt_variables
from concertmaster.worktrees.worktree import Worktree

PROMPTS = "prompts"
DOWNLOADS = "downloads"
LOOK_SECONDS = 3.0  # between two looks at what running attempts change
PHASES = ".github/concertmaster/phases"  # templates in which a repository overrides ours
# Variables with the engine's own user and folders, which another user may not even read.
_OF_OUR_USER = frozenset(
    {
        *("SHELL", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"),
        *("PIP_CACHE_DIR", "UV_CACHE_DIR", "npm_config_cache", "GOCACHE", "GOMODCACHE"),
    }
)
_NAME = "concertmaster"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """The tools of one run.

    `folder` is the run's own, below the user's git folder. `measure` returns the free resources
    where the run writes and may raise OSError; it is called every `measure_seconds`. Running
    attempts are looked at every `look_seconds`. `redact` returns a text without secrets.
    """

    plan: Plan
    folder: Path
    repository: Repository
    base_files: CommitFiles
    objects: RunRepository
    worktrees: Worktrees
    guard: Guard
    agents: Mapping[str, Agent]
    environment: Mapping[str, str]
    measure: Callable[[], FreeResources]
    measure_seconds: float
    redact: Callable[[str], str]
    place: RunPlace = RunPlace.MACHINE
    agent_names: frozenset[str] = frozenset()  # variables that every agent gets
    look_seconds: float = LOOK_SECONDS
    observer: FootprintObserver | None = None  # None where nothing is learnt from attempts
    logins: LoginMemory = field(default_factory=LoginMemory)

    def judge(self) -> ChangeJudge:
        """Return the path policy of the run."""
        return ChangeJudge(objects=self.objects, plan=self.plan, place=self.place)

    def attempt_folder(self, task: str, attempt: int) -> Path:
        """Return the folder of an attempt's transcript and logs; creates it."""
        folder = self.folder / "tasks" / task / str(attempt)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def mark(self, task: str, attempt: int) -> str:
        """Return the mark that every process of the attempt has in its environment."""
        return f"{self.plan.run}/{task}/{attempt}"

    def prompt_text(self, blob: str) -> str:
        """Return the prompt's text as it was when the run was planned."""
        return (self.folder / PROMPTS / blob).read_text("utf-8")

    def template(self, name: str) -> Template:
        """Return the template of a phase: the repository's own at the base, else the built-in."""
        data = self.base_files.read(f"{PHASES}/{name}.md")
        return (
            Template(data.decode(errors="replace")) if data else load_template(f"phases/{name}.md")
        )

    def run_shell(self, command: str, worktree: Worktree, *, mark: str, log: Path) -> Exit:
        """Run a command of the repository (setup, check) in a worktree; return its exit."""
        settings = self.plan.settings
        log_start = log.stat().st_size if log.exists() else 0
        began = time.time()
        with self.variables_in(worktree) as environment:
            ended = self.run_in(
                worktree,
                shell_argv(command),
                mark=mark,
                env=environment,
                log=log,
                timeout_seconds=min(settings.check_timeout_seconds, settings.timeout_seconds),
                # Checks at the same time share what build tools leave running.
                keeps_daemons=worktree.account is None,
            )
        is_judged = not (ended.ok or ended.stopped or ended.error)
        failing = read_junit_failures(worktree.files, since=began) if is_judged else ()
        return replace(ended, log_start=log_start, failing=failing)

    def run_in(self, worktree: Worktree, argv: Sequence[str], **options: Any) -> Exit:
        """Run a command in a worktree as the attempt's user; `options` are those of `Guard.run`.

        When it returns, nothing that runs can change the attempt's folders.
        """
        try:
            return self.guard.run(argv, cwd=worktree.files, account=worktree.account, **options)
        finally:
            worktree.close_to_others()

    def variables_in(
        self, worktree: Worktree, *names: str
    ) -> AbstractContextManager[dict[str, str]]:
        """Return the environment for a program, with the files that its variables name at hand."""
        return readable_files(
            self.environment_in(worktree, *names),
            account=worktree.account,
            folder=worktree.folder.parent,
            prefix=draft_prefix(self.plan.run),
        )

    def environment_in(self, worktree: Worktree, *names: str) -> dict[str, str]:
        """Return the allow-listed environment plus the variables `names` and those of the attempt.

        TMPDIR has a short path. On GitHub HOME does too, because no user's settings
        are wanted there.
        """
        wanted = (*names, *self.plan.settings.environment)
        found = attempt_variables(worktree.owner, repository=worktree.files.name)
        found |= allowed_environment(self.environment, wanted)
        if self.place is RunPlace.GITHUB:
            home = worktree.folder / "home"
            home.mkdir(exist_ok=True)
            found["HOME"] = str(home)
        if worktree.account is not None:
            found = {name: found[name] for name in found if name not in _OF_OUR_USER}
            found |= {"HOME": str(worktree.home), "USER": _NAME, "LOGNAME": _NAME}
        return {**found, "TMPDIR": str(worktree.temporary)}

    # On one machine all attempts share the user's home, and so its caches.

    def keep_downloads(self, worktree: Worktree) -> tuple[str, ...]:
        """Keep the downloads of this worktree's home for later attempts; return notes on failure.

        Call it only if nothing but trusted code ever ran in the worktree, and all of it has ended.
        """
        if self.place is not RunPlace.GITHUB:
            return ()
        note = download_cache.keep(worktree.home, self.folder / DOWNLOADS)
        return (note,) if note else ()

    def bring_files(self, worktree: Worktree) -> tuple[str, ...]:
        """Copy what `.worktreeinclude` of the base names from the user's checkout; return notes.

        Call it before anything runs in the worktree. On GitHub no checkout has such files.
        """
        if self.place is RunPlace.GITHUB:
            return ()
        return copy_included(self.repository, self.base_files.read(INCLUDE_FILE), worktree)

    def hand_out_downloads(self, worktree: Worktree) -> tuple[str, ...]:
        """Copy the kept downloads to a new worktree's home; return notes on failure.

        Call it before anything runs in the worktree.
        """
        if self.place is not RunPlace.GITHUB:
            return ()
        kept = self.folder / DOWNLOADS
        note = download_cache.hand_out(kept, worktree.home, account=worktree.account)
        return (note,) if note else ()

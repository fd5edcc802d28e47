"""Finds out why a command fails in a fresh worktree: what the checkout has and a worktree lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path

from concertmaster.engine.logs import read_last
from concertmaster.git.command import decode
from concertmaster.git.repository import Repository
from concertmaster.model import RunSettings
from concertmaster.planning.failure_causes import (
    LONGEST_LOG,
    Absences,
    explain_absence,
    withheld_names,
)
from concertmaster.sandbox.environment import allowed_environment
from concertmaster.worktrees.included_files import find_ignored, find_program

GITLINK = "160000"
MOST_NAMES = 200


def diagnose(
    repository: Repository,
    commit: str,
    settings: RunSettings,
    *,
    environment: Mapping[str, str],
    log: Path,
) -> tuple[str, ...]:
    """Return sentences on what the commands lack at the commit, each with what to do."""
    ignored = find_ignored(repository)
    passed = allowed_environment(environment, settings.environment)
    withheld = withheld_names(environment, (*passed, "CI", "PORT", "COMPOSE_PROJECT_NAME"))
    command = f"{settings.setup}\n{settings.check}"
    modes = repository.modes(commit)
    return explain_absence(
        f"{command}\n{' '.join(_names_in_tree(repository, commit, withheld))}",
        read_last(log, most_bytes=LONGEST_LOG),
        Absences(
            ignored=ignored,
            submodules=[path for path, mode in modes.items() if mode == GITLINK],
            variables=withheld,
            find_program=partial(find_program, repository, ignored),
        ),
    )


def _names_in_tree(repository: Repository, commit: str, names: Collection[str]) -> list[str]:
    """Return those of the names that stand in files of the commit."""
    telling = [name for name in names if "_" in name][:MOST_NAMES]
    if not telling:
        return []
    words = [word for name in telling for word in ("-e", name)]
    options = ("-h", "-o", "-I", "--word-regexp", "--fixed-strings")
    answer = repository.git.ask("grep", *options, *words, commit, "--")
    return sorted({*decode(answer.out).split("\n")} & {*telling})

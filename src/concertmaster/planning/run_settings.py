"""Finds the base of a run, the settings that hold there, and its check and setup."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from concertmaster.errors import UsageError
from concertmaster.git.repository import Repository
from concertmaster.model import LEAN_PHASES, Phase, RunSettings
from concertmaster.planning.detect_commands import FILES, detect_commands
from concertmaster.settings.declarations import FILE_NAMES, FrozenSettings, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """A request for a plan; `options` are the settings that the user gave."""

    repository: Path
    prompts: tuple[Path, ...]
    base: str = ""
    all_prompts: bool = False
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """The base of a run: target, commit, its paths, and the settings that hold there."""

    repository: Repository
    target: str
    base: str
    paths: tuple[str, ...]
    settings: Settings


def find_base(asked: PlanRequest) -> Base:
    """Return the base that a request and its repository's settings name.

    Raises UsageError or EnvironmentFault.
    """
    repository = Repository.open(asked.repository)
    target, base = _choose_target(repository, asked)
    paths = repository.paths(base)
    settings = read_settings(repository, base, paths=paths, options=asked.options)
    if settings.target and not asked.options.get("target"):
        target = settings.target
        base = repository.resolve(asked.base) if asked.base else repository.branch_tip(target)
        paths = repository.paths(base)
    return Base(repository=repository, target=target, base=base, paths=paths, settings=settings)


def _choose_target(repository: Repository, asked: PlanRequest) -> tuple[str, str]:
    target = asked.options.get("target") or repository.current_branch()
    if target is None:
        raise UsageError(
            "HEAD is detached, so there is no branch to land on",
            why=f"no branch is checked out in {repository.root}",
            next_step="name one with --target BRANCH, or check a branch out",
        )
    tip = repository.branch_tip(target)
    return target, repository.resolve(asked.base) if asked.base else tip


def read_settings(
    repository: Repository, base: str, *, paths: Sequence[str], options: Mapping[str, Any]
) -> Settings:
    """Return the settings of concertmaster.yml at the base, overridden by the options.

    Raises UsageError.
    """
    from concertmaster.settings.sources import load_settings  # noqa: PLC0415  slow to load

    for name in FILE_NAMES:
        data = repository.read_file(base, name) if name in paths else None
        if data is not None:
            return load_settings(options, file=data, name=name)
    return load_settings(options)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledSettings:
    """Settings that include the detected commands.

    `reasons` says why each detected command was chosen, by key.
    """

    settings: Settings
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def setup_reason(self) -> str:
        """The reason for the setup, "" if the user gave it."""
        return self.reasons.get("setup", "")

    @property
    def notes(self) -> tuple[str, ...]:
        """The detected commands and their reasons, for people to read."""
        return tuple(
            f"{key}: `{getattr(self.settings, key)}` (found: {reason})"
            for key, reason in self.reasons.items()
        )


def fill_commands(
    settings: Settings, repository: Repository, *, base: str, paths: Sequence[str]
) -> FilledSettings:
    """Return the settings with a check and a setup from the base's files where none is given.

    An empty setup counts as given.
    """
    check, has_setup = settings.check.strip(), "setup" in settings.given
    if check and has_setup:
        return FilledSettings(settings=settings)
    read = {name: repository.read_file(base, name) for name in FILES if name in paths}
    files = {name: data for name, data in read.items() if data is not None}
    found = detect_commands(paths, files, check=check, has_setup=has_setup)
    named = [(key, c) for key, c in (("check", found.check), ("setup", found.setup)) if c]
    commands: dict[str, Any] = {key: c.command for key, c in named}
    return FilledSettings(
        settings=replace(settings, **commands),
        reasons={key: c.reason for key, c in named},
    )


def freeze_settings(filled: FilledSettings, *, requester: str) -> RunSettings:
    """Return the settings that a plan keeps. Raises UsageError without a check."""
    settings = filled.settings
    if not settings.check.strip():
        raise UsageError(
            "there is no check: which command must pass before a result may land?",
            why="none is given, and the base has neither a Makefile with a target test, nor "
            "pytest, a script test in package.json, Cargo.toml or go.mod",
            next_step="answer with --check, for example --check 'pytest -q', or with `check:` in "
            "concertmaster.yml, committed on the base (`true` trusts every result)",
        )
    return keep_settings(settings, setup_reason=filled.setup_reason, requester=requester)


def keep_settings(
    settings: Settings, *, setup_reason: str = "", requester: str = ""
) -> RunSettings:
    """What a plan keeps of the settings, also where they name no check."""
    kept: dict[str, Any] = {one.name: getattr(settings, one.name) for one in fields(FrozenSettings)}
    agent = "command" if settings.agent_command else settings.agent
    usual = LEAN_PHASES if agent == "command" else tuple(Phase)
    return RunSettings(
        **(kept | {"agent": agent, "phases": settings.phases or usual}),
        setup_reason=setup_reason,
        requester=requester,
        made_at=int(time.time()),
    )

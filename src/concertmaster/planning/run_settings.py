"""Finds the base of a run, the settings that hold there, and its check and setup."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from concertmaster.errors import UsageError
from concertmaster.git import branches
from concertmaster.git.repository import Repository
from concertmaster.model import Plan, RunSettings
from concertmaster.planning.checkout import Checkout
from concertmaster.planning.detect_commands import FILES, detect_commands
from concertmaster.settings.choices import LEAN_PHASES, HistoryShape, Phase
from concertmaster.settings.declarations import FrozenSettings, Settings

COMMITS_TO_FOLLOW = 200  # of the target, whose shape the history of a run takes


def draft_plan(checkout: Checkout, *, run: str, requester: str, notes: Sequence[str] = ()) -> Plan:
    """Return the plan of a run before it has tasks. Raises UsageError without a check."""
    filled = fill_commands(checkout)
    settings = freeze_settings(filled, requester=requester)
    tip = branches.find_tip(checkout.repository, checkout.target) or checkout.commit
    history = choose_history(checkout.repository, settings.history, tip=tip)
    return Plan(
        run=run,
        base=checkout.commit,
        target=checkout.target,
        slots=checkout.settings.parallel or 1,
        settings=replace(settings, history=history),
        tasks=(),
        notes=(*notes, *checkout.notes, *filled.notes),
    )


def choose_history(repository: Repository, wanted: HistoryShape, *, tip: str) -> HistoryShape:
    """Return the shape that is wanted; in place of `auto`, that of the target's newest commits."""
    if wanted is not HistoryShape.AUTO:
        return wanted
    is_linear = branches.is_linear(repository, tip, most=COMMITS_TO_FOLLOW)
    return HistoryShape.LINEAR if is_linear else HistoryShape.MERGE


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


def fill_commands(checkout: Checkout) -> FilledSettings:
    """What the files of the checkout tell of the check and the setup, where they are not given.

    An empty setup counts as given.
    """
    settings, paths = checkout.settings, checkout.paths
    check, has_setup = settings.check.strip(), "setup" in settings.given
    if check and has_setup:
        return FilledSettings(settings=settings)
    read = {
        name: checkout.repository.read_file(checkout.commit, name)
        for name in FILES
        if name in paths
    }
    files = {name: data for name, data in read.items() if data is not None}
    has_uv = shutil.which("uv") is not None
    found = detect_commands(paths, files, check=check, has_setup=has_setup, has_uv=has_uv)
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
    """Return what a plan keeps of the settings, also where they name no check."""
    names = [one.name for one in fields(FrozenSettings)]
    kept: dict[str, Any] = {name: getattr(settings, name) for name in names}
    takes_command = settings.agent == "acp" or not settings.agent_command
    agent = settings.agent if takes_command else "command"
    kept["prompts"] = tuple(dict.fromkeys((*settings.schedule, *settings.prompts)))
    usual = LEAN_PHASES if agent == "command" else tuple(Phase)
    return RunSettings(
        **(kept | {"agent": agent, "phases": settings.phases or usual}),
        setup_reason=setup_reason,
        requester=requester,
        made_at=int(time.time()),
    )

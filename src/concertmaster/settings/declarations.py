"""Declares each setting of a run once: name, type, default, help, and where it may be set.

A field of `FrozenSettings` is kept in the plan, a field of `Settings` is not. The command line, the
variables, concertmaster.yml, the inputs of the action, the options of `/orchestrate` and the JSON
schema are made from these fields or compared with them by tests. Nothing here imports a library:
`model` builds on this module.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Annotated, get_args, get_type_hints

from concertmaster.settings.choices import (
    Filters,
    HistoryShape,
    LandingMode,
    Manifests,
    Phase,
    Radar,
    UnmeasuredBudget,
)
from concertmaster.settings.setting import Kind, Place, Setting

FILE_NAMES = ("concertmaster.yml", ".github/concertmaster.yml")
LONGEST_MODEL = 200  # characters


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenSettings:
    """The settings that a plan keeps."""

    agent: Annotated[
        str,
        Setting(
            kind=Kind.NAME,
            help="The agent that does the work (default: claude).",
            places=Place.OPTION | Place.INPUT | Place.COMMENT,
            wants="the name of an agent",
            example="codex",
        ),
    ] = "claude"
    agent_command: Annotated[
        str,
        Setting(
            kind=Kind.COMMAND,
            help="A program of yours that does the work, or that starts the agent acp.",
            places=Place.OPTION | Place.INPUT,
        ),
    ] = ""
    agent_model: Annotated[
        str,  # of `agent`
        Setting(
            kind=Kind.MODEL,
            help="The model (default: as the agent is set).",
            places=Place.OPTION | Place.INPUT,
            unset="as the agent is set",
        ),
    ] = ""
    agent_environment: Annotated[
        tuple[str, ...],
        Setting(kind=Kind.LIST, help="Names of variables that agents may see as well."),
    ] = ()
    environment: Annotated[
        tuple[str, ...],
        Setting(
            kind=Kind.LIST,
            help="Names of variables that agents, setup and check may see as well.",
        ),
    ] = ()
    filters: Annotated[
        Filters,
        Setting(
            kind=Kind.CHOICE,
            help="`allow`: agents may see files that a filter of git decrypts (default: refuse).",
            places=Place.OPTION,
        ),
    ] = Filters.REFUSE
    worktrees: Annotated[
        str,
        Setting(
            kind=Kind.FOLDER,
            help="Where worktrees lie, on your machine (default: beside the checkout).",
            places=Place.OPTION,
            unset="beside the checkout",
        ),
    ] = ""
    setup: Annotated[
        str,
        Setting(
            kind=Kind.COMMAND,
            help="Makes a fresh worktree usable, e.g. 'uv sync'.",
            places=Place.OPTION | Place.INPUT,
            unset="found",
        ),
    ] = ""
    check: Annotated[
        str,
        Setting(
            kind=Kind.COMMAND,
            help="What must pass before a result lands, e.g. 'pytest -q'.",
            places=Place.OPTION | Place.INPUT,
            unset="found, else asked for",
        ),
    ] = ""
    landing: Annotated[
        LandingMode,
        Setting(
            kind=Kind.CHOICE,
            help="How results land (default: merge).",
            places=Place.OPTION | Place.COMMENT,
            offered=(LandingMode.MERGE, LandingMode.BRANCHES, LandingMode.NONE),
            example="pull-requests",
        ),
    ] = LandingMode.MERGE
    history: Annotated[
        HistoryShape,
        Setting(
            kind=Kind.CHOICE,
            help="What landing commits: one commit a task, one a batch, or merges (default: auto).",
            places=Place.OPTION | Place.COMMENT,
            example="linear",
        ),
    ] = HistoryShape.AUTO
    phases: Annotated[
        tuple[Phase, ...] | None,
        Setting(
            kind=Kind.PHASES,
            help="The phases of a task.",
            places=Place.OPTION | Place.COMMENT,
            unset="`full`, with `command` `lean`",
            example="lean",
        ),
    ] = None
    budget_usd: Annotated[
        float | None,
        Setting(
            name="budget",
            kind=Kind.USD,
            help="US dollars that a run may cost: no phase begins beyond them.",
            places=Place.OPTION | Place.COMMENT,
            most_in_comment=100_000,
            example="20",
        ),
    ] = None
    budget_unmeasured: Annotated[
        UnmeasuredBudget,
        Setting(
            kind=Kind.CHOICE,
            help="Whether a budget may be set where an agent tells no cost (default: refuse).",
            places=Place.OPTION,
        ),
    ] = UnmeasuredBudget.REFUSE
    timeout_seconds: Annotated[
        float,
        Setting(
            name="timeout",
            kind=Kind.DURATION,
            help="The longest that an agent may work on one phase.",
            places=Place.OPTION | Place.COMMENT,
            most_in_comment=5 * 86400,  # the longest job of Actions
            wants="the longest time of one phase",
            example="1h30m",
        ),
    ] = 2700.0
    check_timeout_seconds: Annotated[
        float,
        Setting(
            name="check_timeout", kind=Kind.DURATION, help="The longest that one check may take."
        ),
    ] = 1800.0
    attempts: Annotated[
        int, Setting(kind=Kind.NUMBER, help="How many attempts a task gets.", least=1, most=10)
    ] = 2
    fix_attempts: Annotated[
        int,
        Setting(
            kind=Kind.NUMBER,
            help="How often a phase may send the work back to the agent.",
            least=0,
            most=20,
        ),
    ] = 3
    notes: Annotated[
        bool,
        Setting(
            kind=Kind.FLAG,
            help="Tell agents what other tasks are about to change.",
            example="no",
        ),
    ] = True
    radar: Annotated[
        Radar,
        Setting(
            kind=Kind.CHOICE,
            help="`hold`: a task goes on behind another one that changed its file first "
            "(default: observe).",
            places=Place.OPTION | Place.COMMENT,
            example="hold",
        ),
    ] = Radar.OBSERVE
    repairs: Annotated[
        int,
        Setting(
            kind=Kind.NUMBER,
            help="How often a result is repaired that does not merge or breaks the check.",
            least=0,
            most=10,
        ),
    ] = 2
    regenerate: Annotated[
        tuple[tuple[str, str], ...],
        Setting(
            kind=Kind.COMMANDS,
            help="Files that a command makes, and the command: run where results conflict in them.",
        ),
    ] = ()
    rounds: Annotated[
        int,
        Setting(
            kind=Kind.NUMBER,
            help="How many further rounds a run on GitHub begins by itself.",
            least=0,
            most=20,
        ),
    ] = 3
    protected: Annotated[
        tuple[str, ...], Setting(kind=Kind.LIST, help="Globs that no task may change.")
    ] = ()
    memory: Annotated[
        str,
        Setting(
            kind=Kind.FLAG_OR_BRANCH,
            help="Write runs into `.github/Memory.md`: yes, no, or a branch for that file alone.",
            unset="yes on GitHub, no on your machine",
        ),
    ] = ""
    prompts: Annotated[
        tuple[str, ...],
        Setting(
            kind=Kind.LIST,
            help="Globs of prompt files: on GitHub a change of them waits for a person.",
        ),
    ] = ()
    manifests: Annotated[
        Manifests,
        Setting(
            kind=Kind.CHOICE,
            help="`allow`: changed dependencies land on GitHub without a person.",
        ),
    ] = Manifests.HOLD


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(FrozenSettings):
    """All settings of a run; `given` are the names of those that a source sets."""

    target: Annotated[
        str,
        Setting(
            kind=Kind.BRANCH,
            help="Where results land (default: this branch).",
            places=Place.OPTION | Place.INPUT | Place.COMMENT,
            unset="the branch checked out",
            example="release-1.2",
            before="agent",
        ),
    ] = ""
    parallel: Annotated[
        int | None,
        Setting(
            kind=Kind.SLOTS,
            help="How many agents work at the same time.",
            places=Place.OPTION | Place.COMMENT,
            least=1,
            most=256,
            example="4",
            before="setup",
        ),
    ] = None
    schedule: Annotated[
        tuple[str, ...],
        Setting(
            kind=Kind.LIST, help="The prompts of a run that a schedule starts on GitHub, as globs."
        ),
    ] = ()
    again: Annotated[
        bool,
        Setting(
            kind=Kind.FLAG,
            help="Do prompts again that have landed with the same text.",
            places=Place.OPTION | Place.COMMENT,
            example="yes",
        ),
    ] = False
    given: frozenset[str] = frozenset()


def _read_declared() -> dict[str, Setting]:
    """Return the settings by name, in the order of lists."""
    types = get_type_hints(Settings, include_extras=True)
    found: list[Setting] = []
    for one in fields(Settings):
        kind, *extras = get_args(types[one.name]) or (types[one.name],)
        for setting in extras:
            if isinstance(setting, Setting):
                name = setting.name or one.name
                known = [other.name for other in found]
                place = known.index(setting.before) if setting.before else len(found)
                filled = replace(
                    setting,
                    name=name,
                    attribute=one.name,
                    annotation=kind,
                    default=one.default,
                )
                found.insert(place, filled)
    return {setting.name: setting for setting in found}


SETTINGS = _read_declared()


def settings_of(place: Place) -> dict[str, Setting]:
    """Return the settings that may be set there, by name."""
    return {name: setting for name, setting in SETTINGS.items() if place in setting.places}

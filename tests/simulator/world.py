"""Describes what happens in a simulated run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from concertmaster.model import Outcome, Shortage
from concertmaster.settings.choices import Phase

BRANCH = "concertmaster/run/landed"
Changes = frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The events that will happen; changes of other people are numbered: "1", "2"."""

    fails: Mapping[tuple[str, int], tuple[Phase, Outcome]] = field(default_factory=dict)
    returns: Mapping[tuple[str, Phase], int] = field(default_factory=dict)  # times it sends back
    limits: Mapping[tuple[str, Phase], int] = field(default_factory=dict)  # usage limits it meets
    documented: Changes = frozenset()  # those whose document phase changes the tree
    no_ops: Changes = frozenset()
    red: tuple[Changes, ...] = ()  # a tree that contains one of these sets does not pass
    conflicts: frozenset[Changes] = frozenset()  # pairs that do not merge
    flakes: frozenset[int] = frozenset()  # numbers of checks that fail without a reason
    diverted_from: int | None = None  # number of the landing from which the target is in the way
    base_red: bool = False
    planned: Mapping[str, Changes] = field(default_factory=dict)  # paths, by task
    written: Mapping[str, Changes] = field(default_factory=dict)  # paths, by task


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """The disturbances from outside, by the number of the step."""

    moves: frozenset[int] = frozenset()  # somebody pushes to the target
    crashes: frozenset[int] = frozenset()  # the process dies and the run is resumed
    cancel: int | None = None
    cancelled: Mapping[int, str] = field(default_factory=dict)  # tasks, by the step
    shortages: Mapping[int, Shortage | None] = field(default_factory=dict)  # from then on
    resumes: int = 3  # how often a run that a limit or a budget stopped is resumed


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """A commit as the set of changes that it contains; `base` are those of its task's base."""

    name: str
    contents: Changes
    base: Changes = frozenset()

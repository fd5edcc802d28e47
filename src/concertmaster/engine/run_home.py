"""Defines the places and limits of a run on this machine."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from concertmaster.engine.run_context import LOOK_SECONDS
from concertmaster.landing.path_policy import RunPlace
from concertmaster.sandbox import host
from concertmaster.sandbox.resource_limits import FreeResources
from concertmaster.sandbox.users import Accounts
from concertmaster.text.redaction import redact

MEASURE_SECONDS = 3.0  # agents do not fill memory or disk faster


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHome:
    """The places and limits of a run on this machine.

    Attempts lie below `cache`, in worktrees that are called `name` ("" = as the checkout). The run
    is stopped after `seconds`; None is no limit. With `accounts` each attempt runs as a user of its
    own. `measure` returns the free resources of the file systems that hold the given folders,
    `redact` a text without secrets.
    """

    cache: Path
    environment: Mapping[str, str]
    agent_names: frozenset[str] = frozenset()  # variables that every agent gets
    name: str = ""
    redact: Callable[[str], str] = partial(redact, secrets=())
    place: RunPlace = RunPlace.MACHINE
    seconds: float | None = None
    accounts: Accounts | None = None
    measure: Callable[[Collection[Path]], FreeResources] = host.measure
    measure_seconds: float = MEASURE_SECONDS
    look_seconds: float = LOOK_SECONDS

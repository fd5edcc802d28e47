"""Measures the state of this machine, for people who look for the cause of a failure."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from contextlib import suppress

from concertmaster import __version__
from concertmaster.git.command import git_version
from concertmaster.model import MachineState
from concertmaster.sandbox.resource_limits import FreeResources


def measure_machine(measure: Callable[[], FreeResources]) -> MachineState:
    """Return the state of this machine now; `measure` may raise OSError."""
    free, load = None, None
    with suppress(OSError):
        free = measure()
    with suppress(OSError):
        load = round(os.getloadavg()[0], 2)
    return MachineState(
        memory_bytes=free.memory_bytes if free else None,
        disk_bytes=free.disk_bytes if free else None,
        load=load,
        processors=os.cpu_count() or 0,
        versions=(
            f"Concertmaster {__version__}",
            f"git {git_version()}",
            f"Python {platform.python_version()}",
            f"{platform.system()} {platform.release()} {platform.machine()}",
        ),
    )

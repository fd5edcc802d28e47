"""The demo's repository: made from examples/demo, real in everything but the agent."""

from __future__ import annotations

import shlex
import shutil
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from concertmaster.adapters.repository import make_repository
from concertmaster.engine.outset import Asked
from concertmaster.errors import UsageError

CHECKOUT = Path(__file__).parents[3] / "examples" / "demo"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """Where the demo lies and what to ask for."""

    folder: Path
    asked: Asked


def make_demo(folder: Path | None, *, parallel: str) -> Demo:
    """A new git repository with a project, its tests and prompts. Raises UsageError."""
    material = _find_material()
    place = folder or Path(tempfile.mkdtemp(prefix="concertmaster-demo-"))
    if place.exists() and any(place.iterdir()):
        raise UsageError(
            f"{place} is not empty", next_step="name a folder that is, or does not exist yet"
        )
    no_litter = shutil.ignore_patterns("__pycache__")
    shutil.copytree(material / "project", place, dirs_exist_ok=True, ignore=no_litter)
    shutil.copytree(material / "prompts", place / "prompts", ignore=no_litter)
    make_repository(place, branch="main", message="Inkwell, receipts for a stationer's")
    agent = shlex.join([sys.executable, str(material / "agent.py")])
    return Demo(
        folder=place,
        asked=Asked(
            repository=place,
            prompts=tuple(sorted((place / "prompts").glob("*.md"))),
            options={"agent_command": agent, "parallel": parallel},
        ),
    )


def _find_material() -> Path:
    installed = Path(str(files("concertmaster"))) / "demo"
    return installed if installed.is_dir() else CHECKOUT

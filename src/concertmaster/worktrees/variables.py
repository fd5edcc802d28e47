"""Names the environment variables that keep attempts at the same time apart."""

from __future__ import annotations

import re

from concertmaster.worktrees.owner import AttemptOwner

_NO_PROJECT = re.compile(r"[^a-z0-9_-]+")


def attempt_variables(owner: AttemptOwner, *, repository: str) -> dict[str, str]:
    """Return the variables of an attempt by name.

    `CI` says that nobody answers questions. `PORT` is the first port of the attempt's own block.
    The project of Docker Compose would else be the folder's name, which is that of the repository.
    """
    project = f"{repository}-{owner.run}-{owner.task}-{owner.attempt}".lower()
    found = {"CI": "true", "COMPOSE_PROJECT_NAME": _NO_PROJECT.sub("-", project).lstrip("-_")}
    if owner.port:
        found |= {"PORT": str(owner.port), "CONCERTMASTER_PORT_BASE": str(owner.port)}
    if owner.target:
        found |= {"CONCERTMASTER_TARGET": owner.target, "CONCERTMASTER_BASE": owner.base}
    return found

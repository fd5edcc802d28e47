"""Reads the environment, the processors and the cache folder of this process."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

_WHO_THE_USER_IS = {"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM"}


def read_environment() -> dict[str, str]:
    """Return the environment variables of this process."""
    return dict(os.environ)


def drop_git_environment() -> None:
    """Delete the GIT_* variables of a calling hook or alias, which name another repository."""
    for name in [*os.environ]:
        if name.startswith("GIT_") and name not in _WHO_THE_USER_IS:
            del os.environ[name]


def drop_token() -> None:
    """Delete the job's secrets from the environment, so that no child process inherits them."""
    for name in ("INPUT_GITHUB_TOKEN", "AGENT_SECRETS"):
        os.environ.pop(name, None)
    # They speak for the job at GitHub's own services: for its identity, artifacts and caches.
    for name in [name for name in os.environ if name.startswith("ACTIONS_")]:
        del os.environ[name]


def count_cores() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_cache() -> Path:
    """Return the user's cache folder for attempts, which lies outside every checkout."""
    return Path(platformdirs.user_cache_dir("concertmaster")) / "attempts"


def find_index_cache() -> Path:
    """Return the user's cache folder for what is learnt about files, outside every checkout."""
    return Path(platformdirs.user_cache_dir("concertmaster")) / "index"

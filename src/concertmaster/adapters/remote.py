"""The repository on the server: cloned for a job, with the token in no file and no command line."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from concertmaster.adapters.repository import Git, Repository
from concertmaster.errors import EnvironmentFault


def clone(url: str, folder: Path, *, token: str, branch: str = "") -> Repository:
    """The repository without files, with `branch` (or the default one) checked out by name.

    Raises EnvironmentFault when the server does not give it.
    """
    folder.mkdir(parents=True)
    named = ("--branch", branch) if branch else ()
    options = ("--quiet", "--no-checkout", "--single-branch", "--no-tags", "--template=", *named)
    git = Git(folder.parent, private=True)
    answer = git.ask("clone", *options, "--", url, str(folder), env=_authorised(url, token))
    if answer.code != 0:
        raise EnvironmentFault(
            f"the repository {url} could not be cloned",
            why=answer.err.strip().splitlines()[-1] if answer.err.strip() else "",
            next_step="give the job the permission `contents: read`, and check the branch's name",
        )
    return Repository.open(folder)


def _authorised(url: str, token: str) -> Mapping[str, str]:
    """Git's environment with the token for this address alone."""
    if not token:
        return {}
    secret = b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
    }

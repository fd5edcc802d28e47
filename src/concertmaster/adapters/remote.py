"""The repository on the server: cloned for a job, with the token in no file and no command line."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path

from concertmaster.adapters.repository import Git, Repository, text
from concertmaster.errors import EnvironmentFault

PATIENCE_SECONDS = 60  # with a server that sends nothing


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
            why=(answer.err.strip() or f"git ended with {answer.code}").splitlines()[-1],
            next_step="run the job again; if that does not help, give it the permission "
            "`contents: read` and check the branch's name",
        )
    return Repository.open(folder)


def origin_url(folder: Path) -> str:
    """Where the repository that `folder` lies in was cloned from; "" where nothing says so."""
    answer = Git(folder, private=False).ask("remote", "get-url", "origin")
    return text(answer.out).strip() if answer.code == 0 else ""


def _authorised(url: str, token: str) -> Mapping[str, str]:
    """Git's environment with the token for this address alone."""
    patience = {"GIT_HTTP_LOW_SPEED_LIMIT": "1", "GIT_HTTP_LOW_SPEED_TIME": str(PATIENCE_SECONDS)}
    if not token:
        return patience
    secret = b64encode(f"x-access-token:{token}".encode()).decode()
    return {
        **patience,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"http.{url}.extraHeader",
        "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
    }

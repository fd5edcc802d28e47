"""Fixtures for all tests: no test reads the machine's configuration, and git is always real."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from concertmaster.git.repository import Repository

# Tests started in the background may inherit that these signals are ignored, and pass it on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    set_home(tmp_path_factory.mktemp("home"), monkeypatch)


def set_home(home: Path, patch: pytest.MonkeyPatch) -> None:
    """Set the home folder, and remove variables that would change the program or git.

    Fixtures of a wider scope call it themselves: they are set up before the home of a test.
    """
    for name in [*os.environ]:
        if name.startswith(("GIT_", "XDG_", "CONCERTMASTER_")):
            patch.delenv(name)
    patch.setenv("HOME", str(home))
    patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")


class Project:
    """A user's repository with one commit, in a temporary folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("config", "user.name", "Ada")
        self.git("config", "user.email", "ada@example.org")
        self.commit("Start", {"a.txt": "a\n", "b.txt": "b\n", "folder/c.txt": "c\n"})

    def git(self, *args: str) -> str:
        """Return the standard output; the test fails when git does."""
        done = subprocess.run(
            ["git", *args], cwd=self.root, check=True, capture_output=True, text=True
        )
        return done.stdout.removesuffix("\n")

    def write(self, files: dict[str, str]) -> None:
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)

    def commit(self, message: str, files: dict[str, str]) -> str:
        """Write and commit the files, and return the commit's id."""
        self.write(files)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)
        return self.git("rev-parse", "HEAD")

    def open(self) -> Repository:
        return Repository.open(self.root)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")

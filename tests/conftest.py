"""Fixtures for all tests: no test reads the machine's configuration, and git is always real."""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Generator, Iterable
from copy import copy
from pathlib import Path
from tempfile import mkdtemp

import pytest
from _pytest.mark import ParameterSet
from hypothesis import HealthCheck, settings

from concertmaster.git.repository import Repository

# Tests started in the background may inherit that these signals are ignored, and pass it on.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# A slow machine must not fail a test. CI has the same examples each time; elsewhere each run has
# others, and a failure prints how to repeat it.
settings.register_profile(
    "quick",
    max_examples=10,
    deadline=None,
    derandomize="CI" in os.environ,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("sweep", settings.get_profile("quick"), max_examples=50)
settings.load_profile("quick")
# The value of `suppress_health_check` for a test whose examples may share its fixtures.
SHARED_FIXTURES = (HealthCheck.too_slow, HealthCheck.function_scoped_fixture)


def wait_until(holds: Callable[[], object]) -> None:
    """Wait until `holds()` is true. There is no limit, as pytest ends a test that hangs."""
    while not holds():
        time.sleep(0.01)


def in_matrix(values: Iterable[object]) -> list[ParameterSet]:
    """Return further values of a parameter, which only `make matrix` tests."""
    return [pytest.param(value, marks=pytest.mark.matrix) for value in values]


def pytest_report_header() -> str:
    chosen = settings.get_current_profile_name()
    seed = "fixed" if settings().derandomize else "new"
    return f"hypothesis: profile {chosen}, {settings().max_examples} examples, {seed} seed"


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Let the garbage collector leave out what is collected, which lives to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


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

    _template: Path | None = None

    def __init__(self, root: Path) -> None:
        self.root = root
        if Project._template is None:
            Project._template = Path(mkdtemp(prefix="concertmaster-template-"))
            atexit.register(shutil.rmtree, Project._template)
            self._make(Project._template / "project")
        shutil.copytree(Project._template / "project", root)
        # The copied index holds the file times of the template.
        self.git("update-index", "-q", "--refresh")

    def _make(self, folder: Path) -> None:
        folder.mkdir()
        made = copy(self)
        made.root = folder
        made.git("init", "--quiet", "--initial-branch=main")
        made.git("config", "user.name", "Ada")
        made.git("config", "user.email", "ada@example.org")
        made.commit("Start", {"a.txt": "a\n", "b.txt": "b\n", "folder/c.txt": "c\n"})

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

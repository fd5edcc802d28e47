"""Provides a container engine to the tests: docker if it answers, podman otherwise.

Podman keeps everything below `.cache/e2e` and needs no image registry: its base image is made from
Debian's packages once.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp

from tests.e2e.base_image import BASE, make_base

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".cache" / "e2e"
PACKAGES = ("podman", "crun", "debootstrap")
START_SECONDS = 30.0

# Podman's defaults fail on machines without systemd or with control groups of version 1.
PODMAN_SETTINGS = """\
[containers]
default_ulimits=["nofile=1024:1024","nproc=4096:4096"]
cgroups="disabled"
[engine]
cgroup_manager="cgroupfs"
events_logger="file"
exit_command_delay=20
"""
# The daemon's own mount namespace hides the second tree of a hybrid /sys/fs/cgroup.
SERVE = "umount /sys/fs/cgroup/unified 2>/dev/null; exec podman {} system service --time=0 {}"


class CannotRun(Exception):
    """There is no usable engine on this machine; the text says how to get one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """A container engine.

    `cli` talks to the daemon at `socket`; `base` is the base image for the Dockerfile.
    """

    cli: tuple[str, ...]
    socket: Path
    base: str

    def ask(self, *args: str | Path) -> str:
        """Return the output of a command. On failure print it and raise CalledProcessError."""
        done = self._run(*args)
        if done.returncode:
            sys.stderr.write(done.stdout + done.stderr)
            done.check_returncode()
        return done.stdout.strip()

    def _run(self, *args: str | Path) -> subprocess.CompletedProcess[str]:
        command = [*self.cli, *map(str, args)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def build(self, folder: Path, tag: str, *more: str | Path) -> None:
        """Build the image of the folder's Dockerfile."""
        self.ask(*self._building(*more), "--tag", tag, folder)

    def refuse_build(self, folder: Path, *more: str | Path) -> str:
        """Return the output of a build that must fail."""
        done = self._run(*self._building(*more), folder)
        assert done.returncode
        return done.stdout + done.stderr

    def _building(self, *more: str | Path) -> tuple[str | Path, ...]:
        return ("build", "--network=host", "--build-arg", f"BASE_IMAGE={self.base}", *more)


@contextmanager
def running() -> Iterator[Engine]:
    """Provide a running engine. Raises CannotRun."""
    if (found := _find_docker()) is not None:
        yield found
        return
    _install_podman()
    with _podman() as engine:
        make_base(engine, CACHE)
        yield engine


def _find_docker() -> Engine | None:
    if not shutil.which("docker"):
        return None
    asked = ("docker", "version", "--format", "{{.Server.Version}}")
    if subprocess.run(asked, capture_output=True, check=False).returncode:
        return None
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if not host.startswith("unix://"):
        raise CannotRun(f"DOCKER_HOST is {host}; the tests need a daemon on this machine")
    return Engine(cli=("docker",), socket=Path(host.removeprefix("unix://")), base=_pinned_base())


def _pinned_base() -> str:
    """Return the base image that the Dockerfile names."""
    lines = (ROOT / "Dockerfile").read_text().splitlines()
    return next(one for one in lines if one.startswith("ARG BASE_IMAGE=")).partition("=")[2]


def _install_podman() -> None:
    if all(map(shutil.which, PACKAGES)):
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise CannotRun(
            "Neither docker answers nor is podman here. Start docker, or as root on Debian or "
            f"Ubuntu: apt-get install {' '.join(PACKAGES)}"
        )
    sys.stderr.write(f"No docker here: installing {' '.join(PACKAGES)}\n")
    for words in (("update", "-qq"), ("install", "-qq", "--no-install-recommends", *PACKAGES)):
        subprocess.run(
            ("apt-get", "--yes", *words),
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.DEVNULL,
            check=True,
        )


@contextmanager
def _podman() -> Iterator[Engine]:
    if os.geteuid() != 0:
        raise CannotRun("No docker answers, and the podman of these tests has to be root's.")
    CACHE.mkdir(parents=True, exist_ok=True)
    settings = CACHE / "containers.conf"
    settings.write_text(PODMAN_SETTINGS)
    # Not below CACHE, because paths of sockets must be short.
    socket = Path(mkdtemp(prefix="concertmaster-podman-")) / "socket"
    url = f"unix://{socket}"
    storage = f"--root {CACHE}/storage --runroot {CACHE}/run"
    with (CACHE / "podman.log").open("w") as log:
        service = subprocess.Popen(
            ("unshare", "--mount", "sh", "-c", SERVE.format(storage, url)),
            cwd="/",  # or every build would use a Dockerfile in the working directory
            env={**os.environ, "CONTAINERS_CONF": str(settings)},
            stdout=log,
            stderr=log,
        )
        try:
            _wait_for(socket, service)
            yield Engine(cli=("podman", "--remote", "--url", url), socket=socket, base=BASE)
        finally:
            service.terminate()
            service.wait()
            shutil.rmtree(socket.parent)


def _wait_for(socket: Path, service: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not socket.exists():
        if service.poll() is not None or time.monotonic() > deadline:
            raise CannotRun(f"podman does not start: {(CACHE / 'podman.log').read_text()}")
        time.sleep(0.05)

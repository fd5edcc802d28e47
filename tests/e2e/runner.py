"""Runs an event through a workflow file with act, a local runner of GitHub Actions."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any, NamedTuple

from tests.e2e.engine import ROOT, Engine

ACT = ROOT / ".cache" / "act" / "bin" / "act"
PATIENCE_SECONDS = 600


class Line(NamedTuple):
    """A line of the log; `at` is epoch seconds."""

    at: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """A workflow run that ended: exit status, log, and the folder of its artifacts."""

    code: int
    lines: tuple[Line, ...]
    artifacts: Path
    started: float

    @property
    def log(self) -> str:
        """The log, with the seconds since the start before each line."""
        return "".join(f"{one.at - self.started:7.2f} {one.text}\n" for one in self.lines)

    def moment(self, *words: str) -> float:
        """Return when the first line with all of these words came, in seconds since the start."""
        found = (one.at for one in self.lines if all(word in one.text for word in words))
        return next(found) - self.started

    def artifact(self, name: str) -> Any:
        """Return a JSON document of one of the artifacts."""
        return json.loads((self.artifacts / name).read_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """A local runner.

    `actions` are the folders that it uses, by the name and ref of the action; `environment` is set
    in all jobs.
    """

    engine: Engine
    image: str
    actions: Mapping[str, Path]
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, checkout: Path, workflow: Path, *, event: str, payload: Any, folder: Path, **more: Any
    ) -> Ran:
        """Run all jobs that the event starts in this workflow file of the checkout."""
        artifacts = folder / "artifacts"
        artifacts.mkdir(parents=True, exist_ok=True)
        file = folder / "event.json"
        file.write_text(json.dumps(payload))
        command = [
            *(str(ACT), event, "--eventpath", str(file)),
            *("--directory", str(checkout), "--workflows", str(workflow)),
            *self._options(artifacts),
            *_each("--env", more),
        ]
        started = time.time()
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=self._outside(folder),
        ) as act:
            deadline = Timer(PATIENCE_SECONDS, act.kill)
            deadline.start()
            assert act.stdout
            lines = tuple(Line(time.time(), line.rstrip("\n")) for line in act.stdout)
            deadline.cancel()
        return Ran(code=act.returncode, lines=lines, artifacts=artifacts, started=started)

    def _outside(self, folder: Path) -> dict[str, str]:
        """Return the environment of act itself."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "DOCKER_HOST": f"unix://{self.engine.socket}",
        }

    def _options(self, artifacts: Path) -> list[str]:
        return [
            *("--platform", f"ubuntu-latest={self.image}", "--pull=false", "--network=host"),
            *(
                "--rm",
                "--no-cache-server",
                "--action-cache-path",
                str(artifacts.parent / "actions"),
            ),
            *("--container-options", f"--volume {artifacts}:/artifacts"),
            *_each("--local-repository", self.actions),
            *_each("--env", self.environment),
            *_each("--secret", self.secrets),
        ]


def _each(option: str, values: Mapping[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in (option, f"{name}={value}")]

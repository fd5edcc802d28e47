"""Runs an event through a workflow file with act, the runner of GitHub Actions on one machine."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.e2e.edition import replacements
from tests.e2e.engine import ROOT, Engine

ACT = ROOT / ".cache" / "act" / "bin" / "act"
PATIENCE_SECONDS = 600


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One workflow run: exit status, log, and the folder of its artifacts."""

    code: int
    log: str
    artifacts: Path
    started: float
    ended: float

    def artifact(self, name: str) -> Any:
        """A document of one of the artifacts."""
        return json.loads((self.artifacts / name).read_text())


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """`edition` is our repository as the runner can run it; `environment` is there in all jobs."""

    engine: Engine
    image: str
    edition: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)

    def run(
        self, checkout: Path, workflow: Path, *, event: str, payload: Any, folder: Path, **env: Any
    ) -> Ran:
        """All jobs that the event starts in this workflow file of the checkout."""
        artifacts = folder / "artifacts"
        artifacts.mkdir(parents=True)
        file = folder / "event.json"
        file.write_text(json.dumps(payload))
        started = time.time()
        with (folder / "log.txt").open("w") as log:
            done = subprocess.run(
                self._command(checkout, workflow, event, file, artifacts, env),
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                timeout=PATIENCE_SECONDS,
                env=self._outside(folder),
                check=False,
            )
        text = (folder / "log.txt").read_text()
        return Ran(
            code=done.returncode, log=text, artifacts=artifacts, started=started, ended=time.time()
        )

    def _outside(self, folder: Path) -> dict[str, str]:
        """What act itself may know."""
        return {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(folder),
            "DOCKER_HOST": f"unix://{self.engine.socket}",
        }

    def _command(
        self,
        checkout: Path,
        workflow: Path,
        event: str,
        file: Path,
        artifacts: Path,
        more: Mapping[str, Any],
    ) -> list[str]:
        variables = {**self.environment, **more}
        return [
            *(str(ACT), event, "--directory", str(checkout), "--workflows", str(workflow)),
            *("--eventpath", str(file), "--platform", f"ubuntu-latest={self.image}"),
            *("--pull=false", "--network=host", "--rm", "--no-cache-server"),
            *("--container-options", f"--volume {artifacts}:/artifacts"),
            *("--action-cache-path", str(artifacts.parent / "actions")),
            *_each("--local-repository", replacements(self.edition)),
            *_each("--env", variables),
            *_each("--secret", self.secrets),
        ]


def _each(option: str, values: Mapping[str, Any]) -> list[str]:
    return [word for name, value in values.items() for word in (option, f"{name}={value}")]

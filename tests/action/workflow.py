"""Provides a workflow run of GitHub Actions against the GitHub double."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concertmaster.action.job import Job
from concertmaster.settings.action_inputs import ActionSettings
from concertmaster.terminal.console import Console
from tests.github.clock import Clock
from tests.github.double import Double, write_event
from tests.github.state import Repository


@dataclass(frozen=True)
class BentClock:
    """The double's clock for our code. A sleep advances both."""

    clock: Clock
    slept: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.clock.seconds()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)


@dataclass
class Workflow:
    """A workflow run whose jobs all see the same event."""

    double: Double
    repository: Repository
    folder: Path
    token: str
    event: str
    payload: Any
    number: int = 7001
    said: io.StringIO = field(default_factory=io.StringIO)

    def variables(self) -> dict[str, Any]:
        """Return the variables that the runner sets for every job."""
        self.folder.mkdir(exist_ok=True)
        return {
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_EVENT_PATH": str(write_event(self.payload, self.folder / "event.json")),
            "GITHUB_REPOSITORY": self.repository.full_name,
            "GITHUB_ACTOR": "",
            "GITHUB_RUN_ID": self.number,
            "GITHUB_API_URL": self.double.url,
            "GITHUB_SERVER_URL": self.double.url,
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "RUNNER_TEMP": str(self.folder / "temp"),
        }

    def job(self, **inputs: Any) -> Job:
        """Return a job with these inputs of the action."""
        given = {"github_token": self.token, "isolation": "none", **inputs}
        settings = {**self.variables(), **given}
        return Job(
            settings=ActionSettings(**settings),
            console=Console(self.said, self.said, terminal=False, json=False),
            environment={},
            clock=BentClock(self.double.clock),
        )

    @property
    def outputs(self) -> dict[str, str]:
        """The outputs that the jobs set, as the runner reads them."""
        found: dict[str, str] = {}
        lines = iter((self.folder / "output").read_text().splitlines())
        for line in lines:
            name, _, delimiter = line.partition("<<")
            value = []
            for part in lines:
                if part == delimiter:
                    break
                value.append(part)
            found[name] = "\n".join(value)
        return found

"""Represents one job of the workflow: its inputs, folders, outputs and summary page."""

from __future__ import annotations

import json
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from concertmaster.action.workflow_commands import format_output
from concertmaster.clock import Clock, SystemClock
from concertmaster.errors import EnvironmentFault
from concertmaster.git.remote import Remote
from concertmaster.git.repository import Repository
from concertmaster.github.connection import Connection
from concertmaster.github.event import CallerWorkflow, Ignored, Trigger, read_trigger
from concertmaster.github.issues import IssueClient
from concertmaster.model import RunSettings
from concertmaster.settings.action_inputs import ActionSettings
from concertmaster.settings.agent_variables import AgentVariables
from concertmaster.terminal.console import Console
from concertmaster.text.redaction import is_common, redact


class JobOutputs:
    """The outputs that were written so far.

    They change: where one process does several jobs, all of them share the outputs, as on GitHub.
    """

    def __init__(self) -> None:
        self._written: dict[str, str] = {}

    def keep(self, outputs: Mapping[str, str]) -> None:
        self._written.update(outputs)

    def get(self, name: str) -> str:
        """Return the newest value; "" if there is none."""
        return self._written.get(name, "")


@dataclass(frozen=True)
class Job:
    """A job of the workflow.

    `environment` is that of this process, of which agents get an allow-listed part, and with it all
    of `agent_variables`. `handed` are the names of the variables that the run's settings hand to
    agents and checks.
    """

    settings: ActionSettings
    console: Console
    environment: Mapping[str, str]
    agent_variables: AgentVariables = AgentVariables()
    handed: frozenset[str] = frozenset()
    is_single: bool = False  # it does all jobs of a run in one process
    clock: Clock = field(default_factory=SystemClock)
    outputs: JobOutputs = field(default_factory=JobOutputs)

    def __post_init__(self) -> None:
        self.console.keep_secrets(self.redact)

    @cached_property
    def issue_client(self) -> IssueClient:
        """The client for GitHub with this job's token."""
        settings = self.settings
        return IssueClient(
            Connection(url=settings.api_url, repository=settings.repository, token=self.token),
            clock=self.clock,
            told=self.console.note,
            redact=self.redact,
        )

    @property
    def token(self) -> str:
        return self.settings.github_token.get_secret_value()

    @cached_property
    def folder(self) -> Path:
        """The working folder of the job. Raises EnvironmentFault outside of GitHub Actions."""
        place = self.settings.temporary
        if not place:
            raise EnvironmentFault(
                "RUNNER_TEMP is not set",
                why="`concertmaster action` runs inside of a job of GitHub Actions",
                next_step="use `concertmaster run` on your own machine",
            )
        folder = Path(place) / "concertmaster"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def clone(self, *, branch: str = "") -> Repository:
        """Return the job's clone of one branch, or of the default one. Raises EnvironmentFault."""
        return self.remote.clone(renew_folder(self.folder / "repository"), branch=branch)

    @property
    def artifacts(self) -> Path:
        """The folder of artifacts: those of earlier jobs and the one this job leaves."""
        given = self.settings.artifacts
        folder = Path(given) if given else self.folder / "artifacts"
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @property
    def repository_url(self) -> str:
        """The URL of the repository's page."""
        return f"{self.settings.server_url}/{self.settings.repository}"

    @cached_property
    def remote(self) -> Remote:
        """The repository on the server, for git."""
        return Remote(url=f"{self.repository_url}.git", token=self.token)

    @property
    def workflow_url(self) -> str:
        """The URL of this workflow run's page."""
        return f"{self.repository_url}/actions/runs/{self.settings.workflow_run}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The token, and the values of variables that hold or may hold secrets.

        They hold one by their name or because they are handed to agents, unless their value is one
        that occurs in every log.
        """
        names = ("KEY", "TOKEN", "SECRET", "PASSWORD")
        keys = (
            value
            for name, value in self.environment.items()
            if any(word in name.upper() for word in names)
            or (name in self.handed and not is_common(value))
        )
        told = self.agent_variables.secrets.values()
        return tuple(value for value in (self.token, *keys, *told) if value)

    def handing(self, settings: RunSettings) -> Job:
        """Return the job for a run with these settings: it hides what they hand to agents."""
        handed = frozenset((*settings.agent_environment, *settings.environment))
        return replace(self, handed=self.handed | handed)

    def redact(self, text: str) -> str:
        """Return the text without anything that looks like a secret."""
        return redact(text, secrets=self.secrets)

    def trigger(self) -> Trigger | Ignored:
        """Return the event that started the workflow, or why it is ignored."""
        settings = self.settings
        workflow = CallerWorkflow(
            run=settings.workflow_run,
            actor=settings.actor,
            label=settings.label,
            issue=settings.issue,
            prompts=settings.prompts,
            resumed=settings.run,
            round=settings.round,
        )
        return read_trigger(settings.event_name, self._payload(), workflow=workflow)

    def _payload(self) -> Any:
        path = Path(self.settings.event_path)
        if not self.settings.event_path or not path.is_file():
            return {}
        try:
            return json.loads(path.read_text("utf-8", errors="replace"))
        except (ValueError, RecursionError):
            return {}

    def write_outputs(self, outputs: Mapping[str, str]) -> None:
        """Write the outputs. The random delimiter keeps a value from setting another name."""
        self.outputs.keep(outputs)
        delimiter = f"concertmaster-{secrets.token_hex(16)}"
        text = "".join(
            format_output(name, value, delimiter=delimiter) for name, value in outputs.items()
        )
        if self.settings.output_path:
            with Path(self.settings.output_path).open("a", encoding="utf-8") as file:
                file.write(text)
        for name, value in outputs.items():
            self.console.note(f"output {name} = {value[:200]}")

    def write_summary(self, markdown: str) -> None:
        """Append the redacted Markdown to the job's summary page."""
        if self.settings.summary_path:
            with Path(self.settings.summary_path).open("a", encoding="utf-8") as file:
                file.write(self.redact(markdown) + "\n")


def renew_folder(folder: Path) -> Path:
    """Return the folder, empty: what an earlier try of the job left in it is removed."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


UPLOAD_SECONDS = 120.0  # the part of the job's time that bundles and upload need


def usable_seconds(job: Job) -> float:
    """Return the seconds that a job may run its share before it has to leave its results."""
    seconds = job.settings.job_minutes * 60.0
    return max(seconds - UPLOAD_SECONDS, seconds / 2)

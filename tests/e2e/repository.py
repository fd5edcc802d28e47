"""Provides a repository on the double of GitHub, a user with write access, and a model."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.agents.endpoint import Endpoint, Reply, Say, Use, prompt_of, tool_results_of, turns_of
from tests.agents.judgement import judge, make_plan
from tests.e2e.runner import Ran, Runner
from tests.github.double import Double
from tests.github.people import User
from tests.github.state import Issue, Repository, Run

CALLER = ".github/workflows/orchestrate.yml"

JUDGING = {
    "Find out how the task": "research",
    "bring the documentation": "document",
    "Review a change": "review",
}
NO_DOCS = '```json\n{"no_docs": "fruit needs no words"}\n```'


@dataclass
class Model:
    """A model that runs a shell script for each title of a prompt and then ends.

    Where a judgement is asked for, it approves. `first_seen` is the epoch time of a title's first
    request, `first_body` its body, `results` the output of the first attempt's script. `judged` are
    the phases that asked for a judgement.
    """

    scripts: dict[str, str] = field(default_factory=dict)
    first_seen: dict[str, float] = field(default_factory=dict)
    first_body: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    judged: dict[str, list[str]] = field(default_factory=dict)

    def __call__(self, body: dict[str, Any]) -> Reply:
        prompt = prompt_of(body)
        title = next((one for one in self.scripts if f"\n# {one}\n" in prompt), "")
        if title not in self.first_seen:
            self.first_seen[title] = time.time()
            self.first_body[title] = json.dumps(body)
        if not title:
            return Say(f"I have no script for {prompt[-80:]}")
        phase = next((name for words, name in JUDGING.items() if words in prompt), "")
        if phase:
            return self._judge(title, phase, body)
        if turns_of(body) == 0:
            return Use("Bash", {"command": self.scripts[title], "description": "The work"})
        self.results.setdefault(title, "\n".join(tool_results_of(body)))
        return Say("Done.")

    def _judge(self, title: str, phase: str, body: dict[str, Any]) -> Reply:
        if turns_of(body):
            return Say("Done.")
        self.judged.setdefault(title, []).append(phase)
        if phase == "review":
            return Use("StructuredOutput", judge(prompt_of(body), "approve"))
        return Say(make_plan("README.md") if phase == "research" else NO_DOCS)


@dataclass
class Stage:
    """A repository, its runner and its model; run n is kept in `run-n` below `folder`."""

    double: Double
    repository: Repository
    runner: Runner
    endpoint: Endpoint
    model: Model
    folder: Path
    eve: User
    workflow: Path
    runs: list[Ran] = field(default_factory=list)

    @property
    def checkout(self) -> Path:
        """The folder that the runner uses as workspace."""
        return self.folder / "checkout"

    def open_issue(self, *names: str, title: str = "Fruit") -> Issue:
        body = "".join(f"- prompts/{name}.md\n" for name in names)
        return self.double.open_issue(self.repository, user=self.eve, title=title, body=body)

    def ask(self, issue: Issue, words: str = "/orchestrate", **env: Any) -> Ran:
        """Comment as Eve and run the workflow for the comment."""
        written = self.double.comment(self.repository, issue, user=self.eve, body=words)
        payload = self.double.comment_event(self.repository, issue, written)
        return self.start("issue_comment", payload, **env)

    def start(self, event: str, payload: Any, *, actor: User | None = None, **env: Any) -> Ran:
        run = self.double.add_run(self.repository, CALLER, event=event, actor=actor or self.eve)
        self._check_out()
        path, branch = f"{self.repository.full_name}/{CALLER}", self.repository.default_branch
        ran = self.runner.run(
            self.checkout,
            self.workflow,
            event=event,
            payload=payload,
            folder=self.folder / f"run-{len(self.runs) + 1}",
            GITHUB_API_URL=self.double.url,
            GITHUB_SERVER_URL=self.double.url,
            GITHUB_RUN_ID=run.id,
            GITHUB_ACTOR=run.actor.login,
            GITHUB_WORKFLOW_REF=f"{path}@refs/heads/{branch}",
            ANTHROPIC_BASE_URL=self.endpoint.url,
            **env,
        )
        self.runs.append(ran)
        return ran

    def follow(self, run: Run) -> Ran:
        """Run the workflow for a dispatched run."""
        payload = self.double.dispatch_event(self.repository, run)
        return self.start("workflow_dispatch", payload, actor=run.actor)

    def _check_out(self) -> None:
        """Clone the repository, with a remote from which the runner reads owner and name."""
        if not self.checkout.exists():
            bare = str(self.double.git(self.repository).folder)
            subprocess.run(("git", "clone", "--quiet", bare, self.checkout), check=True)
            url = f"https://github.com/{self.repository.full_name}.git"
            git = ("git", "-C", str(self.checkout))
            subprocess.run((*git, "remote", "set-url", "origin", url), check=True)

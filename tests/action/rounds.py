"""Runs whole rounds on the GitHub double, each job in its order with a token of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from concertmaster.action.control import control
from concertmaster.action.finalize.job import finalize
from concertmaster.action.plan.job import plan
from concertmaster.action.verify import verify
from concertmaster.action.work import work
from concertmaster.rounds.documents import read_history
from concertmaster.rounds.history import History
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.exchange import Object
from tests.github.people import Role, User
from tests.github.state import Issue, Repository, Run

PERMISSIONS = {
    "plan": {"contents": "read", "issues": "write", "pull_requests": "read"},
    "work": {"contents": "read"},
    "verify": {"contents": "read"},
    "control": {"contents": "read", "issues": "write", "actions": "write"},
    "finalize": {
        "contents": "write",
        "issues": "write",
        "pull_requests": "write",
        "actions": "write",
    },
}
CALLER = ".github/workflows/orchestrate.yml"
WORKFLOW = """\
on:
  issue_comment:
  workflow_dispatch:
    inputs:
      run: {type: string, required: true}
      round: {type: string, required: true}
      issue: {type: string}
"""
SETTINGS = "check: sh check.sh\nagent_command: sh agent.sh\n"
# The agent runs the lines of its prompt: `write|append PATH TEXT`, `need PATH` or `fail`.
AGENT = """\
while read -r verb path text; do
  case $verb in
    write) mkdir -p "$(dirname "$path")"; echo "$text" > "$path";;
    append) echo "$text" >> "$path";;
    need) test -e "$path" || exit 3;;
    fail) echo "I cannot do this"; exit 1;;
  esac
done
"""


@dataclass
class Round:
    """A workflow run that works on one round."""

    workflow: Workflow
    inputs: dict[str, Any] = field(default_factory=dict)

    @property
    def artifacts(self) -> Path:
        return self.workflow.folder / "temp" / "concertmaster" / "artifacts"

    @property
    def outputs(self) -> dict[str, str]:
        return self.workflow.outputs

    def job(self, name: str, **more: Any) -> Any:
        """Return the job with the outputs of the jobs before it, as the workflow file does."""
        repository, double = self.workflow.repository, self.workflow.double
        token = double.workflow_token(repository, PERMISSIONS[name])
        handed = ("plan_sha256", "verdict_sha256")
        done = self.outputs if (self.workflow.folder / "output").exists() else {}
        given = {key: done[key] for key in handed if key in done}
        mine = replace(self.workflow, token=token)
        return mine.job(**{**self.inputs, **given, **more})

    def plan(self) -> None:
        assert plan(self.job("plan")) == 0

    def work(self, *, without: tuple[int, ...] = ()) -> None:
        for share in json.loads(self.outputs["shares"]):
            if share not in without:
                work(self.job("work", share=share))

    def verify(self) -> None:
        if json.loads(self.outputs["verify"]):
            assert verify(self.job("verify")) == 0

    def finalize(self, **more: Any) -> None:
        assert finalize(self.job("finalize", **more)) == 0

    def hold(self, *, without: tuple[int, ...] = ()) -> Round:
        """Run all jobs in order. The shares `without` are lost."""
        self.plan()
        self.work(without=without)
        self.verify()
        self.finalize()
        return self

    @property
    def said(self) -> str:
        return self.workflow.said.getvalue()


@dataclass
class House:
    """A repository on the GitHub double, a user who may write to it, and all its rounds."""

    double: Double
    repository: Repository
    eve: User
    folder: Path
    rounds: list[Round] = field(default_factory=list)

    @classmethod
    def build(
        cls,
        double: Double,
        folder: Path,
        prompts: Mapping[str, str],
        *,
        settings: str = SETTINGS,
        files: Mapping[str, str] | None = None,
        name: str = "ada/opera",
    ) -> House:
        """Return a repository with these prompts by short name, which tell the agent what to do."""
        repository = double.add_repository(name)
        repository.allow_pulls_by_actions = True
        made = {f"prompts/{short}.md": text for short, text in prompts.items()}
        common = {"concertmaster.yml": settings, "agent.sh": AGENT, "check.sh": "true\n"}
        common |= {CALLER: WORKFLOW}
        double.commit(repository, "main", {**common, **made, **(files or {})})
        eve = double.store.user("Eve") or double.add_user("Eve")
        double.give_role(repository, eve, Role.WRITE)
        return cls(double=double, repository=repository, eve=eve, folder=folder)

    def open_issue(self, *names: str) -> Issue:
        body = "".join(f"- prompts/{name}.md\n" for name in names)
        return self.double.open_issue(self.repository, user=self.eve, title="Fruit", body=body)

    def ask(self, issue: Issue, words: str = "/orchestrate", **inputs: Any) -> Round:
        """Comment as Eve, and return the round that this starts."""
        written = self.double.comment(self.repository, issue, user=self.eve, body=words)
        payload = self.double.comment_event(self.repository, issue, written)
        return self.start("issue_comment", payload, **inputs)

    def start(
        self, event: str, payload: Object, *, actor: User | None = None, **more: Any
    ) -> Round:
        run = self.double.add_run(self.repository, CALLER, event=event, actor=actor or self.eve)
        workflow = Workflow(
            double=self.double,
            repository=self.repository,
            folder=self.folder / f"workflow-{self.repository.name}-{run.id}",
            token="",
            event=event,
            payload=payload,
            number=run.id,
        )
        ref = f"{self.repository.full_name}/{CALLER}@refs/heads/main"
        held = Round(workflow=workflow, inputs={"GITHUB_WORKFLOW_REF": ref, **more})
        self.rounds.append(held)
        return held

    @property
    def dispatched(self) -> list[Run]:
        """The workflow runs that our jobs have dispatched."""
        return [run for run in self.repository.runs if run.inputs]

    def follow(self, run: Run) -> Round:
        """Start the dispatched run."""
        payload = self.double.dispatch_event(self.repository, run)
        inputs = {"run": run.inputs["run"]}
        inputs |= {name: int(run.inputs[name]) for name in ("round", "issue")}
        return self.start("workflow_dispatch", payload, actor=run.actor, **inputs)

    def close_pull(self, issue: Issue) -> None:
        """Run the control job for a pull request that was merged or closed."""
        payload = self.double.pull_event(self.repository, issue, sender=self.eve)
        assert control(self.start("pull_request", payload).job("control")) == 0

    # --- the state after the rounds ---

    def history(self, run: str) -> History:
        text = self.read("history.json", branch=f"concertmaster/{run}/state")
        assert text is not None
        return read_history(text.encode())

    def tip(self, branch: str = "main") -> str:
        found = self.double.git(self.repository).branch(branch)
        assert found
        return found

    def read(self, path: str, *, branch: str = "main") -> str | None:
        bare = self.double.git(self.repository)
        entry = bare.entry(self.tip(branch), path)
        return None if entry is None else bare.blob(entry.sha).decode()

    def branches(self) -> list[str]:
        """Return the names of our branches without the run's id."""
        ours = self.double.git(self.repository).refs("refs/heads/concertmaster/")
        return sorted(name.split("/", 4)[4] for name in ours)

    def issues(self, kind: str) -> list[Issue]:
        """Return our issues with a mark of this kind."""
        return [
            issue
            for issue in self.repository.issues.values()
            if f"kind={kind} -->" in (issue.body or "").partition("\n")[0]
        ]


Built = Callable[..., House]

"""Runs the plan job many times on one GitHub double, each time on a repository of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from concertmaster.action.control import control
from concertmaster.action.job import Job
from concertmaster.action.plan.job import plan as run_plan
from concertmaster.comments.plan_comment import DUPLICATE_KIND
from concertmaster.errors import Error
from concertmaster.text.marks import read_marks
from tests.action.conftest import PLAN_PERMISSIONS, SETTINGS
from tests.action.test_control import CONTROL_PERMISSIONS
from tests.action.workflow import Workflow
from tests.github.calls import Call
from tests.github.double import Double
from tests.github.people import Role, User
from tests.github.state import Issue, Repository

PROMPTS = {
    "prompts/apple.md": "# Write apple.txt\n",
    "prompts/pear.md": "# Write pear.txt\n",
    "prompts/plum.md": "---\nneeds: [pear.md, apple.md]\n---\n# Write plum.txt\n",
}
WORKFLOW = ".github/workflows/orchestrate.yml"
CHANCE = re.compile(r"\bi1-c\d+|\b[0-9a-f]{12}\b|opera\d+|\b\d{5,}\b|\d{4}-\d\d-\d\dT[\d:]+Z")
LIST = "".join(f"- {path}\n" for path in PROMPTS)


@dataclass(frozen=True)
class Try:
    """A workflow run of one trigger, whose job can run several times."""

    workflow: Workflow
    inputs: dict[str, str]
    act: Callable[[Job], int] = run_plan

    @property
    def repository(self) -> Repository:
        return self.workflow.repository

    @property
    def is_done(self) -> bool:
        """Return whether shares were handed out or a question was answered."""
        if self.act is run_plan:
            has_outputs = (self.workflow.folder / "output").is_file()
            return has_outputs and self.workflow.outputs["count"] != "0"
        return any("kind=reply" in one.body for one in self.repository.issues[1].comments)

    def run(self) -> None:
        self.act(self.workflow.job(**self.inputs))

    def run_until_done(self) -> None:
        """Run the job, and once more if it stopped. It has to name the reason."""
        error = self._run_or_stop()
        assert error is None or (error.what and error.why and error.next_step)
        if error or not self.is_done:
            self.run()
        assert self.is_done, self.workflow.said.getvalue()

    def _run_or_stop(self) -> Error | None:
        try:
            self.run()
        except Error as error:
            return error
        return None

    def beside(self) -> Try:
        """Return the same workflow run on another machine."""
        folder = self.workflow.folder.with_name(f"{self.workflow.folder.name}-beside")
        return replace(self, workflow=replace(self.workflow, folder=folder))


@dataclass
class Stage:
    """A factory of tries, each with a repository, an issue and a comment of its own."""

    double: Double
    folder: Path
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def try_comment(self, body: str = "/orchestrate") -> Try:
        repository, eve = self._make_repository()
        self.double.open_issue(repository, user=eve, title="Fruit", body=LIST)
        return self._comment(repository, body)

    def _comment(self, repository: Repository, body: str) -> Try:
        issue, eve = repository.issues[1], self.double.store.users["eve"]
        comment = self.double.comment(repository, issue, user=eve, body=body)
        payload = self.double.comment_event(repository, issue, comment)
        return self._try(repository, "issue_comment", payload)

    def try_control(self, verb: str) -> Try:
        """Return a try of the control job while a planned run goes on."""
        planned = self.try_comment()
        repository = planned.repository
        actor = self.double.store.users["eve"]
        run = self.double.add_run(repository, WORKFLOW, event="issue_comment", actor=actor)
        self.double.set_job(run, "work (0)", status="in_progress")
        planned.workflow.number = run.id
        planned.run()
        asked = self._comment(repository, f"/orchestrate {verb}")
        asked.workflow.token = self.double.workflow_token(repository, CONTROL_PERMISSIONS)
        return replace(asked, act=control)

    def try_dispatch(self) -> Try:
        """Return a try that a dispatch without an issue starts."""
        repository, _ = self._make_repository()
        payload = {"sender": {"login": "Eve", "type": "User"}}
        return self._try(repository, "workflow_dispatch", payload, prompts=LIST)

    def try_another_comment(self) -> Try:
        """Return a try on an issue whose earlier tasks have all ended."""
        earlier = self.try_comment()
        earlier.run()
        for issue in list(earlier.repository.issues.values())[1:]:
            label = earlier.repository.label("concertmaster:landed")
            assert label
            issue.labels[-1] = label.id
            self.double.close(issue, user=issue.user)
        return self._comment(earlier.repository, "/orchestrate")

    def _make_repository(self) -> tuple[Repository, User]:
        repository = self.double.add_repository(f"ada/opera{next(self.numbers)}")
        self.double.commit(repository, "main", {"concertmaster.yml": SETTINGS, **PROMPTS})
        eve = self.double.store.user("Eve") or self.double.add_user("Eve")
        self.double.give_role(repository, eve, Role.WRITE)
        return repository, eve

    def _try(self, repository: Repository, event: str, payload: Any, **inputs: str) -> Try:
        workflow = Workflow(
            double=self.double,
            repository=repository,
            folder=self.folder / f"workflow-{next(self.numbers)}",
            token=self.double.workflow_token(repository, PLAN_PERMISSIONS),
            event=event,
            payload=payload,
        )
        return Try(workflow=workflow, inputs=inputs)

    def calls_of(self, tried: Try) -> list[Call]:
        """Run the try and return its API calls, with paths that fit any try."""
        self.double.log.clear()
        tried.run()
        name = tried.repository.full_name
        return [
            replace(call, path=re.sub(r"\d{4,}", "*", call.path.replace(name, "*")))
            for call in self.double.log
        ]


def is_duplicate(issue: Issue) -> bool:
    """Return whether the issue is one of ours that was closed as a duplicate."""
    is_marked = any(one.kind == DUPLICATE_KIND for one in read_marks(issue.body or ""))
    return is_marked and issue.state == "closed" and not issue.labels and not issue.parent


def state_of(tried: Try) -> dict[str, Any]:
    """Return the state of the try in a form that is equal for any repository."""
    return {**shown_of(tried.repository), "is done": tried.is_done}


def shown_of(repository: Repository, commits: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what people see on GitHub in a form that is equal for any repository.

    `commits` are ids that vary, with what stands for them.
    """
    issues = [issue for issue in repository.issues.values() if not is_duplicate(issue)]
    titles = {issue.number: issue.title for issue in issues}
    ids = {issue.id: issue.title for issue in issues}

    def plain(text: str) -> str:
        for old, new in (commits or {}).items():
            text = text.replace(old, new).replace(old[:7], new[:7])
        text = re.sub(r"#(\d+)", lambda found: f"#<{titles.get(int(found[1]))}>", text)
        # A row of the hidden data of a plan: the task, the number of its issue, its share.
        text = re.sub(
            r'(\["[\w-]+", ?)(\d+),', lambda row: f"{row[1]}<{titles.get(int(row[2]))}>,", text
        )
        return CHANCE.sub("…", text)

    def shown(issue: Issue) -> dict[str, Any]:
        return {
            "title": issue.title,
            "body": plain(issue.body or ""),
            "state": issue.state,
            "labels": sorted(label.name for label in repository.labels_of(issue)),
            "parent": ids[issue.parent] if issue.parent else None,
            "blocked by": sorted(ids[one] for one in issue.blocked_by),
            "comments": [
                (plain(one.body), [reaction.content for reaction in one.reactions])
                for one in issue.comments
            ],
        }

    ordered = sorted(issues, key=lambda one: (one.title, one.number))
    return {
        "issues": [*map(shown, ordered)],
        "labels": sorted((one.name, one.color, one.description or "") for one in repository.labels),
        "runs": [(run.status, run.conclusion) for run in repository.runs],
    }

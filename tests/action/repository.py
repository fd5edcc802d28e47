"""Provides a repository on the GitHub double and the events that people cause there."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concertmaster.text.marks import read_marks
from tests.action.workflow import Workflow
from tests.github.bare import Person
from tests.github.double import Double
from tests.github.exchange import Object
from tests.github.people import User
from tests.github.state import Issue, Repository

LIST = "- prompts/apple.md\n- prompts/pear.md\n"


@dataclass
class Scene:
    """A repository on the GitHub double with a user who may write to it."""

    double: Double
    repository: Repository
    eve: User
    token: str
    folder: Path
    runs: list[Workflow] = field(default_factory=list)

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Print a short text for hypothesis, which shows the arguments of a failed example."""
        printer.text("Scene(...)")

    def open_issue(self, body: str = LIST, *, title: str = "Fruit") -> Issue:
        return self.double.open_issue(self.repository, user=self.eve, title=title, body=body)

    def ask(
        self,
        body: str = "/orchestrate",
        *,
        listed: str = LIST,
        by: User | None = None,
        issue: Issue | None = None,
        action: str = "created",
    ) -> Workflow:
        """Comment on an issue, and return the workflow that this starts."""
        issue = issue or self.open_issue(listed)
        written = self.double.comment(self.repository, issue, user=by or self.eve, body=body)
        payload = self.double.comment_event(self.repository, issue, written, action=action)
        return self.start("issue_comment", payload)

    def label(self, issue: Issue, *, by: User, name: str = "orchestrate") -> Workflow:
        payload = self.double.label_event(self.repository, issue, name=name, sender=by)
        return self.start("issues", payload)

    def dispatch(self, *, by: User) -> Workflow:
        sender = {"login": by.login, "type": by.kind.value}
        return self.start("workflow_dispatch", {"sender": sender})

    def start(self, event: str, payload: Object) -> Workflow:
        number = 7001 + len(self.runs)
        workflow = Workflow(
            double=self.double,
            repository=self.repository,
            folder=self.folder / f"workflow-{number}",
            token=self.token,
            event=event,
            payload=payload,
            number=number,
        )
        self.runs.append(workflow)
        return workflow

    def write(self, path: str, data: bytes, *, mode: str = "100644", branch: str = "main") -> None:
        """Commit a file of any mode and content."""
        bare = self.double.git(self.repository)
        blob = "1" * 40 if mode == "160000" else bare.write_blob(data)
        tip = bare.branch(branch)
        who = Person(name="Somebody", email="somebody@example.org", date="2026-01-01T00:00:00+0000")
        commit = bare.commit(
            bare.edited_tree(tip, [(path, mode, blob)]),
            parents=[tip] if tip else [],
            message="A change\n",
            author=who,
            committer=who,
        )
        bare.update({f"refs/heads/{branch}": (commit, None)})

    def write_prompts(self, texts: list[str]) -> str:
        """Commit the prompts and return the bullet list of their paths."""
        files: dict[str, str | None] = {f"prompts/p{n:03}.md": t for n, t in enumerate(texts)}
        self.double.commit(self.repository, "main", files)
        return "".join(f"- {path}\n" for path in files)

    @property
    def children(self) -> list[Issue]:
        marked = [
            (issue, read_marks(issue.body or "")) for issue in self.repository.issues.values()
        ]
        return [issue for issue, marks in marked if any(one.kind == "task" for one in marks)]

    def everything(self) -> list[Any]:
        """Return all that can be seen on GitHub."""
        return [
            (
                *(issue.number, issue.title, issue.body, issue.state, tuple(issue.labels)),
                *(tuple(issue.children), tuple(issue.blocked_by)),
                tuple((one.id, one.body, len(one.reactions)) for one in issue.comments),
            )
            for issue in self.repository.issues.values()
        ]

    def texts(self) -> list[str]:
        """Return all that we have written on GitHub, for Actions and to the log."""
        bot = self.double.store.actions_app.bot
        issues = [*self.repository.issues.values()]
        ours = [text for one in issues if one.user == bot for text in (one.title, one.body or "")]
        said = [one.body for issue in issues for one in issue.comments if one.user == bot]
        files = [run.folder / name for run in self.runs for name in ("output", "summary.md")]
        written = [file.read_text() for file in files if file.exists()]
        return [*ours, *said, *written, *(run.said.getvalue() for run in self.runs)]

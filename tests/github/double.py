"""Defines the double of GitHub that tests use, with the actions that happen outside the API."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.github import events, gatekeeper, hosting, merging, tracker
from tests.github.bare import Bare, Person
from tests.github.calls import Log
from tests.github.clock import Clock
from tests.github.exchange import Object
from tests.github.faults import Fault, Faults
from tests.github.gateway import Gateway
from tests.github.limits import Allowance, Limits
from tests.github.people import App, Kind, Level, Permission, Role, Token, User
from tests.github.server import Admin, Server
from tests.github.state import Comment, Issue, Job, Pull, Repository, Rule, Run
from tests.github.store import Store

# The default permissions of a workflow's token; metadata is always included.
READ_ONLY = {"contents": "read"}
JOB_STATUSES = ("queued", "in_progress", "completed")


class Double:
    """A GitHub on loopback with its state in a folder: `with Double(folder) as github:`."""

    def __init__(self, folder: Path, *, allowance: Allowance | None = None, port: int = 0) -> None:
        self.clock = Clock()
        self.store = Store(folder, clock=self.clock)
        self.limits = Limits(self.clock, allowance=allowance)
        self.faults = Faults()
        self.log = Log()
        self.gateway = Gateway(
            store=self.store, limits=self.limits, faults=self.faults, log=self.log
        )
        self.admin: Admin | None = None
        self._port = port
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self._server = Server(
            self.gateway, hosting.Hosting(self.gateway), port=self._port, admin=self.admin
        )
        self.store.url = self._server.url
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server:
            self._server.closing.set()
            self._server.shutdown()
            self._server.server_close()

    @property
    def url(self) -> str:
        """The URL of the REST API, which is also the base of clone URLs."""
        return self.store.url

    @property
    def violations(self) -> list[str]:
        """The violations of GitHub's description, by callers and by the double."""
        return self.gateway.violations

    # State

    def add_user(self, login: str, *, kind: Kind = Kind.USER) -> User:
        user = User(id=self.store.new_id(), login=login, kind=kind)
        self.store.users[login.lower()] = user
        return user

    def add_app(self, slug: str) -> App:
        bot = self.add_user(f"{slug}[bot]", kind=Kind.BOT)
        return App(id=bot.id, slug=slug, name=slug.title(), bot=bot)

    def add_repository(
        self,
        full_name: str,
        *,
        source: Path | None = None,
        private: bool = False,
        default_branch: str = "main",
    ) -> Repository:
        """Create a repository with the branches and tags of `source`, and its owner if unknown."""
        owner_login, _, name = full_name.partition("/")
        owner = self.store.user(owner_login) or self.add_user(owner_login)
        folder = self.store.folder / owner.login / f"{name}.git"
        hosting.create(folder, default_branch=default_branch, source=source)
        repository = Repository(
            id=self.store.new_id(),
            owner=owner,
            name=name,
            folder=folder,
            created_at=self.clock.now(),
            default_branch=default_branch,
            private=private,
        )
        repository.default_tip = Bare(folder).branch(default_branch)
        self.store.repositories[full_name.lower()] = repository
        branches = Bare(folder).refs("refs/heads/")
        merging.record_moves(self.store, repository, branches=branches, user=owner)
        return repository

    def give_role(self, repository: Repository, user: User, role: Role) -> None:
        repository.roles[user.login.lower()] = role

    def workflow_token(
        self,
        repository: Repository,
        permissions: Mapping[str, str] | None = None,
        *,
        app: App | None = None,
    ) -> str:
        """Return a token of GitHub Actions (GITHUB_TOKEN) or of another app.

        `permissions` map GitHub's names to "read" or "write".
        """
        app = app or self.store.actions_app
        given = READ_ONLY if permissions is None else permissions
        return self._issue_token(
            Token(
                value=self._token_value("ghs"),
                user=app.bot,
                app=app,
                repository=repository.id,
                permissions={Permission(name): Level[word.upper()] for name, word in given.items()},
            )
        )

    def user_token(self, user: User, *, workflow_scope: bool = False) -> str:
        return self._issue_token(
            Token(value=self._token_value("ghp"), user=user, workflow_scope=workflow_scope)
        )

    def _token_value(self, prefix: str) -> str:
        return f"{prefix}_{self.store.new_id():036d}"

    def _issue_token(self, token: Token) -> str:
        self.store.tokens[token.value] = token
        return token.value

    def clone_url(self, repository: Repository, *, token: str | None = None) -> str:
        access = f"x-access-token:{token}@" if token else ""
        return f"{self.url.replace('//', f'//{access}')}/{repository.full_name}.git"

    def git(self, repository: Repository) -> Bare:
        return Bare(repository.folder)

    # Actions of users

    def open_issue(
        self, repository: Repository, *, user: User, title: str, body: str | None = None
    ) -> Issue:
        """Open an issue as in the browser, which sends line ends as CRLF."""
        with self.store.lock:
            return tracker.new_issue(
                self.store, repository, user=user, app=None, title=title, body=as_typed(body)
            )

    def comment(self, repository: Repository, issue: Issue, *, user: User, body: str) -> Comment:
        with self.store.lock:
            token = Token(value="", user=user)
            text = as_typed(body) or ""
            return tracker.add_comment(self.store, repository, issue=issue, token=token, body=text)

    def commit(self, repository: Repository, branch: str, files: Mapping[str, str | None]) -> str:
        """Push one commit to the branch and return its id.

        `files` map paths to contents; None removes the file.
        """
        with self.store.lock:
            bare = Bare(repository.folder)
            tip = bare.branch(branch)
            changes = [
                (path, "100644", None if text is None else bare.write_blob(text.encode()))
                for path, text in files.items()
            ]
            date = self.clock.now().strftime("%Y-%m-%dT%H:%M:%S+0000")
            who = Person(name="Somebody", email="somebody@example.org", date=date)
            tree = bare.edited_tree(tip, changes)
            commit = bare.commit(
                tree,
                parents=[tip] if tip else [],
                message="A change\n",
                author=who,
                committer=who,
            )
            bare.update({f"refs/heads/{branch}": (commit, None)})
            merging.note_push(self.store, repository, user=repository.owner)
            return commit

    def open_pull(
        self, repository: Repository, *, user: User, branch: str, base: str = "main"
    ) -> Issue:
        """Open a pull request from a branch of the same repository, named after the branch."""
        with self.store.lock:
            title = f"Add {branch}"
            given = merging.Proposal(title=title, body=None, head=branch, base=base)
            token = Token(value="", user=user)
            return merging.open_pull(self.store, repository, token=token, given=given)

    def merge_pull(
        self, repository: Repository, issue: Issue, *, user: User, method: str = "merge"
    ) -> str:
        """Merge as in the browser (merge, squash or rebase) and return the new tip of the base."""
        with self.store.lock:
            return merging.merge(
                self.store,
                repository,
                issue=issue,
                pull=pull_of(issue),
                token=Token(value="", user=user, workflow_scope=True),
                wish=merging.Wish(method=method),
            )

    def propose(
        self, repository: Repository, fork: Repository, *, branch: str, base: str = "main"
    ) -> Issue:
        """Open a pull request from a branch of the fork, as the fork's owner."""
        with self.store.lock:
            bare, there = Bare(repository.folder), Bare(fork.folder)
            commit, tip = there.branch(branch), bare.branch(base)
            assert commit
            assert tip
            bare.run("fetch", "--quiet", str(fork.folder), f"refs/heads/{branch}")
            issue = tracker.new_issue(
                self.store, repository, user=fork.owner, app=None, title="From a fork", body=None
            )
            issue.pull = Pull(
                id=self.store.new_id(),
                head=branch,
                base=base,
                head_commit=commit,
                base_commit=tip,
                fork=fork,
            )
            merging.write_pull_ref(repository, issue, issue.pull)
            return issue

    def close(self, issue: Issue, *, user: User, reason: str | None = None) -> None:
        with self.store.lock:
            now = self.clock.now()
            tracker.set_state(issue, "closed", reason=reason, user=user, now=now)

    def delete(self, repository: Repository, issue: Issue) -> None:
        with self.store.lock:
            del repository.issues[issue.number]
            repository.gone[issue.number] = None

    def transfer(self, repository: Repository, issue: Issue, *, to: Repository) -> Issue:
        """Move the issue and its comments to another repository, where it gets a new number."""
        with self.store.lock:
            moved = tracker.new_issue(
                self.store, to, user=issue.user, app=None, title=issue.title, body=issue.body
            )
            moved.comments = issue.comments
            del repository.issues[issue.number]
            repository.gone[issue.number] = (to, moved.number)
            return moved

    # Rules, workflow runs and faults

    def add_rule(
        self,
        repository: Repository,
        kind: str,
        *,
        branches: str = "~DEFAULT_BRANCH",
        parameters: Object | None = None,
        bypass: frozenset[str] = frozenset(),
    ) -> Rule:
        """Add a rule with GitHub's type and parameters; `bypass` are logins that are exempt."""
        rule = Rule(
            id=self.store.new_id(),
            branches=branches,
            type=kind,
            parameters=parameters or gatekeeper.DEFAULT_PARAMETERS.get(kind, {}),
            bypass=bypass,
        )
        repository.rules.append(rule)
        return rule

    def add_run(self, repository: Repository, workflow: str, *, event: str, actor: User) -> Run:
        """Add a run on the default branch; `workflow` is the path of the workflow file."""
        now = self.clock.now()
        commit = Bare(repository.folder).branch(repository.default_branch)
        assert commit
        repository.workflow_ids.setdefault(workflow, self.store.new_id())
        run = Run(
            id=self.store.new_id(),
            number=sum(one.workflow == workflow for one in repository.runs) + 1,
            workflow=workflow,
            event=event,
            actor=actor,
            branch=repository.default_branch,
            commit=commit,
            created_at=now,
            updated_at=now,
        )
        repository.runs.append(run)
        return run

    def set_job(self, run: Run, name: str, *, status: str, conclusion: str | None = None) -> Job:
        """Set a job's state, and complete the run when all its jobs are completed."""
        assert status in JOB_STATUSES
        now = self.clock.now()
        job = next((one for one in run.jobs if one.name == name), None)
        if job is None:
            job = Job(id=self.store.new_id(), name=name, created_at=now)
            run.jobs.append(job)
        job.status, job.conclusion = status, conclusion
        job.started_at = job.started_at or (None if status == "queued" else now)
        job.completed_at = now if status == "completed" else None
        ended = all(one.status == "completed" for one in run.jobs)
        passed = all(one.conclusion in {"success", "skipped"} for one in run.jobs)
        run.status = "completed" if ended else "in_progress"
        run.conclusion = ("success" if passed else "failure") if ended else None
        run.updated_at = now
        return job

    def fail(self, fault: Fault) -> Fault:
        self.faults.add(fault)
        return fault

    def lag(self, seconds: float) -> None:
        """Delay the appearance of new objects in lists by so many seconds."""
        self.store.lag_seconds = seconds

    # Events, as a workflow receives them

    def comment_event(
        self, repository: Repository, issue: Issue, comment: Comment, *, action: str = "created"
    ) -> Object:
        return events.issue_comment(
            self.store, repository, issue=issue, comment=comment, action=action
        )

    def label_event(
        self, repository: Repository, issue: Issue, *, name: str, sender: User
    ) -> Object:
        """Label the issue and return the event."""
        with self.store.lock:
            label = tracker.find_or_make_label(self.store, repository, name)
            if label.id not in issue.labels:
                issue.labels.append(label.id)
            return events.issues(
                self.store, repository, issue=issue, sender=sender, action="labeled", label=label
            )

    def pull_event(
        self, repository: Repository, issue: Issue, *, sender: User, action: str = "closed"
    ) -> Object:
        return events.pull_request(
            self.store, repository, issue=issue, sender=sender, action=action
        )

    def dispatch_event(self, repository: Repository, run: Run) -> Object:
        return events.workflow_dispatch(
            self.store,
            repository,
            sender=run.actor,
            workflow=run.workflow,
            ref=run.branch,
            inputs=run.inputs,
        )


def pull_of(issue: Issue) -> Pull:
    assert issue.pull, f"#{issue.number} is no pull request"
    return issue.pull


def as_typed(text: str | None) -> str | None:
    """Return the text with line ends as CRLF, as a browser's text field sends it."""
    return text and text.replace("\r\n", "\n").replace("\n", "\r\n")


def write_event(payload: Object, file: Path) -> Path:
    file.write_text(json.dumps(payload, indent=1))
    return file

"""Provides pull requests of people on the GitHub double, and comments that ask to land them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.action.rounds import House, Round
from tests.github.double import Double
from tests.github.people import User
from tests.github.state import Issue, Pull, Repository, Review

# The check names its failing test as pytest does.
CHECK = """\
if grep -qs rotten *.txt; then
  echo 'FAILED tests/test_fruit.py::test_nothing_is_rotten - assert False'; exit 1
fi
"""
SETTINGS = "check: sh check.sh\n"


@dataclass
class Orchard:
    """A house without prompts, whose people open pull requests."""

    house: House

    @classmethod
    def build(cls, double: Double, folder: Path, *, settings: str = SETTINGS) -> Orchard:
        files = {"check.sh": CHECK, "README.md": "# Fruit\n"}
        return cls(House.build(double, folder, {}, settings=settings, files=files))

    @property
    def double(self) -> Double:
        return self.house.double

    @property
    def repository(self) -> Repository:
        return self.house.repository

    def propose(
        self,
        branch: str,
        files: Mapping[str, str],
        *,
        base: str = "main",
        user: User | None = None,
    ) -> Issue:
        """Open a pull request of a branch that begins on its base."""
        bare = self.double.git(self.repository)
        bare.update({f"refs/heads/{branch}": (self.house.tip(base), None)})
        self.double.commit(self.repository, branch, files)
        user = user or self.house.eve
        return self.double.open_pull(self.repository, user=user, branch=branch, base=base)

    def propose_from_fork(self, branch: str, files: Mapping[str, str]) -> Issue:
        """Open a pull request of somebody who may not write here."""
        name = f"zed/{branch}"
        fork = self.double.add_repository(name, source=self.repository.folder)
        self.double.git(fork).update({f"refs/heads/{branch}": (self.house.tip(), None)})
        self.double.commit(fork, branch, files)
        return self.double.propose(self.repository, fork, branch=branch)

    def approve(self, issue: Issue) -> None:
        """Approve the pull request as its head is now, as the repository's owner."""
        pull = pull_of(issue)
        review = Review(
            id=self.double.store.new_id(),
            user=self.repository.owner,
            body="",
            state="APPROVED",
            commit=pull.head_commit,
            submitted_at=self.double.clock.now(),
        )
        pull.reviews.append(review)

    def ask(self, *pulls: Issue, words: str = "", by: User | None = None) -> Round:
        """Comment on a new issue, a minute after the last push."""
        self.double.clock.advance(60)
        house, numbers = self.house, " ".join(f"#{one.number}" for one in pulls)
        issue = house.open_issue()
        body = words or f"/orchestrate land {numbers}"
        written = self.double.comment(house.repository, issue, user=by or house.eve, body=body)
        payload = self.double.comment_event(house.repository, issue, written)
        return house.start("issue_comment", payload, actor=by)

    def told(self, issue: Issue) -> list[str]:
        """Return our comments on the issue or pull request."""
        bot = self.double.store.actions_app.bot
        return [one.body for one in issue.comments if one.user == bot]

    def parent(self, held: Round) -> Issue:
        """Return the issue that the round stands on."""
        number: int = held.workflow.payload["issue"]["number"]
        return self.repository.issues[number]

    def is_merged(self, issue: Issue) -> bool:
        return pull_of(issue).merged_at is not None


def pull_of(issue: Issue) -> Pull:
    assert issue.pull
    return issue.pull

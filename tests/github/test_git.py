from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from github.Repository import Repository as Client

from tests.github.bare import environment
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.people import User
from tests.github.state import Issue, Pull, Repository

pytestmark = pytest.mark.matrix  # the tests of the double

MakePull = Callable[[str, dict[str, str]], tuple[Issue, Pull]]


class Clone:
    """A user's clone."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        folder.mkdir()
        self.run("clone", "--quiet", url, ".")

    def run(self, *args: str, fails: bool = False) -> str:
        """Run git, assert that it succeeds or fails as expected, and return its output."""
        identity = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
        done = subprocess.run(
            ["git", *identity, *args],
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert bool(done.returncode) is fails, done.stderr
        return done.stdout + done.stderr

    def commit(self, path: str, text: str) -> str:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        self.run("add", "--all")
        self.run("commit", "--quiet", "--message", f"Change {path}")
        return self.run("rev-parse", "HEAD").strip()


@pytest.fixture
def clone(tmp_path: Path, double: Double, repository: Repository, token: str) -> Clone:
    return Clone(tmp_path / "clone", double.clone_url(repository, token=token))


def test_what_is_pushed_is_there_for_the_api_and_for_others(
    clone: Clone, client: Client, tmp_path: Path, double: Double, repository: Repository
) -> None:
    commit = clone.commit("b.txt", "b\n")
    clone.run("push", "origin", "HEAD:refs/heads/concertmaster/run/task")

    assert client.get_branch("concertmaster/run/task").commit.sha == commit
    other = Clone(tmp_path / "other", double.clone_url(repository))
    other.run("fetch", "--quiet", "origin", "concertmaster/run/task")
    assert other.run("rev-parse", "FETCH_HEAD").strip() == commit


@pytest.mark.matrix
def test_a_large_push_arrives(clone: Clone, double: Double, repository: Repository) -> None:
    """git sends a push that is larger than its buffer in chunks."""
    commit = clone.commit("large.bin", "".join(f"{number}\n" for number in range(1_000_000)))

    clone.run("-c", "http.postBuffer=65536", "push", "origin", "main")

    assert double.git(repository).branch("main") == commit


def test_a_read_token_does_not_push(double: Double, repository: Repository, tmp_path: Path) -> None:
    token = double.workflow_token(repository, {"contents": "read"})
    clone = Clone(tmp_path / "clone", double.clone_url(repository, token=token))
    clone.commit("b.txt", "b\n")

    said = clone.run("push", "origin", "main", fails=True)

    assert "Permission to ada/opera.git denied to github-actions[bot]." in said
    assert "error: 403" in said


def test_a_private_repository_is_cloned_only_with_a_token(
    double: Double, repository: Repository, token: str, tmp_path: Path
) -> None:
    repository.private = True

    Clone(tmp_path / "with", double.clone_url(repository, token=token))
    with pytest.raises(AssertionError, match=r"could not read Username|Authentication failed"):
        Clone(tmp_path / "without", double.clone_url(repository))


def test_a_workflow_file_is_refused_from_a_workflows_token(
    clone: Clone, double: Double, repository: Repository
) -> None:
    clone.commit(".github/workflows/evil.yml", "on: push\n")
    clone.run("rm", "--quiet", ".github/workflows/evil.yml")
    clone.commit("b.txt", "b\n")

    said = clone.run("push", "origin", "main:other", fails=True)

    assert "[remote rejected]" in said
    assert (
        "refusing to allow a GitHub App to create or update workflow `.github/workflows/evil.yml`"
        in said
    )
    assert double.git(repository).branch("other") is None


def test_a_user_with_the_scope_may_push_workflow_files(
    double: Double, repository: Repository, eve: User, tmp_path: Path
) -> None:
    token = double.user_token(eve, workflow_scope=True)
    clone = Clone(tmp_path / "clone", double.clone_url(repository, token=token))
    commit = clone.commit(".github/workflows/fine.yml", "on: push\n")

    clone.run("push", "origin", "main")

    assert double.git(repository).branch("main") == commit


def test_a_rule_forbids_a_push_in_githubs_words(
    clone: Clone, double: Double, repository: Repository
) -> None:
    before = double.git(repository).branch("main")
    double.add_rule(repository, "pull_request")
    clone.commit("b.txt", "b\n")

    said = clone.run("push", "origin", "main", fails=True)

    assert "Changes must be made through a pull request." in said
    assert "push declined due to repository rule violations" in said
    assert double.git(repository).branch("main") == before
    clone.run("push", "origin", "main:topic")


def test_a_push_may_arrive_although_its_answer_does_not(
    clone: Clone, double: Double, repository: Repository
) -> None:
    commit = clone.commit("b.txt", "b\n")
    double.fail(Fault(effect=Effect.DROP_AFTER, method="POST", path="*/git-receive-pack"))

    clone.run("push", "origin", "main", fails=True)

    assert double.git(repository).branch("main") == commit
    assert double.log.matching("POST", "/ada/opera.git/git-receive-pack")[-1].status is None


def test_a_lease_holds(clone: Clone, double: Double, repository: Repository) -> None:
    old = clone.run("rev-parse", "HEAD").strip()
    double.commit(repository, "main", {"theirs.txt": "x\n"})
    clone.commit("b.txt", "b\n")

    said = clone.run("push", f"--force-with-lease=main:{old}", "origin", "main", fails=True)

    assert "[rejected]" in said or "[remote rejected]" in said


def test_a_pull_request_is_merged_when_its_head_is_on_its_base(
    clone: Clone, client: Client, make_pull: MakePull
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})
    clone.run("fetch", "--quiet", "origin", "topic")
    clone.run("merge", "--quiet", "--no-ff", "-m", "Land", "FETCH_HEAD")

    clone.run("push", "origin", "main", ":topic")

    read = client.get_pull(issue.number)
    assert (read.state, read.merged, read.merged_by.login) == (
        "closed",
        True,
        "github-actions[bot]",
    )
    assert read.head.sha == pull.head_commit


def test_a_pull_request_whose_branch_is_gone_is_closed(
    clone: Clone, client: Client, make_pull: MakePull
) -> None:
    issue, _ = make_pull("topic", {"b.txt": "b\n"})

    clone.run("push", "origin", ":topic")

    read = client.get_pull(issue.number)
    assert (read.state, read.merged) == ("closed", False)


def test_the_head_of_a_pull_request_can_be_fetched_by_its_number(
    clone: Clone, make_pull: MakePull
) -> None:
    issue, pull = make_pull("topic", {"b.txt": "b\n"})

    clone.run("fetch", "--quiet", "origin", f"refs/pull/{issue.number}/head")

    assert clone.run("rev-parse", "FETCH_HEAD").strip() == pull.head_commit

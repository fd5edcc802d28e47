"""Tests over random histories of an agent in its worktree that nothing it left is lost.

Each doing leaves bytes that no other one leaves. All of them must be in the snapshot or in a place
that a note names.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree

import pytest
from hypothesis import example, given, note, settings
from hypothesis import strategies as st

from concertmaster.git.run_repository import RunRepository
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Snapshot, Worktree
from tests.conftest import SHARED_FIXTURES, Project
from tests.integration.worktrees.attempts import AT, BRANCH, git
from tests.integration.worktrees.test_hidden_work import bytes_in, kept_places

EXAMPLES = max(6, settings().max_examples // 4)
WHO = ("-c", "user.name=a", "-c", "user.email=b", "-c", "protocol.file.allow=always")


@dataclass(frozen=True, slots=True)
class Agent:
    """The agent of one example; `name` and `text` are those of one doing."""

    files: Path
    number: int

    @property
    def name(self) -> str:
        return f"new{self.number}"

    @property
    def text(self) -> str:
        return f"WORK-{self.number}-WORK\n"

    def write(self, path: str = "") -> Path:
        place = self.files / (path or self.name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(self.text)
        return place

    def git(self, *commands: str, inside: str = ".") -> bool:
        """Run the commands until one of them fails, as `&&` does; return whether none did."""
        start = ["git", "-C", str(self.files / inside), *WHO]
        return not any(
            subprocess.run([*start, *command.split()], capture_output=True, check=False).returncode
            for command in commands
        )


def edit(agent: Agent) -> None:
    with (agent.files / "a.txt").open("a") as file:
        file.write(agent.text)


def executable(agent: Agent) -> None:
    agent.write().chmod(0o755)


def closed(agent: Agent) -> None:
    agent.write(f"shut{agent.number}/x").parent.chmod(0)


def link(agent: Agent) -> None:
    (agent.files / agent.name).symlink_to(agent.text.strip())


def odd_name(agent: Agent) -> None:
    agent.write(f"odd\n\udcff{agent.number}")


def refused(agent: Agent) -> None:
    agent.write(f"{agent.name}.bad")
    with (agent.files / ".gitattributes").open("a") as file:
        file.write(f"{agent.name}.bad working-tree-encoding=UTF-16\n")


def ignored(agent: Agent) -> None:
    agent.write(f"{agent.name}.ignored")


def forced(agent: Agent) -> None:
    agent.write(f"{agent.name}.ignored")
    agent.git(f"add --force {agent.name}.ignored")


def staged_and_removed(agent: Agent) -> None:
    place = agent.write()
    agent.git(f"add {agent.name}")
    place.unlink()


def stash(agent: Agent) -> None:
    agent.write()
    agent.git("add --all", "stash")


def stash_untracked(agent: Agent) -> None:
    agent.write()
    agent.git("stash --include-untracked")


def commit(agent: Agent) -> None:
    agent.write()
    agent.git("add --all", "commit -mx")


def side(agent: Agent) -> None:
    agent.write()
    agent.git(f"checkout -b side{agent.number}", "add --all", "commit -mx", "checkout -")


def detached(agent: Agent) -> None:
    agent.write()
    agent.git("add --all", "commit -mx", "checkout --detach HEAD~1")


def reset(agent: Agent) -> None:
    agent.write()
    agent.git("add --all", "commit -mx", "reset --hard HEAD~1")


def collect(agent: Agent) -> None:
    side(agent)
    agent.git("gc --quiet")


def named_object(agent: Agent) -> None:
    """Let a reference name a file that no commit has."""
    place = agent.write()
    words = ["git", "-C", str(agent.files), "hash-object", "-w", str(place)]
    made = subprocess.run(words, capture_output=True, text=True, check=True).stdout.strip()
    place.unlink()
    agent.git(f"update-ref refs/keep/{agent.number} {made}")


def sparse(agent: Agent) -> None:
    agent.write(f"part{agent.number}/x")
    agent.git("add --all", "commit -mx", "sparse-checkout set --cone folder")


def split_index(agent: Agent) -> None:
    agent.git("update-index --split-index")
    forced(agent)


def half_done_merge(agent: Agent) -> None:
    _conflict(agent, "merge side")


def half_done_rebase(agent: Agent) -> None:
    _conflict(agent, "rebase side")


def _conflict(agent: Agent, command: str) -> None:
    branch = f"side{agent.number}"
    if not agent.git("add --all", "commit --allow-empty -mx", f"checkout -b {branch}"):
        agent.write()
        return
    (agent.files / "b.txt").write_text(agent.text)
    if agent.git("commit -amx", "checkout -"):
        (agent.files / "b.txt").write_text("mine\n")
        agent.git("commit -amx", command.replace("side", branch), "checkout --ours b.txt")


def linked_worktree(agent: Agent) -> None:
    place = f"tree{agent.number}"
    agent.git(f"worktree add {place}")
    agent.write(f"{place}/x")
    agent.git("add --all", "commit -mx", "checkout --detach HEAD~1", inside=place)


def repository(agent: Agent) -> None:
    agent.write(f"inner{agent.number}/x")
    agent.git("init .", "add --all", "commit -mx", inside=f"inner{agent.number}")


def repository_with_a_branch(agent: Agent) -> None:
    place = f"inner{agent.number}"
    (agent.files / place).mkdir()
    agent.git("init .", "commit --allow-empty -mx", "checkout -b side", inside=place)
    agent.write(f"{place}/x")
    agent.git("add --all", "commit -mx", "checkout --detach HEAD~1", inside=place)


def submodule_edit(agent: Agent) -> None:
    agent.git("submodule update --init")
    agent.write(f"lib/{agent.name}")


def submodule_commit(agent: Agent) -> None:
    submodule_edit(agent)
    agent.git("add --all", "commit -mx", inside="lib")


def submodule_stash(agent: Agent) -> None:
    submodule_edit(agent)
    agent.git("stash --include-untracked", inside="lib")


DOINGS = [
    *(edit, executable, closed, link, odd_name, refused, ignored, forced, staged_and_removed),
    *(
        named_object,
        sparse,
        split_index,
        stash,
        stash_untracked,
        commit,
        side,
        detached,
        reset,
        collect,
    ),
    *(half_done_merge, half_done_rebase, linked_worktree, repository, repository_with_a_branch),
    *(submodule_edit, submodule_commit, submodule_stash),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("histories")


@pytest.fixture(scope="module")
def library(place: Path) -> Project:
    return Project(place / "library")


@pytest.fixture(scope="module")
def made(place: Path, library: Project) -> Project:
    project = Project(place / "project")
    project.git(*WHO, "submodule", "--quiet", "add", str(library.root), "lib")
    project.commit("Submodule", {".gitignore": "*.ignored\n"})
    return project


def left_by(snapshot: Snapshot, run: RunRepository, base: str, users: list[Project]) -> bytes:
    """Return all bytes of the snapshot's change and of the places that its notes name."""
    blobs = {one.blob for one in run.changes(base, snapshot.commit) if one.new_mode != "160000"}
    found = b"\n".join(run.read_objects(blobs - {""}).values())
    for place in kept_places(snapshot):
        found += b"\n" + _read(place, users)
    return found


def _read(place: Path, users: list[Project]) -> bytes:
    """Return what a user can read there; a bundle fits the repository that its work is of."""
    for user in users:
        try:
            return bytes_in(place, user)
        except subprocess.CalledProcessError:
            continue
    raise AssertionError(f"nobody can fetch from {place}")


# Few random examples are made in the usual tests, so these hold each way of keeping work.
@example(doings=[sparse])
@example(doings=[ignored, refused, repository_with_a_branch, submodule_edit])
@example(doings=[forced, named_object, split_index, stash, staged_and_removed, sparse])
@given(doings=st.lists(st.sampled_from(DOINGS), min_size=1, max_size=6))
@settings(max_examples=EXAMPLES, suppress_health_check=SHARED_FIXTURES)
def test_every_byte_that_an_agent_left_is_kept_and_named(
    place: Path, made: Project, library: Project, doings: list[Callable[[Agent], None]]
) -> None:
    for folder in _example(place):
        run = RunRepository.create(folder / "run" / "repository.git", user=made.open())
        worktrees = Worktrees(run, user=made.open(), cache=folder / "cache", run="r1")
        base = made.git("rev-parse", "HEAD")
        worktrees.name_parts(target="main", base=base)
        worktree = worktrees.create(base, task="task", attempt=1, branch=BRANCH)
        worktree.begin(base)
        agents = [Agent(worktree.files, number) for number in range(len(doings))]
        # A later `git add` of everything would take the removal as meant.
        ordered = sorted(doings, key=lambda one: one is staged_and_removed)
        for agent, doing in zip(agents, ordered, strict=True):
            doing(agent)
        snapshot = worktree.snapshot(parent=base, message="Snapshot", at=AT)
        note("\n".join(snapshot.notes) + git_state(worktree))
        found = left_by(snapshot, run, base, _users(folder, made, library))
        assert [agent.text for agent in agents if agent.text.strip().encode() not in found] == []
        assert all(one.is_relative_to(folder / "run" / "strays") for one in kept_places(snapshot))


def _example(place: Path) -> Iterator[Path]:
    folder = place / "example"
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    yield folder


def _users(folder: Path, *projects: Project) -> list[Project]:
    """Return copies, as what is fetched is not to be there in the next example."""
    return [_copy(project, folder / f"user{n}") for n, project in enumerate(projects)]


def _copy(project: Project, root: Path) -> Project:
    project.git("clone", "--quiet", "--no-hardlinks", str(project.root), str(root))
    copied = Project.__new__(Project)
    copied.root = root
    return copied


def git_state(worktree: Worktree) -> str:
    """Return what git shows of the worktree, for the report of a failure."""
    return git(worktree, "log", "--all", "--reflog", "--oneline", "--graph", "--stat")

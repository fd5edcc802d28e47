"""Reads and writes the state branch, which keeps the history of a run and is never merged."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.git.command import Git
from concertmaster.git.our_branches import PREFIX, branch_of
from concertmaster.git.remote import BRANCHES, BranchMove, PushResult, Remote
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing import path_portability
from concertmaster.rounds import documents
from concertmaster.rounds.history import History
from concertmaster.text.display import display

_BRANCH = re.compile(branch_of("([^/]+)", "state"))
_NUMBERED = re.compile(r"(?:i[0-9]{1,18}-)?([cw])([0-9]{1,18})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """The content of a state branch at `commit`."""

    commit: str
    history: History
    repository: Repository

    def file(self, name: str) -> bytes | None:
        """Return the bytes of a further file; None if the branch has no file of this name."""
        return self.repository.read_file(self.commit, name)


def find(repository: Repository, remote: Remote) -> Mapping[str, str]:
    """Return the commits of all state branches by run."""
    tips = remote.tips(repository, prefix=BRANCHES + PREFIX)
    found = ((_BRANCH.fullmatch(name), commit) for name, commit in tips.items())
    return {match[1]: commit for match, commit in found if match}


def read(repository: Repository, remote: Remote, run: str) -> SavedState | None:
    """Return the saved state of a run; None if the run has no state branch.

    Raises EnvironmentFault if the branch holds no valid history or that of another run.
    """
    branch = name_of(run)
    commit = remote.fetch(repository, [branch]).get(branch)
    if commit is None:
        return None
    data = repository.read_file(commit, documents.HISTORY_FILE)
    history = documents.read_history(data or b"")
    if history.run != run:
        raise EnvironmentFault(
            f"the branch {branch} tells of another run",
            why=f"its {documents.HISTORY_FILE} names {display(history.run)!r}",
            next_step="look who pushed to it; put it back, or delete it and start a new run",
        )
    return SavedState(commit=commit, history=history, repository=repository)


def read_newest(repository: Repository, remote: Remote, *, most: int) -> tuple[History, ...]:
    """Return the histories of the newest `most` runs, without those that are not valid.

    Raises EnvironmentFault if the server does not send them.
    """
    tips = find(repository, remote)
    commits = {run: tips[run] for run in choose_newest(tips, most=most)}
    there = remote.fetch(repository, [*set(commits.values())])
    return tuple(
        history
        for run, commit in commits.items()
        if commit in there and (history := _read_history(repository, commit, run))
    )


def choose_newest(runs: Iterable[str], *, most: int) -> tuple[str, ...]:
    """Return the newest `most` runs, alternating between those of comments and of workflow runs.

    GitHub numbers each of the two kinds in the order of time. Nothing else in a run's id tells its
    age, and numbers of different kinds cannot be compared.
    """
    kinds: dict[str, list[tuple[int, str]]] = {"c": [], "w": []}
    for run in runs:
        if match := _NUMBERED.fullmatch(run):
            kinds[match[1]].append((int(match[2]), run))
    turns = zip_longest(*(sorted(kind, reverse=True) for kind in kinds.values()))
    return tuple(one[1] for turn in turns for one in turn if one)[:most]


def _read_history(repository: Repository, commit: str, run: str) -> History | None:
    try:
        found = documents.read_history(repository.read_file(commit, documents.HISTORY_FILE) or b"")
    except EnvironmentFault:
        return None
    return found if found.run == run else None


@dataclass(frozen=True, slots=True, kw_only=True)
class StateUpdate:
    """The whole content of a state branch to come. File names may contain slashes.

    `old` is the commit that `read` returned, or "" if the branch does not exist. `at` is epoch
    seconds.
    """

    run: str
    files: Mapping[str, bytes]
    old: str
    at: int
    message: str


def write(repository: RunRepository, remote: Remote, update: StateUpdate) -> PushResult:
    """Push one commit with exactly the update's files to the run's state branch.

    The push succeeds only if the branch is still at `old`. No new commit is made if the branch
    holds these files already.
    """
    old, tree = update.old, _write_tree(repository, update.files)
    if old and repository.tree(old) == tree:
        new = old
    else:
        parents = (old,) if old else ()
        new = repository.commit(tree, parents=parents, message=update.message, at=update.at)
    move = BranchMove(branch=name_of(update.run), old=old, new=new)
    return remote.push(repository, [move])[move.branch]


def name_of(run: str) -> str:
    """Return the name of the run's state branch."""
    return branch_of(run, "state")


def _write_tree(repository: RunRepository, files: Mapping[str, bytes]) -> str:
    """Return the id of a tree that holds exactly these files."""
    assert not [*path_portability.find_unportable_paths(files)], "these names are ours"
    entries = "".join(
        f"100644 {repository.write_blob(data)}\t{name}\0" for name, data in files.items()
    )
    with tempfile.TemporaryDirectory(dir=repository.path) as folder:
        index = Path(folder) / "index"
        git = Git(repository.path, git_dir=repository.path, index=index, private=True)
        stdin = entries.encode("utf-8", "surrogateescape")
        git.run("update-index", "-z", "--add", "--index-info", stdin=stdin)
        return git.run("write-tree")

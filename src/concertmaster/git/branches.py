"""Finds branches of the user's repository and compares their histories."""

from __future__ import annotations

from concertmaster.errors import UsageError
from concertmaster.git.command import decode, git_fault, parse_object_id
from concertmaster.git.repository import Repository

_KINDS = ("refs/heads/", "refs/remotes/")


def find_tip(repository: Repository, branch: str) -> str:
    """Return the tip commit of a local or remote-tracking branch, or "" if there is none.

    Only whole names count: `main` and `origin/main` are names of branches, `main~1` is not.
    """
    for kind in _KINDS if "\0" not in branch else ():
        answer = repository.git.ask("show-ref", "--verify", "--hash", "--", f"{kind}{branch}")
        if answer.code == 0:
            return repository.resolve(parse_object_id(decode(answer.out).strip()))
    return ""


def resolve_branch(repository: Repository, branch: str) -> str:
    """Return the tip commit as `find_tip` does. Raises UsageError when there is no such branch."""
    tip = find_tip(repository, branch)
    if not tip:
        raise UsageError(
            f"there is no branch {branch!r}",
            why=f"looked in {repository.root}",
            next_step="`git branch --all` lists what there is",
        )
    return tip


def find_fork(repository: Repository, branch: str, *, target: str) -> str:
    """Return the merge base of two commits, or "" if they share no history.

    Both are full object ids. Raises GitFault when one is not, or is no commit.
    """
    answer = repository.git.ask("merge-base", parse_object_id(target), parse_object_id(branch))
    if answer.code not in (0, 1):
        raise git_fault("merge-base", answer)
    return decode(answer.out).strip()


def own_commits(repository: Repository, branch: str, *, target: str) -> frozenset[str]:
    """Return the commits in the history of `branch` that are not in that of `target`.

    Both are full object ids. Raises GitFault when one is not, or is no commit.
    """
    span = (parse_object_id(branch), f"^{parse_object_id(target)}")
    return frozenset(repository.git.run("rev-list", *span).split())

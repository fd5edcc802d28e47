"""Branches of the user's repository, and how they stand to one another."""

from __future__ import annotations

from concertmaster.errors import UsageError
from concertmaster.git.command import decode, git_fault, parse_object_id
from concertmaster.git.repository import Repository

_KINDS = ("refs/heads/", "refs/remotes/")


def find_tip(repository: Repository, branch: str) -> str:
    """The commit of a branch, also of a remote-tracking one such as origin/x; "" = there is none.

    Only whole names count: `main~1` and the like name no branch.
    """
    for kind in _KINDS if "\0" not in branch else ():
        answer = repository.git.ask("show-ref", "--verify", "--hash", "--", f"{kind}{branch}")
        if answer.code == 0:
            return repository.resolve(parse_object_id(decode(answer.out).strip()))
    return ""


def resolve_branch(repository: Repository, branch: str) -> str:
    """The same; UsageError where there is none."""
    tip = find_tip(repository, branch)
    if not tip:
        raise UsageError(
            f"there is no branch {branch!r}",
            why=f"looked in {repository.root}",
            next_step="`git branch --all` lists what there is",
        )
    return tip


def find_fork(repository: Repository, branch: str, *, target: str) -> str:
    """The newest commit that both commits hold in their history; "" where they share none."""
    answer = repository.git.ask("merge-base", parse_object_id(target), parse_object_id(branch))
    if answer.code not in (0, 1):
        raise git_fault("merge-base", answer)
    return decode(answer.out).strip()


def own_commits(repository: Repository, branch: str, *, target: str) -> frozenset[str]:
    """The commits in the history of the one that are not in that of the other."""
    span = (parse_object_id(branch), f"^{parse_object_id(target)}")
    return frozenset(repository.git.run("rev-list", *span).split())

"""Finds branches of the user's repository and compares their histories."""

from __future__ import annotations

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.git.command import STDERR_TAIL, decode, git_fault, parse_object_id
from concertmaster.git.our_branches import FOLDER, branch_of, reference_of
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


def check_room(repository: Repository, run: str, commit: str) -> None:
    """Ask git whether it takes the references of a run; make none.

    Raises EnvironmentFault when it does not, for example because a branch has the name of a folder
    of ours.
    """
    names = (f"refs/heads/{branch_of(run, 'landed')}", reference_of(run, "base"))
    creations = "".join(f"create {name} {parse_object_id(commit)}\n" for name in names)
    request = f"start\n{creations}prepare\nabort\n".encode()
    answer = repository.git.ask("update-ref", "--stdin", stdin=request)
    if answer.code == 0:
        return
    is_branch = find_tip(repository, FOLDER) != ""
    raise EnvironmentFault(
        f"git does not take the branch {branch_of(run, 'landed')}",
        why=answer.err.strip().removeprefix("fatal: prepare: ")[-STDERR_TAIL:],
        next_step=f"rename the branch: git branch -m {FOLDER} another-name"
        if is_branch
        else f"see that {repository.git_dir} can be written to",
    )


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


def is_linear(repository: Repository, tip: str, *, most: int) -> bool:
    """Return whether the newest `most` commits of the tip's history hold no merge."""
    options = ("--parents", f"--max-count={most}")
    found = repository.git.run("rev-list", *options, parse_object_id(tip))
    return all(len(line.split()) <= 2 for line in found.splitlines())


def is_on_branch(repository: Repository, commit: str, *, tip: str) -> bool:
    """Return whether the commit is in the history of the tip; False for one that is not there."""
    sides = (parse_object_id(commit), parse_object_id(tip))
    return repository.git.ask("merge-base", "--is-ancestor", *sides).code == 0

"""Opens the commit of the repository that a plan is made on, with the settings that hold there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from concertmaster.errors import UsageError
from concertmaster.git.branches import find_tip
from concertmaster.git.conversion import read_conversion
from concertmaster.git.repository import Repository
from concertmaster.settings.choices import Filters
from concertmaster.settings.declarations import FILE_NAMES, Settings
from concertmaster.text.display import display

_MISNAMED = re.compile(
    r"(?:\.github/|\.config/)?\.?concertmaster(?:\.config)?\.(?:ya?ml|toml|json)", re.IGNORECASE
)

_NO_LFS = (
    "git-lfs is not installed here, so agents see pointers in place of the files of LFS, and what "
    "they add for LFS is stored whole"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRequest:
    """What the command line asks for; `options` are the settings that the user gave.

    `notes` are for the plan.
    """

    repository: Path
    prompts: tuple[Path, ...]
    base: str = ""
    all_prompts: bool = False
    notes: tuple[str, ...] = ()
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkout:
    """The commit that a plan is made on: its paths, and the settings that hold there.

    Later commits on the target do not change the plan. `notes` tell of files that are not read.
    `decrypted` maps a filter to a file that agents would see decrypted.
    """

    repository: Repository
    target: str
    commit: str
    paths: tuple[str, ...]
    settings: Settings
    notes: tuple[str, ...] = ()
    decrypted: Mapping[str, str] = field(default_factory=dict)

    def refuse_agents(self) -> None:
        """Raise UsageError if agents would see decrypted files and no setting allows it."""
        if self.settings.filters is Filters.ALLOW:
            return
        for name, path in self.decrypted.items():
            raise UsageError(
                f"agents would see {display(path, limit=200)} decrypted",
                why=f"git's configuration has a command for its filter {name}, and worktrees have "
                "the files as you see them",
                next_step="if agents may see them, commit `filters: allow` in concertmaster.yml "
                "or give --filters allow",
            )


def open_checkout(asked: PlanRequest) -> Checkout:
    """Return the base that is asked for, else the tip of the target.

    Raises UsageError or EnvironmentFault.
    """
    repository, options = Repository.open(asked.repository), asked.options
    target = options.get("target") or repository.current_branch()
    if target is None:
        raise UsageError(
            "HEAD is detached, so there is no branch to land on",
            why=f"no branch is checked out in {repository.root}",
            next_step="name one with --target BRANCH, or check a branch out",
        )
    tip = _tip_of(repository, target)
    commit = repository.resolve(asked.base) if asked.base else tip
    found = read_checkout(repository, commit, target=target, options=options)
    if options.get("target") or not found.settings.target:
        return found
    target = found.settings.target
    commit = commit if asked.base else repository.branch_tip(target)
    return replace(found, target=target, commit=commit, paths=repository.paths(commit))


def _tip_of(repository: Repository, target: str) -> str:
    """Return the commit of the branch. Raises UsageError, also for one without a commit."""
    if target == repository.current_branch() and not find_tip(repository, target):
        raise UsageError(
            f"the branch checked out, {target}, has no commit yet",
            why="every task starts from a commit",
            next_step="name another branch with --target, or make a commit",
        )
    return repository.branch_tip(target)


def read_checkout(
    repository: Repository, commit: str, *, target: str, options: Mapping[str, Any]
) -> Checkout:
    """Return the commit with the settings of the options and of concertmaster.yml in it.

    Raises UsageError, and EnvironmentFault when its files need a filter that cannot be run.
    """
    from concertmaster.settings.sources import load_settings  # noqa: PLC0415  slow to load

    paths = repository.paths(commit)
    files = ((name, repository.read_file(commit, name)) for name in FILE_NAMES if name in paths)
    name, data = next(((name, data) for name, data in files if data is not None), ("", b""))
    passed = find_misnamed(paths)
    if passed and not name:
        raise UsageError(
            f"{passed[0]} is not read: the settings are in concertmaster.yml",
            why="a file of another name would be passed over with all its settings",
            next_step=f"rename it and commit it: git mv {shlex.quote(passed[0])} concertmaster.yml",
        )
    conversion = read_conversion(repository, commit)
    conversion.check()
    others = [*passed, *(other for other in FILE_NAMES if other in paths and other != name)]
    return Checkout(
        repository=repository,
        target=target,
        commit=commit,
        paths=paths,
        settings=load_settings(options, file=data, name=name),
        notes=(
            *(f"{other} is not read, because the settings are in {name}" for other in others),
            *(
                f"agents see the files of the filter {name} "
                + ("decrypted" if name in conversion.decrypted else "converted, as you do")
                for name in conversion.opened
            ),
            *(
                f"the filter {name} is not set up here, so its files are used as they are stored"
                for name in conversion.unset
            ),
            *((_NO_LFS,) if conversion.lacks_lfs else ()),
        ),
        decrypted=conversion.decrypted,
    )


def do_again(checkout: Checkout) -> Checkout:
    """Return the checkout with settings that leave no prompt out because it landed before."""
    return replace(checkout, settings=replace(checkout.settings, again=True))


def find_misnamed(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the files that are meant as settings and have a name that is not read."""
    return tuple(path for path in paths if path not in FILE_NAMES and _MISNAMED.fullmatch(path))

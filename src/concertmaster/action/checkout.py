"""Reads what a plan is made from: the repository at the target's tip, settings and prompts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from concertmaster.action.job import Job
from concertmaster.errors import UsageError
from concertmaster.git.repository import Repository
from concertmaster.github.prompt_list import PromptList, read_paths
from concertmaster.github.slash_command import read_branch
from concertmaster.planning.run_settings import read_settings
from concertmaster.prompts.files import PromptFile
from concertmaster.prompts.parser import MAX_BYTES
from concertmaster.settings.declarations import Settings
from concertmaster.text.display import display


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInputs:
    """The target at its tip when the plan began. Later commits do not change the plan."""

    repository: Repository
    target: str
    base: str
    paths: Sequence[str]
    settings: Settings


def read_plan_inputs(
    job: Job, repository: Repository, options: Mapping[str, Any], *, target: str = ""
) -> PlanInputs:
    """Return the plan's inputs from `target`, else from the branch that options or settings name.

    Raises UsageError if the branch cannot be a target or the settings are not valid.
    """
    if target and target != repository.current_branch():
        job.remote.fetch_branch(repository, target)
    target = target or _choose_target(job, repository, options)
    base = repository.branch_tip(target)
    paths = repository.paths(base)
    return PlanInputs(
        repository=repository,
        target=target,
        base=base,
        paths=paths,
        settings=read_settings(repository, base, paths=paths, options=options),
    )


def _choose_target(job: Job, repository: Repository, options: Mapping[str, Any]) -> str:
    """Return the target of the options, else of the settings, else the default branch.

    The settings are those of concertmaster.yml on the default branch. The branch is fetched. Raises
    UsageError if the name cannot be a target.
    """
    default = repository.current_branch() or ""
    target = str(options.get("target", ""))
    if not target:
        tip = repository.branch_tip(default)
        paths = repository.paths(tip)
        target = read_settings(repository, tip, paths=paths, options=options).target or default
    if target == default:
        return default
    if not read_branch(target):
        raise UsageError(
            f"`target` cannot be {display(target, limit=200)!r}",
            why="it is no plain name of a branch that results may land on",
            next_step="name one, as in `target: release-1.2`, in concertmaster.yml of the default "
            "branch or in the workflow file",
        )
    job.remote.fetch_branch(repository, target)
    return target


def read_scheduled(settings: Settings) -> PromptList:
    """Return the prompts of `schedule` in concertmaster.yml. Raises UsageError."""
    prompts = read_paths(settings.schedule)
    for problem in prompts.problems[:1]:
        raise UsageError(
            f"entry {problem.line} of `schedule` in concertmaster.yml cannot be used",
            why=problem.why,
            next_step=problem.fix,
        )
    return prompts


def read_prompts(repository: Repository, base: str, prompts: PromptList) -> list[PromptFile]:
    """Return the listed prompt files as they are at the base.

    Raises UsageError if none is listed, or if one is a link, a folder or missing.
    """
    if not prompts.paths:
        raise UsageError(
            "no prompt files are listed",
            why="neither the comment nor the issue has a bullet that names an .md file",
            next_step="list them, one bullet each, for example `- prompts/add-login.md`",
        )
    modes = repository.modes(base)
    paths = dict.fromkeys(_find_prompt(path, modes, base) for path in prompts.paths)
    return [PromptFile(path=path, data=_read_start(repository, base, path)) for path in paths]


def _read_start(repository: Repository, base: str, path: str) -> bytes:
    """Return at most one byte more than the limit, which shows that a file is too large."""
    return (repository.read_file(base, path) or b"")[: MAX_BYTES + 1]


def _find_prompt(path: str, modes: Mapping[str, str], base: str) -> str:
    """Return the path in the tree. A bare name may also mean a file below prompts/."""
    below = f"prompts/{path}"
    found = below if path not in modes and below in modes else path
    if modes.get(found) in ("100644", "100755"):
        return found
    raise UsageError(
        f"{path} is no file of the target branch",
        why=f"at {base[:12]} it is {_describe_mode(modes.get(path))}",
        next_step="correct the list, or commit the file to the target branch first",
    )


def _describe_mode(mode: str | None) -> str:
    kinds = {"120000": "a symbolic link", "160000": "a submodule", "040000": "a folder"}
    return kinds.get(mode or "", "missing")

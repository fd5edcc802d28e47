"""Reads what a plan is made from: the target at its tip, and the listed prompt files there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from concertmaster.action.job import Job
from concertmaster.errors import UsageError
from concertmaster.git.repository import Repository
from concertmaster.github.prompt_list import PromptList, read_paths
from concertmaster.github.slash_command import read_branch
from concertmaster.planning.checkout import Checkout, read_checkout
from concertmaster.prompts.encoding import MAX_BYTES
from concertmaster.prompts.files import PromptFile
from concertmaster.text.display import count, display
from concertmaster.text.globs import expand, is_literal
from concertmaster.text.markdown import as_code

_FILES = ("100644", "100755")
_MOST_SHOWN = 10  # lines that were passed over


def open_target(job: Job, repository: Repository, options: Mapping[str, Any]) -> Checkout:
    """Return the target of the options, else of the settings, else the default branch, at its tip.

    Those settings are of concertmaster.yml on the default branch. Raises UsageError if the branch
    cannot be a target or the settings are not valid.
    """
    default = repository.current_branch() or ""
    target = str(options.get("target", ""))
    if target in ("", default):
        found = open_branch(job, repository, default, options=options)
        target = target or found.settings.target or default
        if target == default:
            return found
    if not read_branch(target):
        raise UsageError(
            f"`target` cannot be {display(target, limit=200)!r}",
            why="it is no plain name of a branch that results may land on",
            next_step="name one, as in `target: release-1.2`, in concertmaster.yml of the default "
            "branch or in the workflow file",
        )
    return open_branch(job, repository, target, options=options)


def open_branch(
    job: Job, repository: Repository, target: str, *, options: Mapping[str, Any]
) -> Checkout:
    """Return the branch at its tip, which is fetched if the clone does not have it.

    Raises UsageError if the server has no such branch or the settings are not valid.
    """
    if target != (repository.current_branch() or ""):
        job.remote.fetch_branch(repository, target)
    commit = repository.branch_tip(target)
    return read_checkout(repository, commit, target=target, options=options)


def read_scheduled(checkout: Checkout) -> PromptList:
    """Return the prompts of `schedule` in concertmaster.yml. Raises UsageError.

    A glob stands for the Markdown files of the checkout that it matches; a note names one that
    matches none.
    """
    paths, notes = _expand(checkout)
    prompts = read_paths(paths)
    for problem in prompts.problems[:1]:
        raise UsageError(
            f"{display(problem.written, limit=200)!r} of `schedule` in concertmaster.yml cannot "
            "be used",
            why=problem.why,
            next_step=problem.fix,
        )
    found = replace(prompts, notes=(*notes, *prompts.notes))
    if not found.paths:
        raise UsageError(
            "`schedule` in concertmaster.yml names no prompt",
            why=" ".join(found.notes[:_MOST_SHOWN]) or "it has no entries",
            next_step="name prompt files or globs there, as in `schedule: [prompts/chores/*.md]`",
        )
    return found


def _expand(checkout: Checkout) -> tuple[list[str], list[str]]:
    """Return the paths that `schedule` stands for, and notes on the globs that match nothing."""
    modes = checkout.repository.modes(checkout.commit)
    texts = sorted(path for path, mode in modes.items() if _is_text(path, mode))
    paths: list[str] = []
    notes: list[str] = []
    for entry in checkout.settings.schedule:
        found = (entry,) if is_literal(entry) else expand((entry,), texts)
        paths.extend(path for path in found if path not in paths)
        if not found:
            notes.append(f"{as_code(entry)} of `schedule` matches no file.")
    return paths, notes


def _is_text(path: str, mode: str) -> bool:
    return mode in _FILES and path.endswith(".md")


def read_prompts(checkout: Checkout, prompts: PromptList) -> list[PromptFile]:
    """Return the listed prompt files as they are in the checkout.

    Raises UsageError if none is listed, or if one is a link, a folder or missing.
    """
    if not prompts.paths:
        raise _nothing_listed(prompts)
    modes = checkout.repository.modes(checkout.commit)
    paths = dict.fromkeys(_find_prompt(path, modes, checkout.commit) for path in prompts.paths)
    return [PromptFile(path=path, data=_read_start(checkout, path)) for path in paths]


def _nothing_listed(prompts: PromptList) -> UsageError:
    """Return the error for a list without prompts; it says what was passed over, and why."""
    nothing = "neither the comment nor the issue has a bullet that names an .md file"
    shown = " ".join(prompts.notes[:_MOST_SHOWN])
    more = len(prompts.notes) - _MOST_SHOWN
    rest = f" And {count(more, 'more line')} like these." if more > 0 else ""
    return UsageError(
        "no prompt files are listed" if not prompts.notes else "no prompt of the list can be taken",
        why=f"{shown}{rest}" if shown else nothing,
        next_step="list them, one bullet each, for example `- prompts/add-login.md`",
    )


def _read_start(checkout: Checkout, path: str) -> bytes:
    """Return at most one byte more than the limit, which shows that a file is too large."""
    return (checkout.repository.read_file(checkout.commit, path) or b"")[: MAX_BYTES + 1]


def _find_prompt(path: str, modes: Mapping[str, str], base: str) -> str:
    """Return the path in the tree. A bare name may also mean a file below prompts/."""
    below = f"prompts/{path}"
    found = below if path not in modes and below in modes else path
    if modes.get(found) in _FILES:
        return found
    raise UsageError(
        f"{path} is no file of the target branch",
        why=f"at {base[:12]} it is {_describe_mode(modes.get(path))}",
        next_step="correct the list, or commit the file to the target branch first",
    )


def _describe_mode(mode: str | None) -> str:
    kinds = {"120000": "a symbolic link", "160000": "a submodule", "040000": "a folder"}
    return kinds.get(mode or "", "missing")

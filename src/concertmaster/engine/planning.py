"""From what the user asked for to a plan: reads the repository and the prompt files."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from concertmaster.adapters.repository import Repository
from concertmaster.core import planner
from concertmaster.core.model import LEAN_PHASES, Phase, Plan, Prompt, RunSettings
from concertmaster.core.planner import Candidate, Hint
from concertmaster.core.prompt import MAX_BYTES, parse, task_id
from concertmaster.errors import UsageError
from concertmaster.insight import footprint
from concertmaster.insight.commands import FILES, find_commands
from concertmaster.insight.order import infer_order
from concertmaster.insight.tree import TreePaths
from concertmaster.settings import FILE_NAMES, Settings, count_cores, load_settings

MOST_SLOTS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the command line asks for; `options` are the settings that the user gave."""

    repository: Path
    prompts: tuple[Path, ...]
    base: str = ""
    all_prompts: bool = False
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with the texts of its prompts, by blob id."""

    plan: Plan
    repository: Repository
    texts: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptFile:
    """A prompt file as it was read."""

    path: str
    data: bytes


def make_plan(asked: Asked) -> Planned:
    """Read everything and plan. Raises UsageError or EnvironmentFault; changes nothing."""
    repository = Repository.open(asked.repository)
    target, base = _choose_target(repository, asked)
    paths = repository.paths(base)
    settings = read_settings(repository, base, paths=paths, options=asked.options)
    if settings.target and not asked.options.get("target"):
        target = settings.target
        base = repository.resolve(asked.base) if asked.base else repository.branch_tip(target)
        paths = repository.paths(base)
    settings, found = fill_commands(settings, repository, base=base, paths=paths)
    files, notes = _read_files(asked, repository.root)
    return plan_files(
        files,
        repository=repository,
        paths=paths,
        run=_new_run(),
        base=base,
        target=target,
        slots=settings.parallel or min(MOST_SLOTS, 2 * count_cores()),
        settings=freeze(settings, requester=repository.requester()),
        notes=(*notes, *found),
    )


def plan_files(
    files: Sequence[PromptFile],
    *,
    repository: Repository,
    paths: Sequence[str],
    run: str,
    base: str,
    target: str,
    slots: int,
    settings: RunSettings,
    notes: Sequence[str] = (),
) -> Planned:
    """Plan these prompt files on the tree at the base, whose paths are given."""
    candidates = _study(files, TreePaths(paths), object_format=repository.object_format)
    prompts = [c.prompt for c in candidates]
    plan = planner.make_plan(
        candidates,
        run=run,
        base=base,
        target=target,
        slots=slots,
        settings=settings,
        hints=[Hint(path=o.path, on=o.on, reason=o.reason) for o in infer_order(prompts)],
        notes=notes,
    )
    texts = {c.blob: file.data for c, file in zip(candidates, files, strict=True)}
    return Planned(plan=plan, repository=repository, texts=texts)


def _choose_target(repository: Repository, asked: Asked) -> tuple[str, str]:
    target = asked.options.get("target") or repository.current_branch()
    if target is None:
        raise UsageError(
            "HEAD is detached, so there is no branch to land on",
            why=f"no branch is checked out in {repository.root}",
            next_step="name one with --target BRANCH, or check a branch out",
        )
    tip = repository.branch_tip(target)
    return target, repository.resolve(asked.base) if asked.base else tip


def read_settings(
    repository: Repository, base: str, *, paths: Sequence[str], options: Mapping[str, Any]
) -> Settings:
    """The settings as concertmaster.yml of the base and the options say. Raises UsageError."""
    for name in FILE_NAMES:
        data = repository.read_file(base, name) if name in paths else None
        if data is not None:
            return load_settings(options, file=data, name=name)
    return load_settings(options)


def fill_commands(
    settings: Settings, repository: Repository, *, base: str, paths: Sequence[str]
) -> tuple[Settings, tuple[str, ...]]:
    """Where no check is given, the one that the base's files tell, with its setup if none is
    given either; notes say which and why. A run with a check of its own gets nothing new."""
    if settings.check.strip():
        return settings, ()
    read = {name: repository.read_file(base, name) for name in FILES if name in paths}
    files = {name: data for name, data in read.items() if data is not None}
    found = find_commands(paths, files, has_setup="setup" in settings.model_fields_set)
    named = [(key, c) for key, c in (("check", found.check), ("setup", found.setup)) if c]
    filled = settings.model_copy(update={key: c.command for key, c in named})
    return filled, tuple(f"{key}: `{c.command}` (found: {c.reason})" for key, c in named)


def freeze(settings: Settings, *, requester: str) -> RunSettings:
    """What a plan keeps of the settings. Raises UsageError without a check."""
    if not settings.check.strip():
        raise UsageError(
            "there is no check: which command must pass before a result may land?",
            why="none is given, and the base has neither a Makefile with a target test, nor "
            "pytest, a script test in package.json, Cargo.toml or go.mod",
            next_step="answer with --check, for example --check 'pytest -q', or with `check:` in "
            "concertmaster.yml at the base (`true` trusts every result)",
        )
    agent = "command" if settings.agent_command else settings.agent
    usual = LEAN_PHASES if agent == "command" else tuple(Phase)
    return RunSettings(
        agent=agent,
        agent_command=settings.agent_command,
        agent_environment=settings.agent_environment,
        setup=settings.setup,
        check=settings.check,
        landing=settings.landing,
        phases=settings.phases or usual,
        timeout_seconds=settings.timeout,
        check_timeout_seconds=settings.check_timeout,
        budget_usd=settings.budget,
        attempts=settings.attempts,
        fix_attempts=settings.fix_attempts,
        repairs=settings.repairs,
        rounds=settings.rounds,
        protected=settings.protected,
        requester=requester,
        made_at=int(time.time()),
    )


def _new_run() -> str:
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


# --- prompt files ------------------------------------------------------------------------------


def _read_files(asked: Asked, root: Path) -> tuple[list[PromptFile], list[str]]:
    listed = [(_name(given, root), given) for given in _expand(asked)]
    files = {path: PromptFile(path=path, data=_read(given)) for path, given in dict(listed).items()}
    times = Counter(path for path, _ in listed)
    notes = [
        f"{path} is listed more than once; it makes one task"
        for path, number in times.items()
        if number > 1
    ]
    if not files:
        raise UsageError(
            "no prompt files were given",
            why="Concertmaster runs exactly the files that are listed",
            next_step="list them: concertmaster run prompts/*.md",
        )
    return list(files.values()), notes


def _expand(asked: Asked) -> Sequence[Path]:
    found: list[Path] = []
    for given in asked.prompts:
        if asked.all_prompts and given.is_dir():
            found.extend(sorted(path for path in given.rglob("*.md") if path.is_file()))
        else:
            found.append(given)
    return found


def _name(given: Path, root: Path) -> str:
    """The path in the repository, or the absolute one outside it."""
    absolute = given.parent.resolve() / given.name
    if absolute.is_relative_to(root.resolve()):
        return absolute.relative_to(root.resolve()).as_posix()
    return absolute.as_posix()


def _read(path: Path) -> bytes:
    if path.is_dir():
        raise UsageError(
            f"{path} is a directory",
            why="a directory is never scanned by itself",
            next_step=f"list the files ({path}/*.md), or add --all-prompts",
        )
    if not path.is_file():
        raise UsageError(
            f"there is no prompt file {path}",
            why="nothing lies at this path" if not path.exists() else "it is no regular file",
            next_step="correct the path; nothing was started",
        )
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"the prompt file {path} cannot be read",
            why=str(error.strerror),
            next_step="make it readable; nothing was started",
        ) from error


def _study(files: Sequence[PromptFile], tree: TreePaths, *, object_format: str) -> list[Candidate]:
    found = []
    for file in files:
        prompt = parse(file.data, path=file.path)
        entries, notes = footprint.predict(prompt, tree=tree)
        found.append(
            Candidate(
                id=task_id(file.path),
                prompt=prompt,
                blob=_blob_id(file.data, object_format),
                footprint=entries,
                notes=notes,
            )
        )
    _refuse_same_ids([(c.id, c.prompt) for c in found])
    return found


def _blob_id(data: bytes, object_format: str) -> str:
    return hashlib.new(object_format, b"blob %d\0" % len(data) + data).hexdigest()


def _refuse_same_ids(named: Sequence[tuple[str, Prompt]]) -> None:
    seen: dict[str, str] = {}
    for task, prompt in named:
        if task in seen:
            raise UsageError(
                f"{seen[task]} and {prompt.path} would get the same task id {task}",
                why="ids are made from the file name and a short hash of the path",
                next_step="rename one of the two files",
            )
        seen[task] = prompt.path

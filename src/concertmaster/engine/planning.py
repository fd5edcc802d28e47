"""From what the user asked for to a plan: reads the repository and the prompt files."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from concertmaster.adapters import host
from concertmaster.adapters.archive import read_past
from concertmaster.adapters.repository import Repository
from concertmaster.core import planner
from concertmaster.core.capacity import Capacity
from concertmaster.core.experience import Sample, learn
from concertmaster.core.model import LEAN_PHASES, Phase, Plan, Prompt, RunSettings
from concertmaster.core.planner import Candidate, Hint
from concertmaster.core.prompt import MAX_BYTES, parse, task_id
from concertmaster.errors import UsageError
from concertmaster.insight import footprint
from concertmaster.insight.commands import FILES, find_commands
from concertmaster.insight.order import infer_order
from concertmaster.insight.tree import TreePaths
from concertmaster.settings import FILE_NAMES, Settings, count_cores, load_settings


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
    outset = find_outset(asked)
    repository, base, paths = outset.repository, outset.base, outset.paths
    settings = outset.settings
    filled = fill_commands(settings, repository, base=base, paths=paths)
    files, notes = _read_files(asked, repository.root)
    return plan_files(
        files,
        repository=repository,
        paths=paths,
        run=new_run(),
        base=base,
        target=outset.target,
        slots=settings.parallel or measure_capacity(),
        settings=freeze(filled, requester=repository.requester()),
        notes=(*notes, *filled.notes),
        past=read_past(repository.git_dir),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outset:
    """Where a run begins: the commit, its paths, and the settings that hold there."""

    repository: Repository
    target: str
    base: str
    paths: tuple[str, ...]
    settings: Settings


def find_outset(asked: Asked) -> Outset:
    """Raises UsageError or EnvironmentFault."""
    repository = Repository.open(asked.repository)
    target, base = _choose_target(repository, asked)
    paths = repository.paths(base)
    settings = read_settings(repository, base, paths=paths, options=asked.options)
    if settings.target and not asked.options.get("target"):
        target = settings.target
        base = repository.resolve(asked.base) if asked.base else repository.branch_tip(target)
        paths = repository.paths(base)
    return Outset(repository=repository, target=target, base=base, paths=paths, settings=settings)


def plan_files(
    files: Sequence[PromptFile],
    *,
    repository: Repository,
    paths: Sequence[str],
    run: str,
    base: str,
    target: str,
    slots: int | Capacity,
    settings: RunSettings,
    notes: Sequence[str] = (),
    past: Sequence[Sample] = (),
) -> Planned:
    """Plan these prompt files on the tree at the base, whose paths are given; `past` are tasks of
    earlier runs, also such as cannot be believed."""
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
        past=learn(past),
    )
    texts = {c.blob: file.data for c, file in zip(candidates, files, strict=True)}
    return Planned(plan=plan, repository=repository, texts=texts)


def measure_capacity() -> Capacity:
    """What this machine has for agents right now."""
    try:
        return Capacity(cores=count_cores(), memory_bytes=host.measure_memory())
    except OSError:
        return Capacity(cores=count_cores())


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Filled:
    """Settings with the commands that were found; for each of them, by key, why it is the one."""

    settings: Settings
    reasons: Mapping[str, str] = field(default_factory=dict)

    @property
    def setup_reason(self) -> str:
        """Nothing for a setup that was given."""
        return self.reasons.get("setup", "")

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found, and why, for people to read."""
        return tuple(
            f"{key}: `{getattr(self.settings, key)}` (found: {reason})"
            for key, reason in self.reasons.items()
        )


def fill_commands(
    settings: Settings, repository: Repository, *, base: str, paths: Sequence[str]
) -> Filled:
    """What the base's files tell of the check and the setup, where they are not given. An empty
    setup counts as given."""
    check, has_setup = settings.check.strip(), "setup" in settings.model_fields_set
    if check and has_setup:
        return Filled(settings=settings)
    read = {name: repository.read_file(base, name) for name in FILES if name in paths}
    files = {name: data for name, data in read.items() if data is not None}
    found = find_commands(paths, files, check=check, has_setup=has_setup)
    named = [(key, c) for key, c in (("check", found.check), ("setup", found.setup)) if c]
    return Filled(
        settings=settings.model_copy(update={key: c.command for key, c in named}),
        reasons={key: c.reason for key, c in named},
    )


def freeze(filled: Filled, *, requester: str) -> RunSettings:
    """What a plan keeps of the settings. Raises UsageError without a check."""
    settings = filled.settings
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
        agent_model=settings.agent_model,
        agent_environment=settings.agent_environment,
        setup=settings.setup,
        setup_reason=filled.setup_reason,
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


def new_run() -> str:
    """An id that sorts by time."""
    return time.strftime("%Y%m%d-%H%M%S-", time.gmtime()) + secrets.token_hex(2)


# --- prompt files ------------------------------------------------------------------------------


def _read_files(asked: Asked, root: Path) -> tuple[list[PromptFile], list[str]]:
    listed = [(name_prompt(given, root), given) for given in _expand(asked)]
    files = {
        path: PromptFile(path=path, data=read_prompt(given)) for path, given in dict(listed).items()
    }
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


def name_prompt(given: Path, root: Path) -> str:
    """The path in the repository, or the absolute one outside it."""
    absolute = given.parent.resolve() / given.name
    if absolute.is_relative_to(root.resolve()):
        return absolute.relative_to(root.resolve()).as_posix()
    return absolute.as_posix()


def read_prompt(path: Path) -> bytes:
    """What the file holds, as far as a prompt may be long. Raises UsageError."""
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

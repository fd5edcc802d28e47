"""Builds the plan that a user asks for from the repository and the prompt files."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from concertmaster.errors import UsageError
from concertmaster.git.repository import Repository
from concertmaster.insight import footprint
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.model import Plan, Prompt, RunSettings
from concertmaster.planning import planner
from concertmaster.planning.estimates import Sample, learn_samples
from concertmaster.planning.past_runs import read_past
from concertmaster.planning.planner import Candidate, SoftOrder
from concertmaster.planning.prose_order import infer_order
from concertmaster.planning.run_settings import (
    PlanRequest,
    fill_commands,
    find_base,
    freeze_settings,
)
from concertmaster.planning.slots import SlotCapacity
from concertmaster.prompts.files import PromptFile, read_prompts
from concertmaster.prompts.parser import parse_prompt, task_id
from concertmaster.sandbox import host
from concertmaster.settings.process import count_cores


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """A plan with its repository and the contents of its prompts, by blob id."""

    plan: Plan
    repository: Repository
    texts: Mapping[str, bytes]


def make_plan(asked: PlanRequest) -> Planned:
    """Return the plan of a request. Change nothing.

    Raises UsageError or EnvironmentFault.
    """
    outset = find_base(asked)
    repository, base, paths = outset.repository, outset.base, outset.paths
    settings = outset.settings
    filled = fill_commands(settings, repository, base=base, paths=paths)
    files, notes = read_prompts(asked.prompts, root=repository.root, all_prompts=asked.all_prompts)
    return plan_files(
        files,
        repository=repository,
        paths=paths,
        run=new_run(),
        base=base,
        target=outset.target,
        slots=settings.parallel or measure_capacity(),
        settings=freeze_settings(filled, requester=repository.requester()),
        notes=(*notes, *filled.notes),
        past=read_past(repository.git_dir),
    )


def plan_files(
    files: Sequence[PromptFile],
    *,
    repository: Repository,
    paths: Sequence[str],
    run: str,
    base: str,
    target: str,
    slots: int | SlotCapacity,
    settings: RunSettings,
    notes: Sequence[str] = (),
    past: Sequence[Sample] = (),
) -> Planned:
    """Return the plan of these prompt files on the tree at `base`.

    `paths` are all files of that tree. `past` are tasks of earlier runs; those with impossible
    numbers are ignored. Raises UsageError.
    """
    candidates = _study(files, TreePaths(paths), object_format=repository.object_format)
    prompts = [c.prompt for c in candidates]
    plan = planner.make_plan(
        candidates,
        run=run,
        base=base,
        target=target,
        slots=slots,
        settings=settings,
        hints=[SoftOrder(path=o.path, on=o.on, reason=o.reason) for o in infer_order(prompts)],
        notes=notes,
        past=learn_samples(past),
    )
    texts = {c.blob: file.data for c, file in zip(candidates, files, strict=True)}
    return Planned(plan=plan, repository=repository, texts=texts)


def measure_capacity() -> SlotCapacity:
    """Return the cores of this machine and, if it can be measured, its free memory."""
    try:
        return SlotCapacity(cores=count_cores(), memory_bytes=host.measure_memory())
    except OSError:
        return SlotCapacity(cores=count_cores())


def new_run() -> str:
    """Return a new run id; ids sort by time, to 4 ms."""
    now = time.time()
    second = time.strftime("%Y%m%d-%H%M%S", time.gmtime(now))
    return f"{second}-{int(now % 1 * 256):02x}{secrets.token_hex(1)}"


def _study(files: Sequence[PromptFile], tree: TreePaths, *, object_format: str) -> list[Candidate]:
    """Return a candidate for each prompt file. Raises UsageError."""
    found = []
    for file in files:
        prompt = parse_prompt(file.data, path=file.path)
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
    """Return the id that git gives a blob of this data."""
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

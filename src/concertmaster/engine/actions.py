"""The jobs of the workflow, each from event or artifact to issues, outputs and artifact."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from concertmaster.adapters import journal
from concertmaster.adapters.issue import Issue
from concertmaster.adapters.remote import clone
from concertmaster.adapters.repository import Repository
from concertmaster.core import bulletin
from concertmaster.core.comment import Verb, reply_comment
from concertmaster.core.listing import PromptList, read_paths
from concertmaster.core.model import Plan
from concertmaster.core.prompt import MAX_BYTES
from concertmaster.core.share import deal
from concertmaster.core.trigger import Kind, Trigger
from concertmaster.engine.children import RUNNING, Family, raise_parent
from concertmaster.engine.control import control
from concertmaster.engine.job import Job, digest
from concertmaster.engine.planning import (
    Planned,
    PromptFile,
    freeze,
    plan_files,
    read_settings,
)
from concertmaster.engine.reception import Rejected, Request, answer, receive
from concertmaster.engine.site import PROMPTS
from concertmaster.engine.work import work
from concertmaster.errors import Error, UsageError

NOTHING = {"count": "0", "shares": "[]", "run": ""}
_STARTS = (Verb.RUN, Verb.PLAN)


def plan(job: Job) -> int:
    """Authorise, snapshot, plan, make the child issues, hand out the shares."""
    received = receive(job)
    if isinstance(received, Rejected):
        return _turn_away(job, received)
    if received.order.verb not in _STARTS:
        return _leave_to_others(job, received)
    if received.prompts.problems:
        return _turn_away(job, _unreadable(received, received.prompts))
    if received.trigger.comment:
        job.forge.react(received.trigger.comment)
    try:
        planned = _make_plan(job, received)
    except Error as error:
        job.write_outputs(NOTHING)
        answer(job, received.trigger, bulletin.error_text(error.what, error.why, error.next_step))
        raise
    return _publish(job, received, planned)


def _leave_to_others(job: Job, request: Request) -> int:
    verb = request.order.verb
    if verb is Verb.RETRY:
        answer(job, request.trigger, bulletin.RETRY_ANSWER)
    job.console.note(f"{verb} is not for the plan job")
    job.write_outputs(NOTHING)
    return 0


def _unreadable(request: Request, prompts: PromptList) -> Rejected:
    reason = "the list of prompts cannot be read"
    return Rejected(reason=reason, trigger=request.trigger, replies=prompts.problems)


def _turn_away(job: Job, rejected: Rejected) -> int:
    """Nothing is started; only who may start something gets an answer."""
    job.console.note(f"nothing to do: {rejected.reason}")
    for reply in rejected.replies:
        job.console.note(f"line {reply.line}: {reply.why} {reply.fix}")
    if rejected.replies and rejected.trigger is not None:
        answer(job, rejected.trigger, reply_comment(list(rejected.replies)))
    job.write_outputs(NOTHING)
    return 0


def _make_plan(job: Job, request: Request) -> Planned:
    options = {**job.settings.options(), **dict(request.order.options)}
    target = str(options.get("target", ""))
    folder = job.folder / "repository"
    shutil.rmtree(folder, ignore_errors=True)  # of a try of this job before
    repository = clone(job.clone_url, folder, token=job.token, branch=target)
    branch = target or repository.current_branch() or ""
    base = repository.branch_tip(branch)
    paths = repository.paths(base)
    settings = read_settings(repository, base, paths=paths, options=options)
    prompts = request.prompts
    if request.trigger.kind is Kind.SCHEDULE:
        prompts = read_paths(settings.schedule)
        _refuse_problems(prompts)
    files = _read_prompts(repository, base, prompts)
    planned = plan_files(
        files,
        repository=repository,
        paths=paths,
        run=request.trigger.run,
        base=base,
        target=branch,
        slots=settings.parallel or job.settings.slots,
        settings=freeze(settings, requester=""),
        notes=prompts.notes,
    )
    return replace(planned, plan=deal(planned.plan, jobs=job.settings.max_parallel))


def _refuse_problems(prompts: PromptList) -> None:
    for problem in prompts.problems[:1]:
        raise UsageError(
            f"entry {problem.line} of `schedule` in concertmaster.yml cannot be used",
            why=problem.why,
            next_step=problem.fix,
        )


def _read_prompts(repository: Repository, base: str, prompts: PromptList) -> list[PromptFile]:
    """The listed files as the base has them: a link, a folder or a missing one is refused."""
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
    """No more than is needed to see that a file is too large: there may be 256 of them."""
    return (repository.read_file(base, path) or b"")[: MAX_BYTES + 1]


def _find_prompt(path: str, modes: Mapping[str, str], base: str) -> str:
    """A bare name may also be one below prompts/, as older lists have it."""
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


def _publish(job: Job, request: Request, planned: Planned) -> int:
    made = bulletin.without_secrets(planned.plan, job.redact)
    viewer = job.forge.viewer()
    parent = _find_parent(job, request.trigger, made, viewer=viewer)
    shutil.rmtree(_plan_folder(job), ignore_errors=True)  # of a try of this job before
    family = Family(
        forge=job.forge, plan=made, parent=parent, viewer=viewer, keep=partial(_keep_text, job)
    )
    if request.order.verb is Verb.PLAN:
        family.publish_plan({}, ("This is a dry run: nothing was started.",))
        job.write_outputs(NOTHING)
        return 0
    children = family.raise_children()
    family.publish_plan(children, (bulletin.workflow_note(job.workflow_url),))
    job.write_summary(bulletin.plan_comment(made, children=_numbers(children)))
    _hand_out(job, planned, children, parent)
    job.forge.set_labels(parent.number, add=[RUNNING])
    return 0


def _numbers(children: Mapping[str, Issue]) -> dict[str, int]:
    return {task: child.number for task, child in children.items()}


def _find_parent(job: Job, trigger: Trigger, made: Plan, *, viewer: str) -> Issue:
    """The issue that asked, or one of ours for a run that no issue asked for."""
    if trigger.issue:
        return job.forge.issue(trigger.issue)
    return raise_parent(job.forge, made, viewer=viewer)


def _plan_folder(job: Job) -> Path:
    return job.artifacts / "plan"


def _keep_text(job: Job, name: str, text: str) -> None:
    """What is too long for GitHub, in the artifact."""
    folder = _plan_folder(job) / "texts"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text, "utf-8")


def _hand_out(job: Job, planned: Planned, children: Mapping[str, Issue], parent: Issue) -> None:
    """The artifact for the work jobs, and the matrix."""
    folder = _plan_folder(job)
    (folder / PROMPTS).mkdir(parents=True)
    for blob, data in planned.texts.items():
        (folder / PROMPTS / blob).write_bytes(data)
    journal.write_plan(folder, planned.plan)
    links = {"parent": parent.number, "children": _numbers(children)}
    journal.write_whole(folder / "issues.json", json.dumps(links, indent=1) + "\n")
    shares = list(range(len(planned.plan.shares)))
    job.write_outputs(
        {
            "run": planned.plan.run,
            "count": str(len(shares)),
            "shares": json.dumps(shares),
            "plan_sha256": digest(folder / "plan.json"),
            "runs_on": job.settings.runs_on,
            "max_parallel": str(job.settings.max_parallel),
        }
    )


JOBS: Mapping[str, Callable[[Job], int]] = {"plan": plan, "work": work, "control": control}

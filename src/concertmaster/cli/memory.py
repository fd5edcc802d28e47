"""Writes a run of this machine into Memory.md, where the setting `memory` asks for it."""

from __future__ import annotations

from concertmaster.comments.memory_entry import make_report_entry
from concertmaster.comments.memory_file import PATH, add_entry
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.errors import GitFault
from concertmaster.git import branches, commit_message
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.git.tree_entries import write_empty_tree
from concertmaster.landing.target_branch import CheckoutBlocked, TargetMovedAway, advance_target
from concertmaster.model import Plan
from concertmaster.report.run_end import RunEnd, can_go_on
from concertmaster.settings.choices import NO, LandingMode, branch_of

TRIES = 5  # onto a branch that moves
_OPENING = "Hold Memory.md, which Concertmaster writes after each run"


def remember_run(repository: Repository, run: RecordedRun) -> str:
    """Write the ended run into Memory.md; return why it could not be written, else ""."""
    plan = run.state.plan
    wanted = plan.settings.memory
    if wanted in ("", NO) or can_go_on(run.state) or run.report.ended is RunEnd.CANCELLED:
        return ""
    branch = branch_of(wanted)
    lands = plan.settings.landing is LandingMode.MERGE and not run.state.landing.diverted
    if not branch and not lands:
        return f"{PATH} was not written: the results of this run are not on {plan.target}"
    objects = RunRepository.create(run.folder / "repository.git", user=repository, base=plan.base)
    try:
        why = _write(repository, objects, run, branch or plan.target)
    except GitFault as error:
        why = error.why
    return f"{PATH} could not be written: {why}" if why else ""


def _write(repository: Repository, objects: RunRepository, run: RecordedRun, branch: str) -> str:
    """Put the entry on top of the branch; return why not, "" if it is there."""
    plan = run.state.plan
    for _ in range(TRIES):
        tip = branches.find_tip(repository, branch)
        start = tip or _open_branch(objects, plan)
        commit, why = _make_commit(objects, start, run)
        if why or commit == start:
            return why
        is_local = (
            repository.git.ask("show-ref", "--verify", "--", f"refs/heads/{branch}").code == 0
        )
        ref = "" if is_local else f"refs/heads/{branch}"
        repository.fetch(objects.path, commit, ref=ref)
        if not is_local:
            return ""
        moved = advance_target(repository, branch, old=tip, new=commit)
        if isinstance(moved, CheckoutBlocked):
            return moved.reason
        if not isinstance(moved, TargetMovedAway):
            return ""
    return f"{branch} moved {TRIES} times"


def _open_branch(objects: RunRepository, plan: Plan) -> str:
    """Return the first commit of a branch that holds nothing else."""
    at = plan.settings.made_at
    return objects.commit(write_empty_tree(objects.git), parents=(), message=_OPENING, at=at)


def _make_commit(objects: RunRepository, start: str, run: RecordedRun) -> tuple[str, str]:
    """Return the commit with the entry on top of `start`, or `start` itself, and why not."""
    listed = objects.git.run("ls-tree", "-z", start, "--", PATH).rstrip("\0")
    if listed and listed.partition(" ")[0] not in ("100644", "100755"):
        return start, "it is no regular file"
    old = objects.git.ask("cat-file", "blob", f"{start}:{PATH}").out if listed else None
    new = add_entry(old, make_report_entry(run.report))
    if new is None:
        return start, "it is too large or no text"
    if new == old:
        return start, ""
    plan = run.state.plan
    text, at = commit_message.memory_message(plan.run), plan.settings.made_at
    return objects.put_file(start, PATH, new, message=text, at=at), ""

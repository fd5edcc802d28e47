"""Commits Memory.md on top of the checked commit; the commit changes nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.pull_requests import Proposal, open_pull_requests
from concertmaster.comments import memory_file, pull_request
from concertmaster.comments.memory_file import PATH
from concertmaster.errors import GitFault
from concertmaster.git import commit_message
from concertmaster.git.remote import BranchMove, PushState
from concertmaster.git.tree_entries import write_empty_tree
from concertmaster.rounds.history import History
from concertmaster.settings.choices import NO, YES, branch_of
from concertmaster.text.markdown import as_code, as_line

BRANCH = "memory"
_OPENING = "Hold Memory.md, which Concertmaster writes after each run"
TRIES = 5  # of a push onto a target that moves


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenMemory:
    """The commit with Memory.md, or the given one when nothing was written; notes are Markdown."""

    commit: str
    notes: tuple[str, ...] = ()


def write_memory_commit(context: FinalizeContext, commit: str, history: History) -> WrittenMemory:
    """Put a commit with this run's entry in Memory.md on top of `commit`.

    Returns `commit` itself when the entry is there already or the target gets none, and with a note
    when the file cannot be written. Pull requests of others make no entry.
    """
    if history.is_train or context.plan.settings.memory not in ("", YES):
        return WrittenMemory(commit=commit)
    return _write_on_top(context, commit, history)


def _write_on_top(context: FinalizeContext, commit: str, history: History) -> WrittenMemory:
    """Return the commit with this run's entry on top of `commit`, or that one and why not."""
    repository = context.objects.git
    listed = repository.run("ls-tree", "-z", commit, "--", PATH).rstrip("\0")
    mode = listed.partition(" ")[0]
    if listed and mode not in ("100644", "100755"):
        return WrittenMemory(
            commit=commit, notes=(f"`{PATH}` is no regular file; it was left alone.",)
        )
    old = repository.ask("cat-file", "blob", f"{commit}:{PATH}").out if listed else None
    new = memory_file.write_memory(old, history, at=history.started_at)
    if new is None:
        note = f"`{PATH}` is too large or no text, so this run is not in it."
        return WrittenMemory(commit=commit, notes=(note,))
    if new == old:
        return WrittenMemory(commit=commit)
    text, at = commit_message.memory_message(context.plan.run), context.plan.settings.made_at
    try:
        return WrittenMemory(
            commit=context.objects.put_file(commit, PATH, new, message=text, at=at)
        )
    except GitFault as error:
        note = f"`{PATH}` could not be written: {as_line(error.why)}"
        return WrittenMemory(commit=commit, notes=(note,))


def push_memory(context: FinalizeContext, history: History) -> tuple[str, ...]:
    """Push Memory.md onto the present tip of the target; return notes (Markdown) on what failed.

    Tries again when the target moves. The setting `memory` may name another branch, or none.
    """
    if context.plan.settings.memory == NO:
        return ()
    if branch := branch_of(context.plan.settings.memory):
        return _push_aside(context, history, branch)
    target = context.plan.target
    for _ in range(TRIES):
        tip = context.tip()
        written = write_memory_commit(context, tip, history)
        if written.commit == tip:
            return written.notes
        pushed = context.push([BranchMove(branch=target, old=tip, new=written.commit)])[target]
        if pushed.state is PushState.DONE:
            return written.notes
        if pushed.state is PushState.FORBIDDEN and _names_run(context, tip, history.run):
            return written.notes  # a pull request brought an entry, perhaps an older one
        if pushed.state is PushState.FORBIDDEN:
            return (f"`{PATH}` could not be pushed: {as_line(pushed.reason)}",)
    return (f"`{PATH}` was not written: the target moved {TRIES} times.",)


def _push_aside(context: FinalizeContext, history: History, branch: str) -> tuple[str, ...]:
    """Push Memory.md onto a branch that holds nothing else; it is made if it is not there."""
    for _ in range(TRIES):
        tip = context.job.remote.fetch(context.objects, [branch]).get(branch, "")
        at = context.plan.settings.made_at
        start = tip or context.objects.commit(
            write_empty_tree(context.objects.git), parents=(), message=_OPENING, at=at
        )
        written = _write_on_top(context, start, history)
        if written.commit in (tip, start):
            return written.notes
        pushed = context.push([BranchMove(branch=branch, old=tip, new=written.commit)])[branch]
        if pushed.state is PushState.DONE:
            return written.notes
        if pushed.state is PushState.FORBIDDEN:
            return (f"`{PATH}` could not be pushed to {as_code(branch)}: {as_line(pushed.reason)}",)
    return (f"`{PATH}` was not written: the branch {as_code(branch)} moved {TRIES} times.",)


def _names_run(context: FinalizeContext, commit: str, run: str) -> bool:
    """Return whether Memory.md of the commit has an entry of the run."""
    old = context.objects.git.ask("cat-file", "blob", f"{commit}:{PATH}")
    return old.code == 0 and memory_file.names_run(old.out, run)


def propose_memory(context: FinalizeContext, history: History) -> tuple[History, tuple[str, ...]]:
    """Open a pull request for Memory.md alone.

    Returns the history with its number, and notes (Markdown) on what failed.
    """
    if branch_of(context.plan.settings.memory):
        return history, push_memory(context, history)
    tip = context.tip()
    written = write_memory_commit(context, tip, history)
    if written.commit == tip:
        return history, written.notes
    history, failed = context.set_branches(history, {BRANCH: written.commit})
    if failed:
        return history, tuple(failed.values())
    proposal = Proposal(
        branch=BRANCH,
        title=pull_request.memory_pull_title(history),
        body=pull_request.memory_pull_body(history),
    )
    proposed = open_pull_requests(context, [proposal], since=history.created_at)
    for pull in proposed.pulls.values():
        history = replace(history, memory_pull=pull.number)
    return history, (*written.notes, *proposed.notes)

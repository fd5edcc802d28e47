"""Memory.md: one commit of ours on top of what was checked, which touches nothing else."""

from __future__ import annotations

from dataclasses import dataclass, replace

from concertmaster.adapters.remote import Move, PushState
from concertmaster.core import memory, message, notice
from concertmaster.core.history import History
from concertmaster.core.neutral import as_line
from concertmaster.engine.ground import Ground
from concertmaster.engine.proposals import Proposal, propose
from concertmaster.errors import GitFault

PATH = ".github/Memory.md"
BRANCH = "memory"
TRIES = 5  # on a target that moves


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """The commit to push instead; the same one where there is nothing to write."""

    commit: str
    notes: tuple[str, ...] = ()


def write_on(ground: Ground, commit: str, history: History) -> Written:
    """With this run's entry in Memory.md."""
    repository = ground.objects.git
    listed = repository.run("ls-tree", "-z", commit, "--", PATH).rstrip("\0")
    mode = listed.partition(" ")[0]
    if listed and mode not in ("100644", "100755"):
        return Written(commit=commit, notes=(f"`{PATH}` is no regular file; it was left alone.",))
    old = repository.ask("cat-file", "blob", f"{commit}:{PATH}").out if listed else None
    new = memory.write_memory(old, history, at=history.started_at)
    if new is None:
        note = f"`{PATH}` is too large or no text, so this run is not in it."
        return Written(commit=commit, notes=(note,))
    if new == old:
        return Written(commit=commit)
    text, at = message.memory_message(ground.plan.run), ground.plan.settings.made_at
    try:
        return Written(commit=ground.objects.put_file(commit, PATH, new, message=text, at=at))
    except GitFault as error:
        note = f"`{PATH}` could not be written: {as_line(error.why)}"
        return Written(commit=commit, notes=(note,))


def bring(ground: Ground, history: History) -> tuple[str, ...]:
    """Put it on the target's tip, wherever that is by now; the notes of what did not work."""
    target = ground.plan.target
    for _ in range(TRIES):
        tip = ground.tip()
        written = write_on(ground, tip, history)
        if written.commit == tip:
            return written.notes
        pushed = ground.push([Move(branch=target, old=tip, new=written.commit)])[target]
        if pushed.state is PushState.DONE:
            return written.notes
        if pushed.state is PushState.FORBIDDEN and _names_run(ground, tip, history.run):
            return written.notes  # a pull request has brought it, if not its newest words
        if pushed.state is PushState.FORBIDDEN:
            return (f"`{PATH}` could not be pushed: {as_line(pushed.reason)}",)
    return (f"`{PATH}` was not written: the target moved {TRIES} times.",)


def _names_run(ground: Ground, commit: str, run: str) -> bool:
    old = ground.objects.git.ask("cat-file", "blob", f"{commit}:{PATH}")
    return old.code == 0 and f" {run} (".encode() in old.out


def offer(ground: Ground, history: History) -> tuple[History, tuple[str, ...]]:
    """As a pull request of its own."""
    tip = ground.tip()
    written = write_on(ground, tip, history)
    if written.commit == tip:
        return history, written.notes
    history, failed = ground.set_branches(history, {BRANCH: written.commit})
    if failed:
        return history, tuple(failed.values())
    proposal = Proposal(
        branch=BRANCH,
        title=notice.memory_pull_title(history),
        body=notice.memory_pull_body(history),
    )
    proposed = propose(ground, [proposal], since=history.created_at)
    for pull in proposed.pulls.values():
        history = replace(history, memory_pull=pull.number)
    return history, (*written.notes, *proposed.notes)

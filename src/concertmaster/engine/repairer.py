"""Performs the phases of a repair that differ from those of other attempts."""

from __future__ import annotations

from collections.abc import Collection

from concertmaster.agents.protocol import AgentReport
from concertmaster.commands import RunPhase
from concertmaster.engine.agent_session import AgentQuestion, AgentSession
from concertmaster.engine.attempt_workspace import AttemptWorkspace
from concertmaster.engine.last_message import describe_work
from concertmaster.engine.logs import describe_failure
from concertmaster.engine.merged_result import (
    MergedResult,
    describe_repair,
    find_markers,
    merge_result,
)
from concertmaster.engine.phase_failure import PhaseFailure, outcome_of
from concertmaster.events import PhaseFinished
from concertmaster.git import commit_message
from concertmaster.model import Carried, Outcome, Repair
from concertmaster.settings.choices import Phase
from concertmaster.worktrees.worktree import Snapshot, Worktree


def lay_out(place: AttemptWorkspace, repair: Repair) -> PhaseFinished:
    """Make a worktree with the files of the merged result.

    Raises PhaseFailure if setup fails.
    """
    context, command = place.context, place.command
    result = _merge(place, repair)
    commit = context.objects.commit(
        result.tree,
        parents=(repair.tip,),
        message=commit_message.snapshot_message(
            command.task.id, attempt=command.attempt, phase=Phase.PREPARE
        ),
        at=context.plan.settings.made_at,
    )
    if result.outdated and not result.conflicts:
        worktree, commit = _renew(place, commit, result.outdated)
        seconds = place.set_up(worktree, commit)
    else:  # setup could not read files with the markers of conflicts
        set_up_at = repair.tip if result.conflicts else ""
        worktree, seconds, _ = place.make(commit, set_up_at=set_up_at)
    return PhaseFinished(
        task=command.task.id,
        attempt=command.attempt,
        phase=Phase.PREPARE,
        seconds=0.0,
        setup_seconds=seconds,
        base=repair.tip,
        checkpoint=commit,
        folder=str(worktree.folder),
    )


def carry_over(place: AttemptWorkspace, carried: Carried, base: str) -> PhaseFinished:
    """Make a worktree with the work of an earlier attempt, merged onto the base.

    Raises PhaseFailure if setup fails.
    """
    return lay_out(place, Repair(base=carried.base, head=carried.head, reason="", tip=base))


def _merge(place: AttemptWorkspace, repair: Repair) -> MergedResult:
    """Return the merged result; files that a command makes do not conflict."""
    commands = dict(place.context.plan.settings.regenerate)
    return merge_result(place.context, repair, regenerated=commands)


def _renew(place: AttemptWorkspace, commit: str, paths: Collection[str]) -> tuple[Worktree, str]:
    """Make a worktree at the commit, with the files at the paths made anew by their commands.

    Returns it and the commit of what it holds. Raises PhaseFailure if a command fails.
    """
    worktree, _ = place.create(commit)
    try:
        _regenerate(place, worktree, paths)
    except PhaseFailure:
        worktree.remove()
        raise
    command = place.command
    message = commit_message.snapshot_message(
        command.task.id, attempt=command.attempt, phase=Phase.PREPARE
    )
    made_at = place.context.plan.settings.made_at
    snapshot = worktree.snapshot(parent=commit, message=message, at=made_at)
    worktree.begin(snapshot.commit)
    return worktree, snapshot.commit


def _regenerate(place: AttemptWorkspace, worktree: Worktree, paths: Collection[str]) -> None:
    """Run the commands that make the files at the paths. Raises PhaseFailure if one fails."""
    commands = dict(place.context.plan.settings.regenerate)
    log = place.folder / "regenerate.log"
    for command in dict.fromkeys(commands[path] for path in paths):
        ended = place.context.run_shell(command, worktree, mark=place.mark, log=log)
        if not ended.ok:
            reason = describe_failure(f"`{command}`, which makes {', '.join(paths)},", ended, log)
            raise PhaseFailure(outcome_of(ended), reason)


def mend(place: AttemptWorkspace, talk: AgentSession, repair: Repair) -> PhaseFinished:
    """Let the agent mend the merged result; no agent is asked where nothing is wrong with it.

    Raises PhaseFailure, with evidence if conflicts are left.
    """
    result = _merge(place, repair)
    is_sound = not result.conflicts and not repair.evidence
    with place.saving(talk.worktree):
        report = None if is_sound else _ask(place, talk, repair, result)
        if result.conflicts:
            _regenerate(place, talk.worktree, result.outdated)
    snapshot = place.snapshot(talk.worktree)
    _check_resolved(place, snapshot, result)
    if report is not None and snapshot.tree == place.context.objects.tree(place.began_at):
        reason = "the agent ended without changing anything"
        raise PhaseFailure(Outcome.FAILED, reason, notes=snapshot.notes)
    return PhaseFinished(
        task=place.command.task.id,
        attempt=place.command.attempt,
        phase=Phase.IMPLEMENT,
        seconds=0.0,
        checkpoint=snapshot.commit if place.is_change(snapshot) else "",
        said=describe_work(place.context, place.command, report) if report else "",
        notes=snapshot.notes,
        session=report.session if report else "",
    )


def _ask(
    place: AttemptWorkspace, talk: AgentSession, repair: Repair, result: MergedResult
) -> AgentReport:
    told = describe_repair(place.context, repair, result)
    return talk.ask(
        AgentQuestion(text=talk.say("repair", evidence=told)), session=place.command.session
    )


def check_resolved(command: RunPhase, place: AttemptWorkspace, snapshot: Snapshot) -> None:
    """Raise PhaseFailure with evidence if a repair has left conflicts in its files."""
    if command.repair is not None:
        _check_resolved(place, snapshot, _merge(place, command.repair))


def _check_resolved(place: AttemptWorkspace, snapshot: Snapshot, result: MergedResult) -> None:
    left = find_markers(place.context, snapshot.commit, result.conflicts)
    if left:
        names = ", ".join(left)
        raise PhaseFailure(
            Outcome.FAILED,
            f"conflicts are left in {names}",
            evidence=f"These files still hold markers of conflicts: {names}",
            saved=snapshot.commit,
            notes=snapshot.notes,
        )

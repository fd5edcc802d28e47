"""Saves the state of a run on its state branch, which later rounds and answers read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from concertmaster.action.artifacts import PLAN, VERIFY, share_folder
from concertmaster.action.finalize.context import FinalizeContext
from concertmaster.action.finalize.inputs import RoundInputs
from concertmaster.action.job import Job
from concertmaster.errors import EnvironmentFault
from concertmaster.git import commit_message
from concertmaster.git.remote import PushState
from concertmaster.rounds import documents, state_branch
from concertmaster.rounds.history import History
from concertmaster.rounds.state_branch import SavedState, StateUpdate

MOST_JOURNAL_BYTES = 2 << 20


def save_state(
    context: FinalizeContext, held: RoundInputs, history: History, *, bundles: Mapping[str, bytes]
) -> None:
    """Commit the history, the plan, the verdict, the journals and the bundles to the state branch.

    Raises EnvironmentFault when the branch cannot be pushed.
    """
    job, state = context.job, held.state
    files = {
        **_earlier_files(context, state),
        **bundles,
        documents.HISTORY_FILE: documents.write_history(history),
        **dict(round_files(job, history, shares=len(context.plan.shares))),
    }
    update = StateUpdate(
        run=history.run,
        files=files,
        old=state.commit if state else "",
        at=context.plan.settings.made_at,
        message=commit_message.state_message(history.run, history.round),
    )
    pushed = state_branch.write(context.objects, job.remote, update)
    if pushed.state is not PushState.DONE:
        raise EnvironmentFault(
            f"what became of run {history.run} could not be written down",
            why=pushed.reason,
            next_step="run the finalize job again; what it has done is not done twice",
        )


def round_files(job: Job, history: History, *, shares: int) -> Iterator[tuple[str, bytes]]:
    """Yield path and redacted content of this round's plan, verdict and journals.

    Files that are missing, no regular files or over MOST_JOURNAL_BYTES are left out.
    """
    folder = f"rounds/{history.round}"
    sources = {"plan.json": job.artifacts / PLAN / "plan.json"}
    sources["verdict.json"] = job.artifacts / VERIFY / documents.VERDICT_FILE
    for share in range(shares):
        sources[f"work-{share}.jsonl"] = share_folder(job.artifacts, share) / "journal.jsonl"
    for name, path in sources.items():
        is_plain = path.is_file() and not path.is_symlink()
        if is_plain and path.stat().st_size <= MOST_JOURNAL_BYTES:
            yield f"{folder}/{name}", job.redact(path.read_text(errors="replace")).encode()


def _earlier_files(context: FinalizeContext, state: SavedState | None) -> Mapping[str, bytes]:
    """Return the files of the rounds before, by path on the state branch."""
    if state is None:
        return {}
    names = [name for name in context.repository.paths(state.commit) if name.startswith("rounds/")]
    return {name: state.file(name) or b"" for name in names}

"""What is written down of a round, from which every later round and answer is made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from concertmaster.adapters import parcel, statebranch
from concertmaster.adapters.remote import PushState
from concertmaster.adapters.statebranch import State
from concertmaster.core import message
from concertmaster.core.history import History
from concertmaster.engine.acceptance import (
    folder_of,
)
from concertmaster.engine.ground import Ground
from concertmaster.engine.intake import Round
from concertmaster.engine.job import PLAN, VERIFY, Job
from concertmaster.errors import EnvironmentFault

MOST_JOURNAL_BYTES = 2 << 20


def remember(ground: Ground, held: Round, history: History) -> None:
    """On the state branch, from which every later round and answer is made."""
    job, state = ground.job, held.state
    files = {
        **_earlier_files(ground, state),
        parcel.HISTORY_FILE: parcel.write_history(history),
        **dict(round_files(job, history, shares=len(ground.plan.shares))),
    }
    pushed = statebranch.write(
        ground.objects,
        job.clone_url,
        history.run,
        files=files,
        old=state.commit if state else "",
        at=ground.plan.settings.made_at,
        message=message.state_message(history.run, history.round),
        token=job.token,
    )
    if pushed.state is not PushState.DONE:
        raise EnvironmentFault(
            f"what became of run {history.run} could not be written down",
            why=pushed.reason,
            next_step="run the finalize job again; what it has done is not done twice",
        )


def round_files(job: Job, history: History, *, shares: int) -> Iterator[tuple[str, bytes]]:
    """Plan, verdict and journals of this round, as the other jobs left them."""
    folder = f"rounds/{history.round}"
    sources = {"plan.json": job.artifacts / PLAN / "plan.json"}
    sources["verdict.json"] = job.artifacts / VERIFY / parcel.VERDICT_FILE
    for share in range(shares):
        sources[f"work-{share}.jsonl"] = folder_of(job.artifacts, share) / "journal.jsonl"
    for name, path in sources.items():
        is_plain = path.is_file() and not path.is_symlink()
        if is_plain and path.stat().st_size <= MOST_JOURNAL_BYTES:
            yield f"{folder}/{name}", job.redact(path.read_text(errors="replace")).encode()


def _earlier_files(ground: Ground, state: State | None) -> Mapping[str, bytes]:
    """Those of the rounds before."""
    if state is None:
        return {}
    names = [name for name in ground.repository.paths(state.commit) if name.startswith("rounds/")]
    return {name: state.file(name) or b"" for name in names}

"""What other jobs left for those that land: documents and bundles, hostile until checked here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from concertmaster.files import untrusted
from concertmaster.files.untrusted import unfit_file
from concertmaster.model import Plan
from concertmaster.rounds import validation
from concertmaster.rounds.history import History
from concertmaster.rounds.result import ShareResults
from concertmaster.rounds.verdict import Verdict

HISTORY_FILE = "history.json"
RESULTS_FILE = "results.json"
VERDICT_FILE = "verdict.json"


# --- documents ---------------------------------------------------------------------------------


def read_results(
    folder: Path,
    *,
    plan: Plan,
    round: int,  # noqa: A002  the design's word
    share: int,
) -> ShareResults:
    """results.json of a work job. EnvironmentFault for what such a job never writes."""
    what = f"what share {share} left in {RESULTS_FILE}"
    results = untrusted.read_file(folder / RESULTS_FILE, ShareResults, what=what)
    _believe(what, validation.find_result_fault(results, plan=plan, number=round, share=share))
    return untrusted.shorten(results)


def read_verdict(folder: Path, *, history: History) -> Verdict:
    """verdict.json of the verify job. EnvironmentFault for what that job never writes."""
    what = "the verdict of the verify job"
    verdict = untrusted.read_file(folder / VERDICT_FILE, Verdict, what=what)
    _believe(what, validation.find_verdict_fault(verdict, history=history))
    return untrusted.shorten(verdict)


def read_history(data: bytes) -> History:
    """EnvironmentFault for what `write_history` never writes."""
    what = "the history of the run"
    return _credible(untrusted.read_document(data, History, what=what), what)


def read_history_file(folder: Path) -> History:
    """The history.json in this folder. EnvironmentFault as for `read_history`."""
    what = f"the history of the run in {HISTORY_FILE}"
    return _credible(untrusted.read_file(folder / HISTORY_FILE, History, what=what), what)


def write_history(history: History) -> bytes:
    """As JSON; the same history gives the same bytes."""
    written = json.dumps(asdict(history), indent=1, allow_nan=False, ensure_ascii=False)
    return written.encode("utf-8", "replace") + b"\n"


def _credible(history: History, what: str) -> History:
    _believe(what, validation.find_history_fault(history))
    return history


def _believe(what: str, doubts: Iterator[str]) -> None:
    for one in doubts:
        raise unfit_file(what, one)


# --- bundles -----------------------------------------------------------------------------------


# --- changes -----------------------------------------------------------------------------------

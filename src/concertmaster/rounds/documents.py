"""Reads and writes the JSON documents that jobs exchange: results, verdict and history.

Documents of other jobs are untrusted until they are validated here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from concertmaster.files import untrusted
from concertmaster.files.untrusted import unfit_file
from concertmaster.model import Plan
from concertmaster.rounds import validation
from concertmaster.rounds.history import History
from concertmaster.rounds.result import ShareResults
from concertmaster.rounds.verdict import Verdict
from concertmaster.text.display import display

HISTORY_FILE = "history.json"
RESULTS_FILE = "results.json"
VERDICT_FILE = "verdict.json"


def read_results(
    folder: Path,
    *,
    plan: Plan,
    round: int,  # noqa: A002  the design's word
    share: int,
) -> ShareResults:
    """Return the results of a work job. Raises EnvironmentFault if they are not valid."""
    what = f"what share {share} left in {RESULTS_FILE}"
    path = folder / RESULTS_FILE
    results = untrusted.read_file(path, ShareResults, what=what, reshape=_renew)
    _require_no_fault(
        what, validation.find_result_fault(results, plan=plan, number=round, share=share)
    )
    return untrusted.shorten(results)


def read_verdict(folder: Path, *, history: History) -> Verdict:
    """Return the verdict of the verify job. Raises EnvironmentFault if it is not valid."""
    what = "the verdict of the verify job"
    verdict = untrusted.read_file(folder / VERDICT_FILE, Verdict, what=what, reshape=_renew)
    _require_no_fault(what, validation.find_verdict_fault(verdict, history=history))
    return untrusted.shorten(verdict)


def read_history(data: bytes) -> History:
    """Return the history of a run. Raises EnvironmentFault if it is not valid."""
    what = "the history of the run"
    history = untrusted.read_document(data, History, what=what, reshape=_name_tasks)
    return _checked_history(history, what)


def read_history_file(folder: Path) -> History:
    """Return the history in this folder. Raises EnvironmentFault if it is not valid."""
    what = f"the history of the run in {HISTORY_FILE}"
    path = folder / HISTORY_FILE
    history = untrusted.read_file(path, History, what=what, reshape=_name_tasks)
    return _checked_history(history, what)


def write_history(history: History) -> bytes:
    """Return the history as JSON. Equal histories give equal bytes."""
    document = asdict(history)
    document["tasks"] = [*document["tasks"].values()]
    written = json.dumps(document, indent=1, allow_nan=False, ensure_ascii=False)
    return written.encode("utf-8", "replace") + b"\n"


def _renew(tree: Any) -> Any:
    """Return the JSON of a document of version 1 as one of version 2, which may tell more."""
    is_first = isinstance(tree, dict) and type(tree.get("version")) is int and tree["version"] == 1
    return {**tree, "version": 2} if is_first else tree


def _name_tasks(tree: Any) -> Any:
    """Return the JSON of a history of any version, with its tasks as an object by their names.

    Raises ValueError if a name comes twice or is missing.
    """
    if not isinstance(tree, dict) or not isinstance(tree.get("tasks"), list):
        raise ValueError("it has no list of tasks")
    named: dict[str, Any] = {}
    for one in tree["tasks"]:
        name = one.get("task") if isinstance(one, dict) else None
        if not isinstance(name, str):
            raise ValueError("a task has no name")
        if name in named:
            raise ValueError(f"{display(name)!r} comes twice")
        named[name] = one
    return _renew({**tree, "tasks": named})


def _checked_history(history: History, what: str) -> History:
    _require_no_fault(what, validation.find_history_fault(history))
    return history


def _require_no_fault(what: str, doubts: Iterator[str]) -> None:
    """Raise EnvironmentFault with the first doubt, if there is one."""
    for one in doubts:
        raise unfit_file(what, one)

"""Tests that only documents in the expected form are accepted from other jobs."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from concertmaster.files import untrusted
from concertmaster.rounds.documents import (
    HISTORY_FILE,
    RESULTS_FILE,
    VERDICT_FILE,
    read_history,
    read_history_file,
    read_verdict,
    write_history,
)
from tests.integration.rounds.job_documents import (
    BASE,
    BREAD,
    FAILED,
    FRUIT,
    HISTORY,
    ONE,
    RESULTS,
    SUCCEEDED,
    TWO,
    VERDICT,
    WINE,
    put,
    read_share,
    refuses,
)

STORED = json.loads(write_history(HISTORY))

# --- results ---------------------------------------------------------------------------------


def test_results_are_read_as_they_were_written(tmp_path: Path) -> None:
    assert read_share(put(tmp_path, RESULTS_FILE, asdict(RESULTS))) == RESULTS


def test_a_share_that_left_only_some_of_its_tasks_is_read(tmp_path: Path) -> None:
    some = replace(RESULTS, tasks=(FAILED,), base_green=None, stopped="limit")
    assert read_share(put(tmp_path, RESULTS_FILE, asdict(some))) == some


def test_results_that_are_not_there_are_refused(tmp_path: Path) -> None:
    assert "No such file" in refuses(lambda: read_share(tmp_path))
    (tmp_path / RESULTS_FILE).mkdir()
    assert "regular file" in refuses(lambda: read_share(tmp_path))


def test_neither_a_link_nor_a_pipe_is_read(tmp_path: Path) -> None:
    put(tmp_path, "elsewhere", asdict(RESULTS))
    (tmp_path / RESULTS_FILE).symlink_to(tmp_path / "elsewhere")
    refuses(lambda: read_share(tmp_path))
    (tmp_path / RESULTS_FILE).unlink()
    os.mkfifo(tmp_path / RESULTS_FILE)
    refuses(lambda: read_share(tmp_path))


def test_a_folder_that_is_a_link_is_not_entered(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    put(tmp_path / "there", RESULTS_FILE, asdict(RESULTS))
    (tmp_path / "work-0").symlink_to(tmp_path / "there")
    refuses(lambda: read_share(tmp_path / "work-0"))


def test_a_file_that_is_too_large_is_not_even_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, RESULTS_FILE, asdict(RESULTS))
    monkeypatch.setattr(untrusted, "MOST_DOCUMENT_BYTES", 100)
    assert "more than 100" in refuses(lambda: read_share(tmp_path))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"version": 1',
        b'"\\ud800"',
        b"1" * 10_000,
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, data: bytes) -> None:
    for name in (RESULTS_FILE, VERDICT_FILE, HISTORY_FILE):
        put(tmp_path, name, data)
    refuses(lambda: read_share(tmp_path))
    refuses(lambda: read_verdict(tmp_path, history=HISTORY))
    refuses(lambda: read_history_file(tmp_path))


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 3},
        {"version": "1"},
        {"version": True},
        {"run": "other"},
        {"round": 1},
        {"share": 1},
        {"base": ONE},
        {"base_green": "yes"},
        {"tasks": [asdict(SUCCEEDED), asdict(SUCCEEDED)]},
        {"tasks": {}},
        {"tasks": [asdict(replace(FAILED, task=WINE))]},
        {"tasks": [asdict(replace(FAILED, task="../../evil"))]},
    ],
)
def test_results_of_another_round_share_or_task_are_refused(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    put(tmp_path, RESULTS_FILE, asdict(RESULTS) | changed)
    refuses(lambda: read_share(tmp_path))


@pytest.mark.parametrize(
    "changed",
    [
        {"state": "landed"},
        {"state": "awaiting_merge"},
        {"state": "great"},
        {"state": "failed"},
        {"outcome": "failed"},
        {"outcome": None},
        {"attempts": 0},
        {"attempts": -1},
        {"attempts": 1.5},
        {"no_op": "nothing to do"},
        {"work": TWO},
        {"head": ""},
        {"head": "main"},
        {"head": ONE[:39]},
        {"head": ONE + "\n"},
        {"base": ""},
        {"base": "-upload-pack"},
        {"bundle": ""},
        {"bundle": "../results.json"},
        {"bundle": f"bundles/{BREAD}.bundle"},
        {"bundle": "/etc/passwd"},
        {"sha256": ""},
        {"sha256": "x" * 64},
        {"built_on": [{"task": FRUIT, "head": TWO}]},
        {"built_on": [{"task": "unknown", "head": TWO}]},
        {"built_on": [{"task": BREAD, "head": "HEAD"}]},
        {"built_on": [{"task": BREAD, "head": ""}]},
        {"seconds": -1},
        {"seconds": float("nan")},
        {"seconds": float("inf")},
        {"seconds": 1e300},
        {"usage": {"cost_usd": float("nan"), "input_tokens": 0, "output_tokens": 0}},
        {"usage": {"cost_usd": -5, "input_tokens": 0, "output_tokens": 0}},
        {"resumes_at": 1e16},
        {"reason": "x" * (1 << 20) + "y"},
        {"reason": 7},
        {"notes": "note"},
    ],
)
def test_a_result_that_makes_no_sense_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    results = asdict(RESULTS) | {"tasks": [asdict(SUCCEEDED) | changed]}
    put(tmp_path, RESULTS_FILE, results)
    refuses(lambda: read_share(tmp_path))


def test_a_number_that_overflows_is_refused(tmp_path: Path) -> None:
    text = json.dumps(asdict(RESULTS)).replace("12.5", "1e999")
    put(tmp_path, RESULTS_FILE, text.encode())
    refuses(lambda: read_share(tmp_path))


def test_long_texts_are_cut_and_of_evidence_the_end_is_kept(tmp_path: Path) -> None:
    long = replace(
        FAILED,
        reason="r" * 100_000,
        evidence="a" * 100_000 + "the end",
        notes=("n" * 5_000,) * 100,
    )
    put(tmp_path, RESULTS_FILE, asdict(replace(RESULTS, tasks=(long,))))
    (read,) = read_share(tmp_path).tasks
    assert len(read.reason) == untrusted.KEPT_CHARACTERS
    assert len(read.evidence) == untrusted.KEPT_EVIDENCE
    assert read.evidence.endswith("the end")
    assert len(read.notes) == untrusted.KEPT_NOTES
    assert max(map(len, read.notes)) == untrusted.KEPT_CHARACTERS


# --- verdict and history -----------------------------------------------------------------------


def test_a_verdict_is_read_as_it_was_written(tmp_path: Path) -> None:
    put(tmp_path, VERDICT_FILE, asdict(VERDICT))
    assert read_verdict(tmp_path, history=HISTORY) == VERDICT


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 0},
        {"run": "other"},
        {"round": 1},
        {"target": "other"},
        {"tip": ""},
        {"tip": TWO},
        {"tip": "HEAD"},
        {"git_version": "x" * 101},
        {"git_version": "git\n::error::"},
        {"steps": [asdict(VERDICT.steps[1])]},
        {"steps": [asdict(VERDICT.steps[0])] * 2},
        {"steps": [asdict(VERDICT.steps[0]) | {"tasks": []}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"tasks": [FRUIT, FRUIT]}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"tasks": ["evil"]}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"tasks": [WINE]}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"commit": BASE}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"commit": ""}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"tree": "x"}]},
        {"steps": [asdict(VERDICT.steps[0]) | {"reapplied": [BREAD]}]},
        {"left_out": [{"task": FRUIT, "fault": "culprit", "reason": ""}]},
        {"left_out": [{"task": WINE, "fault": "ugly", "reason": ""}]},
        {"left_out": [{"task": "evil", "fault": "stuck", "reason": ""}]},
        {"flaky": ["evil"]},
        {"check_seconds": float("inf")},
        {"finished": "yes"},
    ],
)
def test_a_verdict_that_makes_no_sense_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    put(tmp_path, VERDICT_FILE, asdict(VERDICT) | changed)
    refuses(lambda: read_verdict(tmp_path, history=HISTORY))


def test_a_history_is_read_as_it_was_written(tmp_path: Path) -> None:
    data = write_history(HISTORY)
    assert read_history(data) == HISTORY
    assert write_history(read_history(data)) == data
    assert read_history_file(put(tmp_path, HISTORY_FILE, data)) == HISTORY
    assert data.startswith(b'{\n "version": 2,\n "run": "issue-7",\n')


def test_the_tasks_of_a_history_are_a_list_with_each_name_once() -> None:
    first, *_ = STORED["tasks"]

    def refusal(tasks: object) -> str:
        return refuses(lambda: read_history(json.dumps(STORED | {"tasks": tasks}).encode()))

    assert [one["task"] for one in STORED["tasks"]] == [FRUIT, BREAD, WINE]
    assert "comes twice" in refusal([first, first])
    assert "no list of tasks" in refusal({FRUIT: first})
    assert "no name" in refusal([{}])
    assert "no name" in refusal([7])


def test_a_history_of_before_may_hold_fields_that_are_gone() -> None:
    old = STORED | {"landed_at": 7}
    assert read_history(json.dumps(old).encode()) == HISTORY


def test_documents_of_the_first_version_are_read(tmp_path: Path) -> None:
    def first(document: Any) -> Any:
        match document:
            case dict():
                return {key: first(value) for key, value in document.items() if key != "machine"}
            case list() | tuple():
                return [first(value) for value in document]
            case _:
                return document

    put(tmp_path, RESULTS_FILE, first(asdict(RESULTS)) | {"version": 1})
    put(tmp_path, VERDICT_FILE, first(asdict(VERDICT)) | {"version": 1})
    put(tmp_path, HISTORY_FILE, first(STORED) | {"version": 1})

    assert read_share(tmp_path) == RESULTS
    assert read_verdict(tmp_path, history=HISTORY) == VERDICT
    assert read_history_file(tmp_path) == HISTORY


@pytest.mark.parametrize(
    "machine",
    [
        {"memory_bytes": -1},
        {"memory_bytes": "1"},
        {"disk_bytes": 1e300},
        {"load": float("nan")},
        {"versions": "git"},
        {"versions": [{"git": 2}]},
        [],
    ],
)
def test_a_machine_that_cannot_be_is_refused(tmp_path: Path, machine: object) -> None:
    failed = asdict(FAILED) | {"machine": machine}
    put(tmp_path, RESULTS_FILE, asdict(RESULTS) | {"tasks": [failed]})
    put(tmp_path, VERDICT_FILE, asdict(VERDICT) | {"machine": machine})

    refuses(lambda: read_share(tmp_path))
    refuses(lambda: read_verdict(tmp_path, history=HISTORY))


def test_a_name_that_is_no_text_does_not_spoil_the_history() -> None:
    odd = replace(HISTORY.task(FRUIT), prompt="caf\udce9.md", title="Café \x1b[31m")
    assert read_history(write_history(HISTORY.put(odd))).task(FRUIT).prompt == "caf?.md"


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 3},
        {"run": "../x"},
        {"run": ""},
        {"run": "a..b"},
        {"round": 0},
        {"base": "main"},
        {"base": ""},
        {"tasks": [asdict(HISTORY.task(FRUIT))] * 2},
        {"tasks": [asdict(HISTORY.task(FRUIT)) | {"task": "a/b"}]},
        {"needs": [{"task": "x", "on": FRUIT, "hard": True, "reason": ""}]},
        {"needs": [{"task": FRUIT, "on": "x", "hard": True, "reason": ""}]},
        {"due": {"round": 0, "at": 1.0, "reason": ""}},
        {"parent": -1},
        {"options": [["a"]]},
    ],
)
def test_a_history_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    refuses(lambda: read_history(json.dumps(STORED | changed).encode()))


@pytest.mark.parametrize(
    "changed",
    [
        {"head": "HEAD"},
        {"landed_as": "main"},
        {"branch": "main"},
        {"branch": "concertmaster/other/x"},
        {"built_on": [{"task": "x", "head": ONE}]},
        {"issue": -1},
        {"state": "fine"},
    ],
)
def test_a_task_of_a_history_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    tasks = [asdict(one) for one in HISTORY.tasks.values()]
    tasks[0] |= changed
    refuses(lambda: read_history(json.dumps(STORED | {"tasks": tasks}).encode()))

"""Tests that only documents and bundles in the expected form are accepted from other jobs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from concertmaster.errors import EnvironmentFault
from concertmaster.files import untrusted
from concertmaster.git.command import Git
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.change_limits import ChangeLimits, check_change
from concertmaster.model import (
    Built,
    Need,
    Outcome,
    Plan,
    RunSettings,
    Skipped,
    Task,
    TaskState,
    Usage,
)
from concertmaster.rounds import bundles
from concertmaster.rounds.bundles import RECEIVED, receive_bundle
from concertmaster.rounds.documents import (
    HISTORY_FILE,
    RESULTS_FILE,
    VERDICT_FILE,
    read_history,
    read_history_file,
    read_results,
    read_verdict,
    write_history,
)
from concertmaster.rounds.history import Due, History, TaskHistory
from concertmaster.rounds.result import Result, ShareResults
from concertmaster.rounds.verdict import LandingFault, LeftOutTask, Verdict, VerdictStep
from tests.conftest import Project

AT = 1_700_000_000
RUN = "issue-7"
FRUIT, BREAD, WINE = "fruit-ab12", "bread-cd34", "wine-ef56"
BASE, ONE, TWO, TREE = (digit * 40 for digit in "1234")
SHA256 = "5" * 64


def task(name: str) -> Task:
    return Task(id=name, prompt=f"{name}.md", blob=ONE, title=name, estimate_seconds=60.0)


PLAN = Plan(
    run=RUN,
    base=BASE,
    target="main",
    slots=2,
    settings=RunSettings(agent="command"),
    tasks=(task(FRUIT), task(BREAD), task(WINE)),
    shares=((FRUIT, BREAD), (WINE,)),
)
SUCCEEDED = Result(
    task=FRUIT,
    state=TaskState.SUCCEEDED,
    outcome=Outcome.SUCCEEDED,
    attempts=1,
    base=BASE,
    built_on=(Built(task=BREAD, head=TWO),),
    head=ONE,
    bundle=f"bundles/{FRUIT}.bundle",
    sha256=SHA256,
    seconds=12.5,
    usage=Usage(cost_usd=0.25, input_tokens=3, output_tokens=4),
)
FAILED = Result(
    task=BREAD, state=TaskState.FAILED, outcome=Outcome.FAILED, reason="red", evidence="log"
)
RESULTS = ShareResults(
    run=RUN, round=2, share=0, base=BASE, base_green=True, tasks=(SUCCEEDED, FAILED)
)
HISTORY = History(
    run=RUN,
    round=2,
    trigger="comment 1",
    parent=7,
    base=BASE,
    target="main",
    options=(("agent", "codex"),),
    tasks=tuple(
        TaskHistory(task=name, title=name, prompt=f"{name}.md", blob=ONE)
        for name in (FRUIT, BREAD, WINE)
    ),
    needs=(Need(task=BREAD, on=FRUIT, hard=True, reason="names it"),),
    skipped=(Skipped(prompt="old.md", task="old-0000", reason="done"),),
    due=Due(round=3, at=float(AT), reason="limit"),
)
VERDICT = Verdict(
    run=RUN,
    round=2,
    target="main",
    tip=BASE,
    git_version="git version 2.39.5 (Apple Git-154)",
    base_green=True,
    steps=(
        VerdictStep(tasks=(FRUIT,), tip=BASE, commit=ONE, tree=TREE),
        VerdictStep(tasks=(BREAD,), tip=ONE, commit=TWO, tree=TREE, reapplied=(BREAD,)),
    ),
    left_out=(LeftOutTask(task=WINE, fault=LandingFault.CULPRIT, reason="red"),),
    flaky=(FRUIT, FRUIT),
    finished=True,
)


def put(folder: Path, name: str, content: object) -> Path:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    (folder / name).write_bytes(data)
    return folder


def read_share(folder: Path) -> ShareResults:
    return read_results(folder, plan=PLAN, round=2, share=0)


def refuses(read: Callable[[], object]) -> str:
    """Return why the document is refused; it has to be."""
    with pytest.raises(EnvironmentFault) as caught:
        read()
    assert type(caught.value) is EnvironmentFault
    assert caught.value.next_step
    return caught.value.why


# Results


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
        {"version": 2},
        {"version": "1"},
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


# Verdict and history


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
    assert data.startswith(b'{\n "version": 1,\n "run": "issue-7",\n')


def test_a_history_of_before_may_hold_fields_that_are_gone() -> None:
    old = asdict(HISTORY) | {"landed_at": 7}
    assert read_history(json.dumps(old).encode()) == HISTORY


def test_a_name_that_is_no_text_does_not_spoil_the_history() -> None:
    odd = replace(HISTORY.tasks[0], prompt="caf\udce9.md", title="Café \x1b[31m")
    assert read_history(write_history(HISTORY.put(odd))).task(FRUIT).prompt == "caf?.md"


@pytest.mark.parametrize(
    "changed",
    [
        {"version": 2},
        {"run": "../x"},
        {"run": ""},
        {"run": "a..b"},
        {"round": 0},
        {"base": "main"},
        {"base": ""},
        {"tasks": [asdict(HISTORY.tasks[0])] * 2},
        {"tasks": [asdict(HISTORY.tasks[0]) | {"task": "a/b"}]},
        {"needs": [{"task": "x", "on": FRUIT, "hard": True, "reason": ""}]},
        {"needs": [{"task": FRUIT, "on": "x", "hard": True, "reason": ""}]},
        {"due": {"round": 0, "at": 1.0, "reason": ""}},
        {"parent": -1},
        {"options": [["a"]]},
    ],
)
def test_a_history_that_makes_no_sense_is_refused(changed: dict[str, Any]) -> None:
    refuses(lambda: read_history(json.dumps(asdict(HISTORY) | changed).encode()))


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
    tasks = [asdict(one) for one in HISTORY.tasks]
    tasks[0] |= changed
    refuses(lambda: read_history(json.dumps(asdict(HISTORY) | {"tasks": tasks}).encode()))


# Anything at all

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([FRUIT, BREAD, BASE, ONE, RUN, "succeeded", "failed", ""]),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
fuzz = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the paths of all values in a document."""
    found = [path]
    if isinstance(value, dict):
        found += [way for key in value for way in places(value[key], (*path, key))]
    elif isinstance(value, list | tuple):
        found += [way for at, one in enumerate(value) for way in places(one, (*path, at))]
    return found


def changed(value: Any, way: tuple[Any, ...], new: object) -> Any:
    if not way:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[way[0]] = changed(copy[way[0]], way[1:], new)
    return copy


@st.composite
def bent(draw: st.DrawFn, whole: Any) -> bytes:
    """Draw a document in which some values are replaced by arbitrary ones."""
    for _ in range(draw(st.integers(1, 3))):
        ways = [way for way in places(whole) if way]
        whole = changed(whole, draw(st.sampled_from(ways)), draw(ANYTHING))
        if not isinstance(whole, dict | list):
            break
    return json.dumps(whole).encode()


@fuzz
@given(data=bent(asdict(RESULTS)) | st.binary())
def test_results_are_read_or_refused_whatever_they_are(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, RESULTS_FILE, data)
    try:
        found = read_share(tmp_path)
    except EnvironmentFault:
        return
    assert {one.task for one in found.tasks} <= {FRUIT, BREAD}


@fuzz
@given(data=bent(asdict(VERDICT)) | st.binary())
def test_verdicts_are_read_or_refused_whatever_they_are(tmp_path: Path, data: bytes) -> None:
    put(tmp_path, VERDICT_FILE, data)
    try:
        found = read_verdict(tmp_path, history=HISTORY)
    except EnvironmentFault:
        return
    assert (found.run, found.round, found.target) == (RUN, 2, "main")


@fuzz
@given(data=bent(asdict(HISTORY)) | st.binary())
def test_histories_are_read_or_refused_whatever_they_are(data: bytes) -> None:
    try:
        found = read_history(data)
    except EnvironmentFault:
        return
    assert read_history(write_history(found)) == found


# Bundles


class Job:
    """The run repositories of a work job and of the job that lands, on the same base."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.base = project.git("rev-parse", "HEAD")
        self.work = RunRepository.create(folder / "work.git", user=project.open())
        self.objects = RunRepository.create(folder / "finalize.git", user=project.open())
        self.folder = folder / "work-0"
        self.index = folder / "index"
        (self.folder / "bundles").mkdir(parents=True)

    def commit(
        self, entries: dict[str, bytes], *, on: str = "", mode: str = "100644", root: bool = False
    ) -> str:
        path = self.work.path
        git = Git(path, git_dir=path, index=self.index, private=True)
        git.run("read-tree", on or self.base)
        for name, data in entries.items():
            line = f"{mode} {self.work.write_blob(data)}\t{name}\0".encode()
            git.run("update-index", "-z", "--add", "--index-info", stdin=line)
        parents = () if root else (on or self.base,)
        return self.work.commit(git.run("write-tree"), parents=parents, message="x", at=AT)

    def bundle(self, commit: str, *, ref: str = "", base: str = "", name: str = FRUIT) -> Result:
        """Bundle the commit and return the result that a work job would report."""
        path = self.folder / "bundles" / f"{name}.bundle"
        ref = ref or f"refs/heads/concertmaster/{RUN}/{name}"
        self.work.bundle(path, commit, ref=ref, base=base or self.base)
        return self.result(commit, name=name)

    def result(self, commit: str, *, name: str = FRUIT) -> Result:
        path = self.folder / "bundles" / f"{name}.bundle"
        return replace(
            SUCCEEDED,
            task=name,
            head=commit,
            base=self.base,
            bundle=f"bundles/{name}.bundle",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )

    def receive(self, result: Result) -> str:
        return receive_bundle(self.objects, self.folder, result, run=RUN, base=self.base)

    def refuses(self, result: Result) -> str:
        """Return why the bundle is refused; check that it leaves nothing behind."""
        before = {path for path in self.objects.path.rglob("*") if path.is_file()}
        why = refuses(lambda: self.receive(result))
        assert {path for path in self.objects.path.rglob("*") if path.is_file()} == before
        assert self.objects.pinned("refs/") == ()
        return why

    def rewrite(self, result: Result, change: Callable[[bytes], bytes]) -> Result:
        path = self.folder / result.bundle
        path.write_bytes(change(path.read_bytes()))
        return self.result(result.head, name=result.task)


@pytest.fixture
def job(project: Project, tmp_path: Path) -> Job:
    return Job(project, tmp_path / "jobs")


def test_a_commit_comes_as_a_bundle(job: Job) -> None:
    commit = job.commit({"new.txt": b"new\n"})
    assert job.receive(job.bundle(commit)) == commit
    assert job.objects.pinned(RECEIVED + FRUIT) == (commit,)
    assert job.objects.git.run("cat-file", "blob", f"{commit}:new.txt") == "new"
    assert job.objects.git.ask("fsck", "--connectivity-only", "--no-dangling").code == 0
    assert [path.name for path in job.objects.path.glob("arriving-*")] == []


def test_a_bundle_is_received_twice_and_two_bundles_beside_each_other(job: Job) -> None:
    one, two = job.commit({"one": b"1"}), job.commit({"two": b"2"})
    results = [job.bundle(one), job.bundle(two, name=BREAD)]
    for result in [*results, *results]:
        assert job.receive(result) == result.head
    assert set(job.objects.pinned(RECEIVED)) == {one, two}


def test_a_synthetic_base_travels_in_the_bundle(job: Job) -> None:
    built = job.commit({"needed": b"n"})
    head = job.commit({"new": b"x"}, on=built)
    result = replace(job.bundle(head), base=built)
    assert job.receive(result) == head


def test_the_work_of_a_failed_task_is_received_whoever_made_it(job: Job) -> None:
    first = job.commit({"half": b"1"})
    work = job.commit({"half": b"2"}, on=first)
    result = job.bundle(work)
    failed = replace(
        result, state=TaskState.FAILED, outcome=Outcome.FAILED, head="", work=work, base=job.base
    )
    assert job.receive(failed) == work


def test_a_bundle_that_was_tampered_with_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    path = job.folder / result.bundle
    path.write_bytes(path.read_bytes() + b"\0")
    assert "sha256" in job.refuses(result)


def test_a_bundle_that_was_cut_off_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": os.urandom(5000)}))
    for size in (0, 10, 100, 2000):
        assert job.refuses(job.rewrite(result, lambda data, size=size: data[:size]))  # type: ignore[misc]
        job.bundle(result.head)


@pytest.mark.parametrize("at", [-1, -30, -300])
def test_a_bundle_with_a_wrong_byte_is_refused(job: Job, at: int) -> None:
    result = job.bundle(job.commit({"new": os.urandom(500)}))

    def flip(data: bytes) -> bytes:
        return data[:at] + bytes([data[at] ^ 1]) + data[len(data) + at + 1 :]

    job.refuses(job.rewrite(result, flip))


def test_bundles_of_two_tasks_that_were_swapped_are_refused(job: Job) -> None:
    one = job.bundle(job.commit({"one": b"1"}))
    two = job.bundle(job.commit({"two": b"2"}), name=BREAD)
    swapped = (job.folder / two.bundle).read_bytes()
    assert "other refs" in job.refuses(job.rewrite(one, lambda _: swapped))


def test_a_bundle_that_is_a_link_or_lies_behind_one_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    path = job.folder / result.bundle
    path.rename(job.folder / "real.bundle")
    path.symlink_to(job.folder / "real.bundle")
    job.refuses(result)
    path.unlink()
    (job.folder / "bundles").rmdir()
    (job.folder / "real").mkdir()
    (job.folder / "real.bundle").rename(job.folder / "real" / path.name)
    (job.folder / "bundles").symlink_to(job.folder / "real")
    job.refuses(result)


@pytest.mark.parametrize(
    ("task", "bundle"),
    [
        (FRUIT, "../work-1/bundles/x.bundle"),
        (FRUIT, "/etc/passwd"),
        (FRUIT, f"bundles/{BREAD}.bundle"),
        ("../../evil", "bundles/../../evil.bundle"),
    ],
)
def test_a_bundle_that_lies_elsewhere_is_refused(job: Job, task: str, bundle: str) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    (job.folder.parent / "evil.bundle").write_bytes((job.folder / result.bundle).read_bytes())
    job.refuses(replace(result, task=task, bundle=bundle))


def test_a_bundle_that_is_too_large_is_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    monkeypatch.setattr(bundles, "MOST_BUNDLE_BYTES", 100)
    assert "more than 100" in job.refuses(result)


def test_a_bundle_that_is_missing_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    (job.folder / result.bundle).unlink()
    job.refuses(result)


def test_a_bundle_with_a_further_or_another_ref_is_refused(job: Job) -> None:
    commit = job.commit({"new": b"x"})
    result = job.bundle(commit)
    line = f"{commit} refs/heads/concertmaster/{RUN}/{FRUIT}\n".encode()
    further = f"{commit} refs/heads/main\n".encode()
    job.refuses(job.rewrite(result, lambda data: data.replace(line, line + further)))
    job.refuses(job.bundle(commit, ref="refs/heads/main"))
    job.refuses(job.bundle(commit, ref=f"refs/heads/concertmaster/other/{FRUIT}"))


def test_a_bundle_that_holds_another_commit_than_the_result_says_is_refused(job: Job) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    job.refuses(replace(result, head=job.base))
    job.refuses(replace(result, head="7" * 40))


def test_a_bundle_that_needs_other_commits_than_the_base_is_refused(job: Job) -> None:
    first = job.commit({"one": b"1"})
    head = job.commit({"two": b"2"}, on=first)
    assert "needs other commits" in job.refuses(job.bundle(head, base=first))


def test_a_bundle_that_hides_what_it_needs_is_refused(job: Job) -> None:
    """The header names only the base, but the objects build on another commit."""
    first = job.commit({"one": b"1"})
    head = job.commit({"two": b"2"}, on=first)
    result = job.bundle(head, base=first)
    job.refuses(job.rewrite(result, lambda data: data.replace(first.encode(), job.base.encode())))


def test_a_history_of_its_own_is_refused(job: Job) -> None:
    root = job.commit({"new": b"x"}, root=True)
    assert "does not build on the base" in job.refuses(job.bundle(root))


def test_more_than_one_commit_is_refused(job: Job) -> None:
    head = job.commit({"two": b"2"}, on=job.commit({"one": b"1"}))
    assert "not one commit" in job.refuses(job.bundle(head))


def test_a_commit_in_the_name_of_somebody_else_is_refused(job: Job) -> None:
    who = {"GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@example.org"}
    who |= {"GIT_COMMITTER_NAME": "Concertmaster", "GIT_COMMITTER_EMAIL": "x@example.org"}
    tree = job.work.tree(job.commit({"new": b"x"}))
    forged = job.work.git.run("commit-tree", tree, "-p", job.base, "-m", "x", env=who)
    assert "did not make" in job.refuses(job.bundle(forged))


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", "..", "."])
def test_objects_that_git_itself_finds_evil_are_refused(job: Job, name: str) -> None:
    blob = job.work.write_blob(b"x")
    tree = f"100644 {name}\0".encode() + bytes.fromhex(blob)
    sha = job.work.git.run("hash-object", "-w", "-t", "tree", "--literally", "--stdin", stdin=tree)
    evil = job.work.commit(sha, parents=(job.base,), message="x", at=AT)
    assert "index-pack" in job.refuses(job.bundle(evil))


@pytest.mark.parametrize("head", [b"", b"# v1 git bundle", b"# v3 git bundle\n@filter=blob:none"])
def test_what_is_no_plain_bundle_is_refused(job: Job, head: bytes) -> None:
    result = job.bundle(job.commit({"new": b"x"}))
    job.refuses(job.rewrite(result, lambda data: data.replace(b"# v2 git bundle", head)))


# Changes


def reasons(job: Job, commit: str, **limits: int) -> tuple[str, ...]:
    return check_change(job.work, base=job.base, head=commit, limits=ChangeLimits(**limits))


def test_a_plain_change_may_land(job: Job) -> None:
    assert reasons(job, job.commit({"new.txt": b"x", "folder/d.txt": b"y", "a.txt": b"z"})) == ()


def test_a_change_of_too_many_files_is_refused(job: Job) -> None:
    commit = job.commit({f"{number}.txt": b"x" for number in range(4)})
    assert reasons(job, commit, files=4) == ()
    assert reasons(job, commit, files=3) == ("it changes more than 3 files",)


def test_changes_and_removals_count_as_well(job: Job) -> None:
    commit = job.commit({"a.txt": b"x", "b.txt": b"x"})
    assert reasons(job, commit, files=1) == ("it changes more than 1 files",)


def test_a_few_trees_that_stand_for_billions_of_files_are_refused_at_once(job: Job) -> None:
    tree = job.work.tree(job.base)
    for _ in range(12):
        lines = "".join(f"040000 tree {tree}\t{number}\n" for number in range(10))
        tree = job.work.git.run("mktree", stdin=lines.encode())
    bomb = job.work.commit(tree, parents=(job.base,), message="x", at=AT)
    assert reasons(job, bomb) == ("it changes more than 10000 files",)


def test_folders_without_end_are_refused(job: Job) -> None:
    tree = job.work.tree(job.base)
    for _ in range(150):
        tree = job.work.git.run("mktree", stdin=f"040000 tree {tree}\tx\n".encode())
    deep = job.work.commit(tree, parents=(job.base,), message="x", at=AT)
    assert reasons(job, deep) != ()


def test_a_file_that_github_does_not_take_is_refused(job: Job) -> None:
    commit = job.commit({"large.bin": b"x" * (3 << 20)})
    assert reasons(job, commit, file_bytes=3 << 20) == ()
    (reason,) = reasons(job, commit, file_bytes=2 << 20)
    assert reason == "large.bin: 3 MB are more than the 2 MB GitHub takes"


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1b[31mb", "a\tb", "a\x7fb"])
def test_a_name_with_control_characters_is_refused(job: Job, name: str) -> None:
    (reason,) = reasons(job, job.commit({name: b"x"}))
    assert "control character" in reason
    assert "\n" not in reason
    assert "\x1b" not in reason


def test_two_names_that_differ_only_in_case_are_refused(job: Job) -> None:
    assert reasons(job, job.commit({"A.TXT": b"x"})) == ("A.TXT: differs from a.txt only in case",)
    assert reasons(job, job.commit({"Folder/x.txt": b"x"})) == (
        "Folder: differs from folder only in case",
    )
    assert len(reasons(job, job.commit({"new": b"x", "New": b"y"}))) == 2


def test_a_rename_that_only_changes_case_may_land(job: Job) -> None:
    git = Git(job.work.path, git_dir=job.work.path, index=job.index, private=True)
    git.run("read-tree", job.base)
    entries = f"0 {'0' * 40}\ta.txt\n100644 {job.work.write_blob(b'a')}\tA.txt\n"
    git.run("update-index", "--index-info", stdin=entries.encode())
    renamed = job.work.commit(git.run("write-tree"), parents=(job.base,), message="x", at=AT)
    assert reasons(job, renamed) == ()


def test_names_that_were_twins_before_do_not_stop_a_change(job: Job) -> None:
    base = job.commit({"A.TXT": b"x"})
    head = job.commit({"A.TXT": b"y"}, on=base)
    assert check_change(job.work, base=base, head=head) == ()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 1\n"


def test_a_new_file_of_lfs_is_refused_and_a_moved_one_is_not(job: Job) -> None:
    with_pointer = job.commit({"image.png": POINTER})
    (reason,) = reasons(job, with_pointer)
    assert reason.startswith("image.png: a file of Git LFS")
    moved = job.commit({"other.png": POINTER}, on=with_pointer)
    assert check_change(job.work, base=with_pointer, head=moved) == ()


def test_links_and_submodules_are_left_to_the_path_policy(job: Job) -> None:
    link = job.commit({"link": POINTER}, mode="120000")
    assert reasons(job, link) == ()
    git = Git(job.work.path, git_dir=job.work.path, index=job.index, private=True)
    git.run("read-tree", job.base)
    git.run("update-index", "--add", "--cacheinfo", f"160000,{job.base},sub")
    sub = job.work.commit(git.run("write-tree"), parents=(job.base,), message="x", at=AT)
    assert reasons(job, sub) == ()

"""Fuzzes what finalize gets from jobs with agents: it lands what they can have made, or stops.

Nothing that they say acts on GitHub.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from concertmaster.action.accept_results import ResultChecker, read_shares
from concertmaster.action.finalize.replay_merges import replay_merges
from concertmaster.action.finalize.save_state import round_files
from concertmaster.action.plan_artifact import PlanArtifact, read_plan_artifact
from concertmaster.comments import failure_issue, pull_request, round_report
from concertmaster.comments.memory_file import BEGIN, END, LARGEST_FILE, write_memory
from concertmaster.errors import EnvironmentFault
from concertmaster.landing.fault import LandingFault
from concertmaster.model import Built, Outcome, TaskState, Usage
from concertmaster.rounds.documents import read_history, read_verdict, write_history
from concertmaster.rounds.history import History, TaskHistory, by_name
from concertmaster.rounds.verdict import LeftOutTask, Verdict, VerdictStep
from concertmaster.text.display import is_visible
from concertmaster.text.markdown import BODY_LIMIT
from concertmaster.text.marks import read_marks
from tests.action.finalize_attacks import PROMPTS, WORDS, begin, prose
from tests.action.forged_results import Forger
from tests.action.rounds import House
from tests.action.test_fuzz import MARKDOWN, VALUES, bend, spots, written_with
from tests.conftest import SHARED_FIXTURES
from tests.github.double import Double

pytestmark = pytest.mark.matrix

CALM = settings(suppress_health_check=SHARED_FIXTURES)
BY_GIT = settings(CALM, max_examples=40)
RUN, BASE = "i1-c2", "b" * 40
TEXTS = written_with(*MARKDOWN, "Closes #1", "/orchestrate", BEGIN, END, "### ") | st.just(WORDS)
COMMITS = st.sampled_from(["", "a" * 40, BASE, "c" * 64])
UNEXPECTED: list[Any] = [None, True, -1, 1e400, "", "x" * 5000, "1" * 40, [], {}, [[]], "../../x"]
ODD = st.sampled_from(UNEXPECTED)


@pytest.fixture(scope="module")
def forger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forger]:
    folder = tmp_path_factory.mktemp("fuzz")
    with Double(folder / "hosting") as double:
        house = House.build(double, folder, PROMPTS)
        made = begin(house, folder / "forger", "apple", "pear", "plum")
        for name in ("apple", "pear", "plum"):
            made.receive(name)
        yield made


@pytest.fixture(scope="module")
def plan_artifact(forger: Forger) -> PlanArtifact:
    return read_plan_artifact(forger.held.job("finalize"))


def accept(forger: Forger, plan_artifact: PlanArtifact, artifacts: Path) -> dict[str, str]:
    """Return the accepted heads by task."""
    shares = read_shares(plan_artifact.plan, artifacts, round_number=1)
    checker = ResultChecker(
        plan_artifact=plan_artifact,
        shares=shares,
        artifacts=artifacts,
        objects=forger.objects,
        fetched={},
    )
    return {one.task: one.head for one in checker.accept().events if one.head}


@pytest.fixture
def copied(forger: Forger, tmp_path: Path) -> Callable[[], Path]:
    def copy() -> Path:
        shutil.rmtree(tmp_path / "artifacts", ignore_errors=True)
        return Path(shutil.copytree(forger.artifacts, tmp_path / "artifacts"))

    return copy


@BY_GIT
@given(data=st.data())
def test_any_change_of_results_lets_in_the_true_heads_or_none(
    forger: Forger, plan_artifact: PlanArtifact, copied: Callable[[], Path], data: st.DataObject
) -> None:
    artifacts = copied()
    true = accept(forger, plan_artifact, artifacts)
    assert len(true) == 3
    for share in range(len(plan_artifact.plan.shares)):
        path = artifacts / f"concertmaster-work-{share}" / "results.json"
        document = json.loads(path.read_text())
        for _ in range(data.draw(st.integers(0, 2))):
            place = data.draw(st.sampled_from([*spots(document)]))
            document = bend(document, place, data.draw(VALUES | ODD))
        path.write_text(json.dumps(document))

    assert accept(forger, plan_artifact, artifacts).items() <= true.items()


@BY_GIT
@given(data=st.data())
def test_any_change_of_a_bundle_loses_its_task_or_nothing(
    forger: Forger, plan_artifact: PlanArtifact, copied: Callable[[], Path], data: st.DataObject
) -> None:
    """The results have the digest of the changed bundle."""
    artifacts = copied()
    true = accept(forger, plan_artifact, artifacts)
    bundle = artifacts / forger.bundle("apple").relative_to(forger.artifacts)
    old = bundle.read_bytes()
    start = data.draw(st.integers(0, len(old)))
    end = data.draw(st.integers(start, min(len(old), start + 40)))
    bundle.write_bytes(old[:start] + data.draw(st.binary(max_size=40)) + old[end:])
    path = bundle.parents[1] / "results.json"
    document = json.loads(path.read_text())
    for one in document["tasks"]:
        if one["task"] == forger.id_of("apple"):
            one["sha256"] = forger.digest(bundle)
    path.write_text(json.dumps(document))

    found = accept(forger, plan_artifact, artifacts)

    assert found.items() <= true.items()
    assert {task for task in true if not task.startswith("apple")} <= {*found}


@settings(CALM, max_examples=100)
@given(data=st.binary(max_size=300) | TEXTS.map(lambda text: text.encode("utf-8", "replace")))
def test_any_bytes_as_a_journal_are_kept_as_text_that_tells_no_secret(
    forger: Forger, plan_artifact: PlanArtifact, copied: Callable[[], Path], data: bytes
) -> None:
    job = forger.held.job("finalize", artifacts=str(copied()))
    (job.artifacts / "concertmaster-work-0" / "journal.jsonl").write_bytes(
        data + job.token.encode()
    )

    kept = dict(round_files(job, plan_artifact.history, shares=len(plan_artifact.plan.shares)))

    text = kept["rounds/1/work-0.jsonl"].decode()
    assert job.token not in text
    assert all(name.startswith("rounds/1/") for name in kept)


@pytest.fixture(scope="module")
def landing(forger: Forger, plan_artifact: PlanArtifact) -> History:
    """The history that finalize has before it repeats the merges."""
    history = plan_artifact.history
    for name in ("apple", "pear", "plum"):
        one = forger.result(name)
        built_on = tuple(Built(**built) for built in one["built_on"])
        entry = history.task(one["task"])
        state = {"state": TaskState.SUCCEEDED, "base": one["base"], "head": one["head"]}
        history = history.put(replace(entry, **state, built_on=built_on))
    return history


@pytest.fixture(scope="module")
def verdicts_of_all(forger: Forger) -> list[Any]:
    """Two verdicts that land everything, in different steps."""
    apple = forger.step(forger.base, "apple")
    rest = forger.step(apple["commit"], "pear", "plum")
    found = []
    for steps in ([apple, rest], [forger.step(forger.base, "pear", "plum", "apple")]):
        forger.judge(*steps)
        path = forger.artifacts / "concertmaster-verify" / "verdict.json"
        found.append(json.loads(path.read_text()))
    return found


@BY_GIT
@given(data=st.data())
def test_any_change_of_a_verdict_is_a_clear_stop_or_lands_the_merge_of_true_heads(
    forger: Forger,
    landing: History,
    verdicts_of_all: list[Any],
    tmp_path: Path,
    data: st.DataObject,
) -> None:
    document = data.draw(st.sampled_from(verdicts_of_all))
    for _ in range(data.draw(st.integers(0, 3))):
        place = data.draw(st.sampled_from([*spots(document)]))
        inside = [value for _, value in leaves(document)]
        document = bend(document, place, data.draw(st.sampled_from(inside) | VALUES | ODD))
    (tmp_path / "verdict.json").write_text(json.dumps(document))
    try:
        verdict = read_verdict(tmp_path, history=landing)
        made = replay_merges(forger.objects, verdict, landing, plan=forger.plan).made
    except EnvironmentFault as error:
        assert error.why and error.next_step  # noqa: PT017, PT018 - either way is fine
        return

    paths = forger.objects.git.run("ls-tree", "-r", "--name-only", verdict.commit).split("\n")
    wanted = {f"{task.rpartition('-')[0]}.txt" for task in made}
    assert {path for path in paths if path.endswith(".txt")} == wanted
    assert "plum.txt" not in wanted or "pear.txt" in wanted


def leaves(value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    for place in spots(value):
        found = value
        for key in place:
            found = found[key]
        yield place, found


@settings(CALM, max_examples=200)
@given(data=st.binary(max_size=200) | VALUES.map(lambda tree: json.dumps(tree).encode()))
def test_any_bytes_as_a_verdict_are_refused(landing: History, tmp_path: Path, data: bytes) -> None:
    (tmp_path / "verdict.json").write_bytes(data)

    with pytest.raises(EnvironmentFault, match="verdict"):
        read_verdict(tmp_path, history=landing)


NUMBERS = st.floats(0, 1e15) | st.sampled_from([0.0, 0.004, 59.9, 1e15])
USAGES = st.builds(
    Usage,
    cost_usd=st.none() | NUMBERS,
    input_tokens=st.integers(0, 10**15),
    output_tokens=st.integers(0, 10**15),
)


def tasks(number: int) -> st.SearchStrategy[TaskHistory]:
    """Generate tasks in which each text may be hostile."""
    return st.builds(
        TaskHistory,
        task=st.just(f"t{number}-abcd"),
        prompt=TEXTS,
        title=TEXTS,
        blob=COMMITS,
        issue=st.integers(0, 10**9),
        state=st.sampled_from(TaskState),
        outcome=st.none() | st.sampled_from(Outcome),
        reason=TEXTS,
        fault=st.none() | st.sampled_from(LandingFault),
        attempts=st.integers(0, 99),
        base=COMMITS,
        head=COMMITS,
        notes=st.lists(TEXTS, max_size=3).map(tuple),
        evidence=TEXTS,
        seconds=NUMBERS,
        usage=USAGES,
        sensitive=st.lists(TEXTS, max_size=2).map(tuple),
        pull=st.integers(0, 10**9),
        landed_as=COMMITS,
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    number = draw(st.integers(1, 3))
    return History(
        run=RUN,
        parent=draw(st.integers(0, 99)),
        target=draw(st.sampled_from(["main", "release/1.0", "`$(id)`"])),
        base=BASE,
        started_at=1_700_000_000,
        trigger="c2",
        round=draw(st.integers(1, 99)),
        tasks=by_name(draw(tasks(n)) for n in range(number)),
    )


@st.composite
def verdicts(draw: st.DrawFn, history: History) -> Verdict:
    known = list(history.tasks)
    step = VerdictStep(tasks=(known[0],), tip=BASE, commit="a" * 40, tree="c" * 40)
    left = [
        LeftOutTask(task=one, fault=draw(st.sampled_from(LandingFault)), reason=draw(TEXTS))
        for one in known[1:]
    ]
    return Verdict(
        run=RUN,
        round=1,
        target="main",
        tip=BASE,
        git_version="2.39.5",
        base_green=draw(st.none() | st.booleans()),
        base_reason=draw(TEXTS),
        steps=(step,) if draw(st.booleans()) else (),
        left_out=tuple(left),
        flaky=tuple(known[:1]),
        stopped=draw(TEXTS),
    )


def check_words(text: str) -> None:
    """Assert that the text has one mark, is visible, and holds nothing on which GitHub acts."""
    assert len(read_marks(text)) == 1
    assert len(text) <= BODY_LIMIT
    assert all(is_visible(one) or one == "\n" for one in text)
    plain = prose(text)
    assert "@ada" not in plain
    assert "<details" not in plain
    assert "\n/orchestrate" not in plain


@settings(CALM, max_examples=60)
@given(data=st.data())
def test_no_words_of_anybody_act_in_what_we_write_on_github(data: st.DataObject) -> None:
    history = data.draw(histories())
    verdict = data.draw(verdicts(history))
    everyone = list(history.tasks)

    for one in history.tasks.values():
        body = pull_request.pull_body(history, one, closes=True, together=everyone)
        check_words(body)
        closing = [f"Closes #{one.issue}"] if one.issue else []
        assert re.findall(r"^.*Closes #.*$", prose(body), re.MULTILINE) == closing
        title = pull_request.pull_title(one)
        assert 0 < len(title) <= pull_request.LONGEST_TITLE
        assert "\n" not in title
        assert all(map(is_visible, title))
    landed = list(history.tasks.values())
    check_words(pull_request.run_pull_body(history, verdict, landed=landed, reason=WORDS))
    title, body = failure_issue.failure_issue(history)
    check_words(body)
    assert all(map(is_visible, title))
    check_words(round_report.report_comment(history, verdict, speed=None, notes=[]))


@settings(CALM, max_examples=300)
@given(
    history=histories(),
    old=st.none() | st.binary(max_size=200) | TEXTS.map(lambda t: t.encode("utf-8", "replace")),
)
@example(
    History(run=RUN, parent=0, target="main", base=BASE, trigger="c2", round=1, tasks={}),
    f"{END}\n{BEGIN}\r\n{END}".encode(),
)
def test_any_memory_keeps_what_is_not_ours_and_has_the_run_once(
    history: History, old: bytes | None
) -> None:
    new = write_memory(old, history, at=1_700_000_000)
    if new is None:
        assert old is not None
        return

    assert len(new) <= LARGEST_FILE
    text = new.decode()
    between = text.rpartition(BEGIN)[2].partition(END)[0]
    assert between.count(f" {RUN}") >= 1
    lines = [line.rstrip("\r") for line in between.split("\n")]
    ours = ("- ", "### ", "<!-- concertmaster-data format=memory ")
    assert all(not line or line.startswith(ours) for line in lines)
    assert write_memory(new, history, at=1_700_000_000) == new
    for line in (old or b"").decode().rpartition(BEGIN)[0].split("\n"):
        assert line.rstrip("\r") in text


@settings(CALM, max_examples=150)
@given(history=histories(), cut=st.integers(0, 3000), put=st.binary(max_size=9))
def test_any_history_is_read_as_it_was_written_or_refused(
    history: History, cut: int, put: bytes
) -> None:
    written = write_history(history)
    for data in (written, written[:cut] + put + written[cut + len(put) :]):
        try:
            found = read_history(data)
        except EnvironmentFault as error:
            assert error.why  # noqa: PT017 - either way is fine
        else:
            assert found.run
            assert write_history(found)

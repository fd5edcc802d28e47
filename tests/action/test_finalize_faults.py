"""Tests a fault in each call of finalize: the end is the same, and nothing exists twice.

After every try the target holds a tree that passed the check, apart from Memory.md.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from github.Requester import Requester

from concertmaster.action.artifacts import PLAN, VERIFY
from concertmaster.git import remote
from concertmaster.git.command import Git, GitAnswer
from concertmaster.github import client
from tests.action.finalize_tries import Finale
from tests.conftest import set_home
from tests.github.calls import Call
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.query.mutations import MUTATIONS

pytestmark = pytest.mark.matrix

HOUSES: dict[str, dict[str, Any]] = {
    "merged": {"settings": "history: merge\n"},
    "linear": {},
    "squashed": {"settings": "history: squash\n", "more": ("grape",)},
    "carried": {"rule": "pull_request"},
    "proposed": {"settings": "landing: pull-requests\n"},
}
PASSING = [Effect.BAD_GATEWAY_BEFORE, Effect.SECONDARY_LIMIT, Effect.TOO_MANY_REQUESTS]


@dataclass(frozen=True)
class Course:
    """A saved round, with the calls and the end of a job that nothing disturbs."""

    finale: Finale
    calls: list[Call]
    end: dict[str, Any]
    samples: int  # 0, or one of the other ways to land: it stops behind every third write from here


@pytest.fixture(scope="module")
def course_of(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Course]]:
    """Returns the course of each way to land, which is made on demand and then kept."""
    made: dict[str, Course] = {}
    with pytest.MonkeyPatch.context() as patch:
        set_home(tmp_path_factory.mktemp("home"), patch)
        patch.setattr(remote, "FIRST_WAIT_SECONDS", 0.01)
        folder = tmp_path_factory.mktemp("finale")
        with Double(folder / "hosting") as double:

            def find(name: str) -> Course:
                if name not in made:
                    finale = Finale.prepare(double, folder, name=name, **HOUSES[name])
                    samples = [*HOUSES].index(name)
                    made[name] = Course(finale, finale.calls(), finale.state(), samples)
                return made[name]

            yield find
        assert double.violations == []


@pytest.fixture(params=HOUSES)
def course(course_of: Callable[[str], Course], request: pytest.FixtureRequest) -> Course:
    return course_of(request.param)


merged = pytest.mark.parametrize("course", ["merged"], indirect=True)


def check(course: Course, trials: Iterable[list[Fault]]) -> None:
    """Assert that each trial ends as a job that nothing disturbs."""
    finale = course.finale
    for faults in trials:
        finale.rewind()
        for fault in faults:
            finale.double.fail(fault)

        finale.run_until_done()

        assert all(fault.seen >= (fault.nth or 1) for fault in faults), f"{faults} struck nothing"
        assert finale.state() == course.end, faults


def writes(calls: list[Call], effect: Effect) -> Iterator[Fault]:
    """Yield a fault for each call that may change something."""
    for fault, call in each(calls, effect):
        is_write = call.method != "GET" and not call.path.endswith("/git-upload-pack")
        if is_write and call.path != "/graphql":
            yield fault
    yield from mutations(calls, effect)


def each(calls: list[Call], effect: Effect) -> Iterator[tuple[Fault, Call]]:
    seen: Counter[tuple[str, str]] = Counter()
    for call in calls:
        seen[call.method, call.path] += 1
        nth = seen[call.method, call.path]
        yield Fault(effect=effect, method=call.method, path=call.path, nth=nth), call


def mutations(calls: list[Call], effect: Effect) -> Iterator[Fault]:
    """Yield a fault for each mutation of a batch."""
    fields = Counter(field for call in calls for field in call.fields if field in MUTATIONS)
    for name, number in fields.items():
        for nth in range(1, number + 1):
            yield Fault(effect=effect, mutation=name, nth=nth)


def refusals(calls: list[Call]) -> Iterator[Fault]:
    """Yield a 404 for the first call of each kind, except where we believe a 404.

    Such a 404 says that a label is not there, or that a workflow takes no dispatch.
    """
    for fault, call in each(calls, Effect.NOT_FOUND):
        is_believed = call.method == "DELETE" or "/actions/workflows/" in call.path
        if fault.nth == 1 and not is_believed:
            yield fault
    yield from (fault for fault in mutations(calls, Effect.NOT_FOUND) if fault.nth == 1)


def every_third(calls: list[Call], effect: Effect) -> Iterator[list[Fault]]:
    """Yield three lists of faults, which together hit every call but never its repetition."""
    for part in range(3):
        yield [fault for fault, _ in each(calls, effect) if fault.nth and fault.nth % 3 == part]


def test_a_lost_answer_to_any_write_changes_nothing_of_the_end(course: Course) -> None:
    """One way to land loses each answer, the others one of each kind."""
    lost = writes(course.calls, Effect.BAD_GATEWAY_AFTER)
    kinds = {kind_of(one): one for one in lost} if course.samples else {}
    check(course, ([one] for one in kinds.values() or lost))


def kind_of(fault: Fault) -> tuple[str | None, str]:
    """Return what the fault's call does, whatever it does it to."""
    path = re.sub(r"\d+|[0-9a-f]{7,}", "*", fault.path or "")
    return fault.method, fault.mutation or path


@merged
@pytest.mark.parametrize("effect", [Effect.DROP_AFTER, Effect.BAD_GATEWAY_BEFORE])
def test_nor_does_a_push_that_is_cut_off(course: Course, effect: Effect) -> None:
    faults = [fault for fault in writes(course.calls, effect) if "receive" in (fault.path or "")]
    check(course, ([one] for one in faults))


@merged
def test_nor_does_a_call_that_is_refused(course: Course) -> None:
    """Only the first call of each kind is refused, because most refusals stop the job."""
    check(course, ([one] for one in refusals(course.calls)))


@merged
@pytest.mark.parametrize("effect", [*PASSING, Effect.DROP_AFTER])
def test_nor_does_trouble_in_every_call_that_passes(course: Course, effect: Effect) -> None:
    check(course, every_third(course.calls, effect))


@merged
def test_nor_does_a_silence_after_a_write(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "TIMEOUT_SECONDS", 1)
    monkeypatch.setattr(remote, "PATIENCE_SECONDS", 1)
    faults = [one for one in writes(course.calls, Effect.TIMEOUT_AFTER) if one.nth == 1]
    check(course, ([one] for one in faults))


@merged
def test_nor_does_an_error_in_place_of_one_field(course: Course) -> None:
    check(course, ([one] for one in mutations(course.calls, Effect.FIELD_ERROR)))


class Killed(BaseException):
    """The job's machine is gone."""


class Death:
    """The end of the job behind its n-th call to GitHub or git that may have changed something."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    @property
    def came(self) -> bool:
        return self.calls >= self.number

    def count(self, is_write: bool) -> None:
        self.calls += is_write
        if is_write and self.calls == self.number:
            raise Killed

    @contextmanager
    def waits(self) -> Iterator[None]:
        request, ask = Requester.requestJsonAndCheck, Git.ask

        def call(requester: Requester, verb: str, url: str, *args: Any, **more: Any) -> Any:
            answer = request(requester, verb, url, *args, **more)
            self.count(verb != "GET" and "query (" not in str(more.get("input")))
            return answer

        def run(git: Git, *args: str, **more: Any) -> GitAnswer:
            answer = ask(git, *args, **more)
            self.count("push" in args)
            return answer

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Requester, "requestJsonAndCheck", call)
            patch.setattr(Git, "ask", run)
            yield


def test_a_job_that_dies_behind_any_write_is_completed_by_the_next(course: Course) -> None:
    """One way to land stops behind each write, the others behind every third one."""
    finale = course.finale
    for number in count(course.samples, 3) if course.samples else count(1):
        finale.rewind()
        death = Death(number)
        with death.waits(), suppress(Killed):
            finale.run()
        if not death.came:
            assert number > 10
            return
        finale.download()
        finale.run()
        assert finale.state() == course.end, f"died behind write {number}"


def test_a_job_that_runs_again_changes_nothing(course: Course) -> None:
    course.finale.rewind()
    course.finale.run()
    course.finale.download()
    course.finale.run()
    assert course.finale.state() == course.end


@merged
def test_a_round_that_is_dispatched_twice_is_held_once(course: Course) -> None:
    """GitHub does not show the inputs of a workflow run, so a repeated job dispatches again."""
    finale = course.finale
    finale.rewind()
    finale.run()
    finale.download()
    finale.run()
    first, second = finale.house.dispatched
    finale.house.follow(first).hold()
    issues = len(finale.repository.issues)
    comments = len(finale.repository.issues[1].comments)

    again = finale.house.follow(second)
    again.plan()

    assert again.outputs["count"] == "0"
    assert len(finale.repository.issues) == issues
    assert len(finale.repository.issues[1].comments) == comments


Damage = Callable[[Path], object]


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def swap(one: Path, other: Path) -> None:
    aside = one.with_name("aside")
    one.rename(aside)
    other.rename(one)
    aside.rename(other)


def swap_bundles(artifacts: Path) -> None:
    cherry, damson = (bundle(artifacts, name) for name in ("cherry", "damson"))
    swap(cherry, damson)


def bundle(artifacts: Path, name: str) -> Path:
    return next(artifacts.glob(f"concertmaster-work-*/bundles/{name}-*.bundle"))


def claim(artifacts: Path) -> None:
    """Make the verdict say that tasks which failed the check have passed."""
    path = artifacts / VERIFY / "verdict.json"
    verdict = json.loads(path.read_text())
    verdict["steps"][0]["tasks"] += [left["task"] for left in verdict["left_out"]]
    path.write_text(json.dumps({**verdict, "left_out": []}))


def add_foreign(artifacts: Path) -> None:
    for name in (
        *("concertmaster-work-7", "concertmaster-work-x", VERIFY),
        *(PLAN, f"{PLAN}/prompts", "concertmaster-work-0", "stray"),
    ):
        (artifacts / name).mkdir(exist_ok=True)
        for file in ("foreign.json", "journal.json", ".git", "results.json.old"):
            (artifacts / name / file).write_text("{}")
    for name in ("concertmaster-work-7", "concertmaster-work-x", "concertmaster-work-a:b"):
        (artifacts / name).mkdir(exist_ok=True)
        for file in ("results.json", "journal.jsonl"):
            shutil.copy(artifacts / "concertmaster-work-0" / file, artifacts / name / file)
    (artifacts / "concertmaster-work-0" / "link").symlink_to("/etc")


def replace_by_link(path: Path) -> None:
    moved = path.rename(path.with_name("elsewhere"))
    path.symlink_to(moved)


def each_of(pattern: str, act: Damage) -> Damage:
    def damage(artifacts: Path) -> None:
        found = [*artifacts.glob(pattern)]
        assert found
        for path in found:
            act(path)

    return damage


def swapped(one: str, other: str) -> Damage:
    return lambda artifacts: swap(artifacts / one, artifacts / other)


CHERRY = "concertmaster-work-*/bundles/cherry-*.bundle"
STOPS: dict[str, Damage] = {
    "nothing is there": shutil.rmtree,
    "no plan": each_of(PLAN, shutil.rmtree),
    "half a plan": each_of(f"{PLAN}/plan.json", cut),
    "half a history": each_of(f"{PLAN}/history.json", cut),
    "history for plan": swapped(f"{PLAN}/plan.json", f"{PLAN}/history.json"),
    "no prompts": each_of(f"{PLAN}/prompts", shutil.rmtree),
    "no verdict": each_of(VERIFY, shutil.rmtree),
    "half a verdict": each_of(f"{VERIFY}/verdict.json", cut),
    "verdict for plan": swapped(VERIFY, PLAN),
    "a verdict that claims more": claim,
    "no work": each_of("concertmaster-work-*", shutil.rmtree),
    "half of the results": each_of("concertmaster-work-*/results.json", cut),
    "shares swapped": swapped("concertmaster-work-0", "concertmaster-work-1"),
    "bundles swapped": swap_bundles,
    "half a bundle": each_of(CHERRY, cut),
    "no bundle": each_of(CHERRY, Path.unlink),
    "a link for a bundle": each_of(CHERRY, replace_by_link),
}
GOES_ON: dict[str, Damage] = {
    "no bundle of what failed": each_of(
        "concertmaster-work-*/bundles/damson-*.bundle", Path.unlink
    ),
    "half a bundle for a person": each_of("concertmaster-work-*/bundles/quince-*.bundle", cut),
    "no journals": each_of("concertmaster-work-*/journal.jsonl", Path.unlink),
    "half of the journals": each_of("concertmaster-work-*/journal.jsonl", cut),
}


@merged
@pytest.mark.parametrize("name", STOPS)
def test_a_download_that_is_not_what_was_left_lands_nothing(course: Course, name: str) -> None:
    finale = course.finale
    finale.rewind()
    before = finale.house.tip()
    STOPS[name](finale.held.artifacts)
    assert finale.run_or_stop()
    assert finale.house.tip() == before
    assert not finale.repository.pulls()
    finale.download()
    finale.run()
    assert finale.state() == course.end


@merged
@pytest.mark.parametrize("output", ["plan_sha256", "verdict_sha256"])
def test_nor_does_one_of_another_digest(course: Course, output: str) -> None:
    finale = course.finale
    finale.rewind()
    before = finale.house.tip()
    stop = finale.run_or_stop(**{output: "0" * 64})
    assert stop
    assert "sha256" in stop.why
    assert finale.house.tip() == before
    finale.run()
    assert finale.state() == course.end


@merged
@pytest.mark.parametrize("name", GOES_ON)
def test_what_lacks_in_the_download_is_made_good_by_a_whole_one(course: Course, name: str) -> None:
    """Numbers and commits may differ, because the first try filed more and put it in Memory.md."""
    finale = course.finale
    finale.rewind()
    GOES_ON[name](finale.held.artifacts)
    finale.run()
    finale.check_once()
    finale.download()
    finale.run()
    assert gist(finale.state()) == gist(course.end)


def gist(end: dict[str, Any]) -> dict[str, Any]:
    pulls = [[head, title, state] for head, _, title, _, state, *_ in end["pulls"]]
    return {name: end[name] for name in ("issues", "branches", "rounds")} | {"pulls": pulls}


@merged
def test_what_others_put_into_the_download_is_not_looked_at(course: Course) -> None:
    finale = course.finale
    finale.rewind()
    add_foreign(finale.held.artifacts)
    finale.run()
    assert finale.state() == course.end

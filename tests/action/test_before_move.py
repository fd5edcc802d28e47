"""What an earlier version left on GitHub is read, and the run goes on as it did then.

tests/data/before-move/README.md tells how the data was made.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from concertmaster.action.control import control
from concertmaster.planning import planner
from concertmaster.rounds.documents import read_history, write_history
from concertmaster.rounds.history import HISTORY_VERSION
from tests.action.plan_tries import shown_of
from tests.action.recorded import GITHUB, SERVER, fill, restore
from tests.action.rounds import House, Round
from tests.commandline import called
from tests.conftest import in_matrix
from tests.github.double import Double
from tests.shapes import within, without

RUN = "i1-c5000000031"
HISTORIES = sorted(GITHUB.glob("round-*/history.json")) + sorted(GITHUB.glob("documents/*.json"))
UNUSED = {"landed_at"}  # nothing ever filled it, so it is no longer written
MEASURED = frozenset("at resumes_at seconds check_seconds made_at landed_at".split())
CHANCE = re.compile(
    r"\b[0-9a-f]{40}\b|\b[0-9a-f]{12}\b|\b[0-9a-f]{7}\b"  # commits
    r"|\b\d{10}\b"  # ids of GitHub
    r"|\d{4}-\d\d-\d\d(?: \d\d:\d\d UTC)?"
    r"|\b\d+(?:\.\d)?[hms]\b(?: \d+[ms]\b)*"
)
MARK = re.compile(r"<!-- concertmaster run=[^>]*-->")


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_state_document_is_read_and_written_as_it_was(path: Path) -> None:
    written = json.loads(write_history(read_history(path.read_bytes())))

    then = {k: v for k, v in json.loads(path.read_bytes()).items() if k not in UNUSED}
    assert within(written, then) == then | {"version": HISTORY_VERSION}


@pytest.mark.parametrize("after", [1, 2, 3, 4])
def test_a_watch_sees_what_it_saw(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    house = restore(double, tmp_path, after=after)
    monkeypatch.setenv("GITHUB_TOKEN", double.user_token(house.eve))
    monkeypatch.setenv("GITHUB_API_URL", double.url)
    monkeypatch.setenv("GITHUB_SERVER_URL", double.url)

    done = called("watch", "1", "--repo", "ada/opera", "--json")

    assert done.out, done.err
    view = json.loads(done.out.replace(double.url, SERVER))
    before = document(after, "watch.json")
    assert (done.code, view) == (0 if before["has_landed"] else 1, before | elapsed(view))


def elapsed(view: Any) -> Any:
    """What goes on while the run does."""
    return {} if view["is_over"] else {"elapsed_seconds": view["elapsed_seconds"]}


def document(after: int, name: str) -> Any:
    return json.loads((GITHUB / f"round-{after}" / name).read_text())


@pytest.mark.parametrize("after", in_matrix([1, 2, 3]))
def test_the_next_round_comes_to_what_it_came_to(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    # Then nothing was foreseen, so every task started from the base of its round.
    monkeypatch.setattr(planner, "keep_apart", lambda *_, **__: frozenset())
    house = restore(double, tmp_path, after=after)

    held = begin(house, after=after)
    held.plan()
    held.work()
    if after == 1:
        meet_limit(held)
    held.verify()
    held.finalize()

    planned = json.loads((held.artifacts / "concertmaster-plan" / "plan.json").read_text())
    then = document(after + 1, "plan.json")
    assert steady(decided(planned, then)) == steady(decided(then, then))
    history = json.loads(house.read("history.json", branch=f"concertmaster/{RUN}/state") or "")
    then = document(after + 1, "history.json") | {"version": HISTORY_VERSION}
    assert steady(within(history, then)) == steady(then)
    memory = (GITHUB / f"round-{after + 1}" / "Memory.md").read_text()
    assert steady(visible(house.read(".github/Memory.md") or "")) == steady(memory)
    assert seen(house) == expected(house, after=after + 1)


def visible(memory: str) -> str:
    """Memory.md without the hidden data, of which then there was none."""
    lines = memory.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith("<!-- concertmaster-data "))


def decided(plan: Any, then: Any) -> Any:
    """What goes on from round to round; footprints and estimates become better by version."""
    kept = ("id", "prompt", "blob", "title", "touches", "check", "agent", "phases", "branch")
    tasks = [{key: task[key] for key in kept} for task in plan["tasks"]]
    fixed = ("run", "base", "target", "needs", "skipped")
    settings = without(within(plan["settings"], then["settings"]), "repairs")  # a new default
    return {key: plan[key] for key in fixed} | {"tasks": tasks, "settings": settings}


def begin(house: House, *, after: int) -> Round:
    """As it began then: when it was due, the last one because a person asked."""
    if after == 3:
        act(house)
        return house.ask(house.repository.issues[1], "/orchestrate retry")
    house.double.clock.advance(9 * 3600)
    known = len(house.dispatched)
    held = house.start("schedule", {"schedule": "17 * * * *"})
    assert control(held.job("control")) == 0
    (begun,) = house.dispatched[known:]
    return house.follow(begun)


def act(house: House) -> None:
    """What people did before they asked: all that had failed can land now."""
    double, repository = house.double, house.repository
    pulls = {issue.title: issue for issue, _ in repository.pulls()}
    double.merge_pull(repository, pulls["Write grape"], user=house.eve)
    double.close(pulls["Write ivy"], user=house.eve)
    mended = {
        f"prompts/{name}.md": f"# Write {name}\n\nwrite {name}.txt {name}\n"
        for name in ("cherry", "kiwi")
    }
    double.commit(repository, "main", mended)


def meet_limit(held: Round) -> None:
    """One of the tasks has run into a usage limit."""
    (file,) = held.artifacts.glob("concertmaster-work-*/results.json")
    results = json.loads(file.read_text())
    (lime,) = [one for one in results["tasks"] if one["task"].startswith("lime-")]
    lime |= {"state": "waiting", "outcome": "limited", "reason": "usage limit"}
    lime |= {"head": "", "work": "", "bundle": "", "sha256": ""}
    lime["resumes_at"] = held.workflow.double.clock.seconds() + 3 * 3600
    lime["usage"]["cost_usd"] = 1.5
    file.write_text(json.dumps(results))


def seen(house: House) -> Any:
    """What stands on GitHub, but for the workflow runs and for the words of our own texts."""
    shown = shown_of(house.repository)
    kept = steady({name: shown[name] for name in shown if name != "runs"}, url=house.double.url)
    return without_words(kept)


def without_words(value: Any) -> Any:
    """Return texts of ours as their marks; later versions word them anew and keep the marks."""
    match value:
        case str():
            return MARK.findall(value) or value
        case {"title": str(), "body": str(body), **others} if "kind=failure" in body:
            return {"body": without_words(body), **without_words(others)}
        case dict():
            return {key: without_words(one) for key, one in value.items()}
        case list() | tuple():
            return [without_words(one) for one in value]
        case _:
            return value


def expected(house: House, *, after: int) -> Any:
    double = house.double
    then = double.add_repository("ada/then")
    fill(double, then, after=after)
    return seen(House(double=double, repository=then, eve=house.eve, folder=house.folder))


def steady(value: Any, *, url: str = SERVER) -> Any:
    """Without ids that chance or the time make, and without what a clock has measured."""
    match value:
        case str():
            return CHANCE.sub("…", value.replace(url, SERVER))
        case dict():
            kept = {key: one for key, one in value.items() if key not in MEASURED}
            return {key: steady(one, url=url) for key, one in kept.items()}
        case list() | tuple():
            return [steady(one, url=url) for one in value]
        case _:
            return value

"""A tip with a long history merges exactly as before, and git does not walk that history."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from concertmaster.git import merge_history
from concertmaster.git.merge_conflict import Conflict, Merged
from concertmaster.git.run_repository import RunRepository
from tests.conftest import Project

AT = 1_700_000_000
STEPS = 6


@pytest.fixture
def base(project: Project) -> str:
    return project.git("rev-parse", "HEAD")


@pytest.fixture
def run(project: Project, tmp_path: Path, base: str) -> RunRepository:
    assert base
    return RunRepository.create(tmp_path / "repository.git", user=project.open())


def change(run: RunRepository, parent: str, path: str, text: str) -> str:
    return run.put_file(parent, path, text.encode(), message=path, at=AT)


def land(run: RunRepository, tip: str, head: str) -> str:
    merged = run.merge(tip, head, message="Merge", at=AT)
    assert isinstance(merged, Merged)
    return merged.commit


def land_many(run: RunRepository, base: str) -> tuple[str, list[str]]:
    """The tip after all merges, and the heads that were merged."""
    heads = [change(run, base, f"{n}.txt", f"{n}\n") for n in range(STEPS)]
    tip = base
    for head in heads:
        tip = land(run, tip, head)
    return tip, heads


def start_fresh(run: RunRepository, base: str, tip: str, heads: list[str]) -> str:
    return change(run, base, "new.txt", "new\n")


def build_on_landed_work(run: RunRepository, base: str, tip: str, heads: list[str]) -> str:
    return change(run, heads[1], "1.txt", "1 and more\n")


def take_the_tip_in(run: RunRepository, base: str, tip: str, heads: list[str]) -> str:
    own = change(run, base, "a.txt", "ours\n")
    return change(run, land(run, own, tip), "3.txt", "3 and more\n")


def undo_what_landed(run: RunRepository, base: str, tip: str, heads: list[str]) -> str:
    own = land(run, change(run, base, "a.txt", "ours\n"), heads[2])
    return run.without_files(own, ["2.txt"], message="Undo", at=AT)


def add_the_same_file(run: RunRepository, base: str, tip: str, heads: list[str]) -> str:
    return change(run, base, "4.txt", "quite another\n")


def start_before_the_base(run: RunRepository, base: str, tip: str, heads: list[str]) -> str:
    older = run.git.run("rev-parse", f"{base}^")
    return change(run, older, "old.txt", "old\n")


Case = Callable[[RunRepository, str, str, list[str]], str]
CASES: list[Case] = [
    start_fresh,
    build_on_landed_work,
    take_the_tip_in,
    undo_what_landed,
    add_the_same_file,
    start_before_the_base,
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_long_history_merges_as_a_short_one(
    project: Project, run: RunRepository, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = project.commit("Second", {"a.txt": "a2\n"})
    results: list[tuple[object, ...]] = []
    for limit in (2, 1000):
        monkeypatch.setattr(merge_history, "LONG_HISTORY", limit)
        again = RunRepository.open(run.path)
        tip, heads = land_many(again, base)
        head = case(again, base, tip, heads)
        first = again.merge(tip, head, message="Merge", at=AT)
        after = again.merge(tip, change(again, base, "x", "x"), message="Merge", at=AT)
        assert isinstance(after, Merged)
        second = again.merge(after.commit, head, message="Merge", at=AT)
        results.append((tip, head, first, second))

    assert results[0] == results[1]
    assert isinstance(results[0][2], Conflict) is (case is add_the_same_file)


def test_git_is_told_to_merge_near_the_base(
    run: RunRepository, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge_history, "LONG_HISTORY", 3)
    tip, _ = land_many(run, base)
    asked: list[str] = []
    real = run.git.ask

    def spy(*args: str, **options: object) -> object:
        if args[0] == "merge-tree":
            asked.append(args[-2])
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(run.git, "ask", spy)
    land(run, tip, change(run, base, "new.txt", "new\n"))

    (side,) = asked
    assert run.git.run("rev-parse", f"{side}^@") == base
    assert run.tree(side) == run.tree(tip)


def test_what_a_run_added_is_listed_once(
    run: RunRepository, base: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merge_history, "LONG_HISTORY", 3)
    lists: list[str] = []
    real = run.git.run

    def spy(*args: str, **options: object) -> str:
        if args[0] == "rev-list":
            lists.append(args[1])
        return real(*args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(run.git, "run", spy)
    tip, heads = land_many(run, base)

    assert [one for one in lists if one not in heads] != []
    assert len(lists) == 1 + STEPS - 3
    assert tip not in lists

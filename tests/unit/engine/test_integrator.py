from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from concertmaster.commands import CheckBatch, MergeCandidate
from concertmaster.engine import integrator
from concertmaster.engine.integrator import Integrator
from concertmaster.events import BatchChecked
from concertmaster.landing.merges import MergedTip
from concertmaster.landing.path_policy import PathVerdict
from tests.journals import make_plan


def candidate(task: str) -> MergeCandidate:
    return MergeCandidate(task=task, title=task, base="base", head=f"head-{task}", as_it_is=True)


def test_a_longer_prefix_goes_on_from_the_merges_of_a_shorter_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    merged: list[tuple[str, str]] = []

    def merge(objects: object, tip: str, one: MergeCandidate, **words: object) -> MergedTip:
        merged.append((tip, one.task))
        return MergedTip(commit=f"{tip}+{one.task}", as_it_is=True)

    monkeypatch.setattr(integrator, "merge_changes", merge)
    objects = SimpleNamespace(tree=lambda commit: f"tree of {commit}")
    judge = SimpleNamespace(judge_merge=lambda *commits, **opened: PathVerdict())
    context: Any = SimpleNamespace(objects=objects, plan=make_plan(), judge=lambda: judge)
    train = Integrator(context=context, discard=lambda worktree: None)
    prefixes = ("a", "abc", "abd")
    commits = []
    for prefix in prefixes:
        tree = f"tree of tip+{'+'.join(prefix)}"
        command = CheckBatch(
            tip="tip", candidates=tuple(map(candidate, prefix)), green=frozenset({tree})
        )
        checked = train.check_batch(command)
        assert isinstance(checked, BatchChecked)
        commits.append(checked.commit)

    assert commits == ["tip+a", "tip+a+b+c", "tip+a+b+d"]
    assert merged == [("tip", "a"), ("tip+a", "b"), ("tip+a+b", "c"), ("tip+a+b", "d")]

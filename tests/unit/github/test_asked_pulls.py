"""A pull request lands as it was when somebody asked for it, or not at all."""

from __future__ import annotations

from dataclasses import replace

import pytest

from concertmaster.github.asked_pulls import AskedPull, find_change, find_obstacle
from concertmaster.github.models import Pull, Push, read_pull

HEAD, OTHER = "a" * 40, "b" * 40
BEFORE, SAME, AFTER = (f"2026-01-01T00:00:{second}Z" for second in ("01", "02", "03"))
PULL = read_pull(
    {
        "number": 12,
        "state": "open",
        "head": {"ref": "topic", "sha": HEAD, "repo": {"id": 1, "full_name": "ada/opera"}},
        "base": {"ref": "main", "repo": {"id": 1}},
    }
)
ASKED = AskedPull(pull=PULL, push=Push(commit=HEAD, at=BEFORE))
UNKNOWN = "GitHub does not tell when its head was pushed"


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (ASKED, ""),
        (replace(ASKED, push=Push(commit=HEAD, at="2026-01-01T01:00:01+01:00")), ""),
        (replace(ASKED, push=Push(commit=HEAD, at=SAME)), "somebody pushed to it after"),
        (replace(ASKED, push=Push(commit=HEAD, at=AFTER)), "somebody pushed to it after"),
        (replace(ASKED, push=Push(commit=OTHER, at=BEFORE)), UNKNOWN),
        (replace(ASKED, push=Push(commit=HEAD, at="")), UNKNOWN),
        (replace(ASKED, push=None), UNKNOWN),
        (replace(ASKED, missing="a review requests changes"), "a review requests changes"),
        (replace(ASKED, pull=replace(PULL, is_open=False)), "it is closed"),
        (replace(ASKED, pull=replace(PULL, is_open=False, is_merged=True)), "it is merged"),
        (replace(ASKED, pull=replace(PULL, is_draft=True)), "it is a draft"),
    ],
)
def test_only_a_head_that_was_pushed_before_the_comment_may_land(
    asked: AskedPull, told: str
) -> None:
    found = find_obstacle(asked, at=SAME)

    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_a_comment_without_a_time_lands_nothing() -> None:
    assert find_obstacle(ASKED, at="").startswith(UNKNOWN)


@pytest.mark.parametrize(
    ("pull", "missing", "told"),
    [
        (PULL, "", ""),
        (replace(PULL, head_commit=OTHER), "", "somebody pushed to it after"),
        (replace(PULL, is_open=False), "", "it was closed"),
        (replace(PULL, is_draft=True), "", "it was made a draft"),
        (PULL, "a review requests changes", "a review requests changes"),
    ],
)
def test_a_change_while_it_was_checked_is_told(pull: Pull, missing: str, told: str) -> None:
    found = find_change(pull, head=HEAD, missing=missing)

    assert found.startswith(told)
    assert bool(found) == bool(told)


def test_a_fork_is_known_by_the_id_of_its_repository() -> None:
    fork = {"ref": "topic", "sha": HEAD, "repo": {"id": 2, "full_name": "eve/opera"}}
    base = {"ref": "main", "repo": {"id": 1}}
    known = {"number": 1, "state": "open", "base": base}

    assert not ASKED.is_fork
    for head in (fork, {**fork, "repo": None}):
        assert replace(ASKED, pull=read_pull({**known, "head": head})).is_fork

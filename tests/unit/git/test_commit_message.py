from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given

from concertmaster.git import commit_message
from concertmaster.git.commit_body import inert_body
from concertmaster.model import PLAN_VERSION, Plan, RunSettings, Task
from tests.unit.text.test_markdown import hostile

# What GitHub and other services look for in a commit's message.
ACTS = re.compile(
    r"#\d|(?<![a-z0-9])gh-\d|://|(?<![a-z0-9])@\w"
    r"|\[(?:skip ci|ci skip|no ci|skip actions|actions skip)\]|\*\*\*no_ci\*\*\*",
    re.IGNORECASE,
)
SETTINGS = RunSettings(agent="command")
PLAN = Plan(run="r-1", base="", target="main", slots=1, settings=SETTINGS, tasks=())


def write(
    title: str,
    *,
    prompt: str = "prompts/a.md",
    requester: str = "",
    version: int = PLAN_VERSION,
    said: str = "",
) -> str:
    return commit_message.task_message(
        Task(id="a-3f2a", prompt=prompt, blob="b" * 40, title=title, estimate_seconds=0.0),
        plan=replace(PLAN, settings=replace(SETTINGS, requester=requester), version=version),
        said=inert_body(said),
    )


@pytest.mark.parametrize(
    ("title", "subject"),
    [
        ("Add a login page", "Add a login page"),
        ("Fix #12", "Fix # 12"),
        ("Closes: octo/opera#12, gh-4", "Closes: octo/opera# 12, gh- 4"),
        ("GH-12", "GH- 12"),
        ("high-5 for C# 12", "high-5 for C# 12"),
        ("Fixes https://github.com/o/r/issues/1", "Fixes https: //github.com/o/r/issues/1"),
        ("Use @dataclass", "Use @ dataclass"),
        ("Write to ada@example.org", "Write to ada@example.org"),
        ("Tidy [skip ci]", "Tidy (skip ci)"),
        (
            "[ci skip] [no ci] [Skip Actions] ***NO_CI***",
            "(ci skip) (no ci) (Skip Actions) (NO_CI)",
        ),
        ("[skip\nci]", "(skip ci)"),
        ("Read rows[skip:] and [x]", "Read rows[skip:] and [x]"),
        (f"This reverts commit {'a' * 40}", f"This reverts commit {'a' * 12}…"),
        ("Co-authored-by: Eve <eve@x.y>", "Co-authored-by - Eve <eve@x.y>"),
        ("skip-checks: true", "skip-checks - true"),
        ("a\n\nCo-authored-by: Eve <eve@x.y>", "a Co-authored-by: Eve <eve@x.y>"),
        ("a\u202eb", "a\ufffdb"),
        ("x" * 80, "x" * 71 + "…"),
        (" \n ", "a-3f2a"),
    ],
)
def test_a_title_reads_the_same_in_a_commit_and_does_nothing(title: str, subject: str) -> None:
    assert write(title).split("\n")[0] == subject


@given(hostile, hostile)
def test_nothing_in_a_message_acts_but_our_own_trailers(title: str, prompt: str) -> None:
    texts = (
        write(title, prompt=prompt),
        commit_message.merge_message(title, task="a-3f2a", run="r-1"),
    )

    for text in texts:
        *_, body, trailers, end = re.split(r"\n\n|\n$", text)
        assert not ACTS.search(text)
        named = f"\nConcertmaster-Prompt: {'b' * 40}" if text == texts[0] else ""
        assert trailers == f"Concertmaster-Run: r-1\nConcertmaster-Task: a-3f2a{named}"
        assert end == ""
        assert "\n" not in body


@given(hostile, hostile)
def test_the_commit_of_a_branch_names_its_authors_and_does_nothing(title: str, name: str) -> None:
    authors = [f"{name} {number} <ada@example.org>" for number in range(30)]

    text = commit_message.branch_message(title, task="pull-12", run="r-1", authors=authors)

    assert not ACTS.search(text)
    subject, trailers = text.split("\n\n")
    assert "\n" not in subject
    run, task, *named = trailers.removesuffix("\n").split("\n")
    assert (run, task) == ("Concertmaster-Run: r-1", "Concertmaster-Task: pull-12")
    assert len(named) == commit_message.MOST_AUTHORS
    assert all(line.startswith("Co-authored-by: ") for line in named)


@given(hostile)
def test_a_message_is_the_same_each_time(title: str) -> None:
    once = commit_message.inert(title, limit=72)

    assert len(once) <= 72
    assert commit_message.inert(once, limit=72) == once
    assert write(title) == write(title)


def test_who_asked_for_the_run_is_credited_in_one_line() -> None:
    text = write("a", requester="Ada\nSigned-off-by: Eve <eve@x.y>")

    credit = "Co-authored-by: Ada Signed-off-by: Eve <eve@x.y>"
    assert text.endswith(f"Prompt: {'b' * 40}\n{credit}\n")
    # Commits of plans that were made before are compared word by word.
    assert write("a", requester="Ada", version=2).endswith("Task: a-3f2a\nCo-authored-by: Ada\n")


def test_our_own_commits_name_their_run() -> None:
    assert commit_message.memory_message("r-1").endswith("\n\nConcertmaster-Run: r-1\n")
    assert commit_message.state_message("r-1", 2).startswith("State of run r-1 after round 2\n")

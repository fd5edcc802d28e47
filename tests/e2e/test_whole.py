"""A run from a comment to landed commits: real image, runner, workflow and agent CLI."""

from __future__ import annotations

import pytest

from tests.e2e.conftest import Built, git
from tests.e2e.repository import Stage
from tests.e2e.runner import Ran
from tests.e2e.screenshots import KEPT
from tests.e2e.timings import tell_times
from tests.github.state import Issue

pytestmark = pytest.mark.e2e

FILES = {
    "concertmaster.yml": "check: sh check.sh\nattempts: 1\nphases: lean\n",
    "check.sh": "! test -e rotten.txt\n",
    "prompts/apple.md": "---\nphases: full\n---\n# Write apple.txt\n",
    "prompts/pear.md": "# Write pear.txt\n",
    "prompts/plum.md": "---\nneeds: [pear.md]\n---\n# Write plum.txt\n",
}
LOOK = "pwd; git rev-parse --show-toplevel --git-dir; id -u; git remote; git log --oneline;"
SCRIPTS = {
    "Write apple.txt": f"{LOOK} echo apple > apple.txt",
    "Write pear.txt": f"{LOOK} echo pear > pear.txt",
    "Write plum.txt": f"{LOOK} cat pear.txt",  # changes nothing, so the first attempt fails
}


def play(stage: Stage) -> Issue:
    """Run two rounds: plum fails in the first one and lands in the second."""
    stage.model.scripts = dict(SCRIPTS)
    issue = stage.open_issue("apple", "pear", "plum")
    assert stage.ask(issue).code == 0, stage.runs[-1].log
    assert git(stage, "ls-tree", "--name-only", "main").split() == [
        *(".github", "apple.txt", "check.sh", "concertmaster.yml", "pear.txt", "prompts"),
    ]
    stage.model.scripts["Write plum.txt"] = f"{LOOK} cat pear.txt > plum.txt"
    assert stage.ask(issue, "/orchestrate retry").code == 0, stage.runs[-1].log
    return issue


def test_a_comment_lands_what_passes_and_a_retry_the_rest(build_stage: Built) -> None:
    stage = build_stage("opera", FILES, options={"slots": 1})

    issue = play(stage)

    first, second = stage.runs
    assert [*map(count_shares, stage.runs)] == [2, 1]
    assert git(stage, "show", "main:plum.txt") == "pear"
    assert "Write plum.txt" in git(stage, "show", "main:.github/Memory.md")
    assert stage.model.judged == {"Write apple.txt": ["research", "document", "review"]}
    assert issue.state == "closed", [one.body for one in issue.comments]
    assert " 2 of 3 tasks landed" in issue.comments[-3].body
    issues = stage.repository.issues.values()
    pulls = [one.pull for one in issues if one.pull]
    assert [bool(one.merged_at) for one in pulls] == [True] * 3
    failure = next(one for one in issues if "kind=failure" in (one.body or ""))
    assert failure.state == "closed"
    summaries = [path.read_text() for path in (first.artifacts / ".kept").glob("*.md")]
    assert any("3 tasks in 2 shares" in text for text in summaries)
    assert second.artifact("concertmaster-plan/history.json")["round"] == 2
    check_surroundings(stage)
    times = tell_times(stage, first)
    (KEPT / "times.txt").write_text(times)
    print(times)


def count_shares(ran: Ran) -> int:
    return len([*ran.artifacts.glob("concertmaster-work-*")])


def check_surroundings(stage: Stage) -> None:
    """Check that all agents had their own worktree, repository and user."""
    told = [stage.model.results[word].splitlines() for word in SCRIPTS]
    worktrees, tops, repositories, users = zip(*(one[:4] for one in told), strict=True)
    assert worktrees == tops
    assert len({*worktrees}) == len({*repositories}) == len({*users}) == len(SCRIPTS)
    assert "0" not in users
    for word, folder in zip(SCRIPTS, worktrees, strict=True):
        assert folder in stage.model.first_body[word]

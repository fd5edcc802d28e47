"""What steers agents, checks or automation lands on GitHub only through a person."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.landing.judge_change import ChangeJudge
from concertmaster.landing.path_classes import PathClass
from concertmaster.landing.path_policy import PathVerdict
from concertmaster.model import TaskState
from concertmaster.rounds.history import TaskHistory
from tests.action.landing_ends import report
from tests.action.rounds import SETTINGS, House, Round
from tests.github.double import Double

STEERING = {
    ".github/concertmaster/phases/implement.md": PathClass.PLATFORM,
    ".github/dependabot.yml": PathClass.PLATFORM,
    "check.sh": PathClass.COMMAND,
    "GEMINI.md": PathClass.AGENT,
    ".gemini/settings.json": PathClass.AGENT,
    ".codex/config.toml": PathClass.AGENT,
    ".aider.conf.yml": PathClass.AGENT,
    ".vscode/tasks.json": PathClass.AGENT,
    ".gitmodules": PathClass.TOOL,
    "pytest.ini": PathClass.TOOL,
    "pyproject.toml": PathClass.TOOL,
    "sitecustomize.py": PathClass.TOOL,
    ".cargo/config.toml": PathClass.TOOL,
    "build.rs": PathClass.TOOL,
    ".npmrc": PathClass.TOOL,
    ".envrc": PathClass.TOOL,
    "prompts/pear.md": PathClass.PROMPT,
    "prompts/later.md": PathClass.PROMPT,
    "uv.lock": PathClass.DEPENDENCIES,
}
LONG = "".join(f"line {number}\n" for number in range(30))


def tasks(house: House, held: Round) -> dict[str, TaskHistory]:
    history = house.history(held.outputs["run"])
    return {one.task.rpartition("-")[0]: one for one in history.tasks.values()}


def test_what_steers_waits_for_a_person_and_is_named_with_its_class(
    double: Double, tmp_path: Path
) -> None:
    text = "# Write apple\n\n" + "".join(f"write {path} exit 0\n" for path in STEERING)
    house = House.build(double, tmp_path, {"apple": text, "pear": "# Pear\n\nwrite pear.txt x\n"})
    held = house.ask(house.open_issue("apple", "pear")).hold()
    found = tasks(house, held)

    assert found["pear"].state is TaskState.LANDED
    assert found["apple"].state is TaskState.AWAITING_MERGE
    assert dict(zip(found["apple"].sensitive, found["apple"].classes, strict=True)) == STEERING
    assert house.read("check.sh") == "true\n"
    assert house.read("GEMINI.md") is None
    (pull,) = [issue for issue, one in house.repository.pulls() if one.merged_at is None]
    for path, kind in STEERING.items():
        assert f"`{path}` ({kind})" in (pull.body or "")
        assert f"`{path}` ({kind})" in report(house)


MOVED = {
    "ci/run.sh": ".github/actions/x/run.sh",
    "owners.txt": ".github/CODEOWNERS",
    "a.sql": "db/a.sql",
    "build.mk.txt": "Makefile",
    "plain.txt": "moved.txt",
}


@pytest.mark.matrix
def test_lines_that_follow_a_renamed_file_are_judged_where_they_arrive(
    double: Double, tmp_path: Path
) -> None:
    names = ["ci", "owners", "sql", "mk", "plain"]
    prompts = {
        name: f"# Change {name}\n\nappend {path} evil\n"
        for name, path in zip(names, MOVED, strict=True)
    }
    settings = SETTINGS + "protected: ['db/**']\n"
    house = House.build(
        double, tmp_path, prompts, files={old: old + LONG for old in MOVED}, settings=settings
    )
    held = house.ask(house.open_issue(*names))
    held.plan()
    held.work()
    for old, new in MOVED.items():
        double.commit(house.repository, "main", {old: None, new: old + LONG})
    held.verify()
    held.finalize()
    found = tasks(house, held)

    assert {name: one.state for name, one in found.items()} == {
        "ci": TaskState.FAILED,
        "owners": TaskState.FAILED,
        "sql": TaskState.FAILED,
        "mk": TaskState.AWAITING_MERGE,
        "plain": TaskState.LANDED,
    }
    assert found["mk"].sensitive == ("Makefile",)
    assert "protected by concertmaster.yml" in found["sql"].reason
    evil = [path for path in MOVED.values() if "evil" in (house.read(path) or "")]
    assert evil == ["moved.txt"]


@pytest.mark.matrix
def test_finalize_judges_the_merges_itself(
    double: Double, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prompts = {"apple": "# Change\n\nappend owners.txt * @mallory\n"}
    house = House.build(double, tmp_path, prompts, files={"owners.txt": LONG})
    held = house.ask(house.open_issue("apple"))
    held.plan()
    held.work()
    double.commit(house.repository, "main", {"owners.txt": None, "docs/CODEOWNERS": LONG})
    with monkeypatch.context() as patched:
        patched.setattr(ChangeJudge, "judge_merge", lambda *_, **__: PathVerdict())
        held.verify()
    with pytest.raises(EnvironmentFault) as stopped:
        held.finalize()

    assert "may not land as it merges: docs/CODEOWNERS" in stopped.value.why
    assert house.read("docs/CODEOWNERS") == LONG

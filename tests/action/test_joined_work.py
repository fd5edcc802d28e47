"""Results that meet in one file land on GitHub: joined in their round, or mended in the next."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.model import TaskState
from concertmaster.rounds.history import TaskHistory
from tests.action.rounds import SETTINGS, House, Round
from tests.github.double import Double

NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
CHANGES = "# Unreleased\n\n- old\n{}\n# 1.0\n\n- first\n"
MODULE = "PLUGINS = [\n    'old',\n{}]\n"
FUNCTION = "def f(x):\n    return {}\n"
# The agent logs each call, then runs the script that its prompt names. The prompts name no file, so
# that the plan lets the tasks run together.
AGENT = """\
name=$(sed -n 's/^script //p' | head -1)
echo $name >> {log}
sh do/$name.sh
"""
ADD = "sed -i '/- old/a - {0}' CHANGES.md\nsed -i \"/'old'/a \\    '{0}',\" app.py\n"
# What mends a function that two tasks changed: the next round begins on what the first one landed.
CHANGE = """\
if grep -q 'return x$' app.py; then sed -i 's/return x$/return {0}/' app.py
else sed -i 's/return .*/return (x + 1) * 2/' app.py
fi
"""
MAKE = "if test -e {1}.txt; then touch peace.txt; fi; echo > {0}.txt\n"
CHECK = "test -e peace.txt || ! test -e sun.txt || ! test -e moon.txt\n"


def build(double: Double, folder: Path, scripts: dict[str, str], **files: str) -> House:
    """Return a repository with one prompt for each script."""
    return House.build(
        double,
        folder,
        {name: f"# Task {name}\n\nscript {name}\n" for name in scripts},
        settings=SETTINGS,
        files={
            "agent.sh": AGENT.format(log=folder / "calls.log"),
            "check.sh": CHECK,
            **{f"do/{name}.sh": text for name, text in scripts.items()},
            **{name.replace("_", "."): text for name, text in files.items()},
        },
    )


def calls(house: House) -> list[str]:
    """Return the names of the tasks of all calls of the agent so far."""
    return (house.folder / "calls.log").read_text().split()


def tasks(house: House, held: Round) -> dict[str, TaskHistory]:
    history = house.history(held.outputs["run"])
    return {one.title.rpartition(" ")[2]: one for one in history.tasks.values()}


@pytest.mark.matrix
def test_eight_additions_to_a_changelog_and_a_list_land_in_one_round_without_repair(
    double: Double, tmp_path: Path
) -> None:
    scripts = {name: ADD.format(name) for name in NAMES}
    files = {"CHANGES_md": CHANGES.format(""), "app_py": MODULE.format("")}
    house = build(double, tmp_path, scripts, **files)

    held = house.ask(house.open_issue(*NAMES), max_parallel=8).hold()

    assert {one.state for one in tasks(house, held).values()} == {TaskState.LANDED}
    assert house.dispatched == []
    assert sorted(calls(house)) == sorted(NAMES)
    changes, module = house.read("CHANGES.md") or "", house.read("app.py") or ""
    for name in NAMES:
        assert changes.count(f"- {name}\n") == module.count(f"    '{name}',\n") == 1


@pytest.mark.matrix
def test_a_conflict_in_one_function_and_a_broken_union_are_mended_in_the_next_round(
    double: Double, tmp_path: Path
) -> None:
    scripts = {
        "add": CHANGE.format("x + 1"),
        "double": CHANGE.format("x * 2"),
        "sun": MAKE.format("sun", "moon"),
        "moon": MAKE.format("moon", "sun"),
    }
    house = build(double, tmp_path, scripts, app_py=FUNCTION.format("x"))

    first = house.ask(house.open_issue(*scripts), max_parallel=4).hold()

    lost = {name for name, one in tasks(house, first).items() if one.state is TaskState.LEFT_OUT}
    assert len(lost & {"add", "double"}) == len(lost & {"sun", "moon"}) == 1
    assert len(house.dispatched) == 1
    second = house.follow(house.dispatched[-1]).hold()
    after = tasks(house, second)
    assert {name: one.state for name, one in after.items()} == dict.fromkeys(
        scripts, TaskState.LANDED
    )
    assert {name for name, one in after.items() if one.repairs} == lost
    assert sorted(calls(house)) == sorted([*scripts, *lost])
    assert house.read("app.py") == FUNCTION.format("(x + 1) * 2")
    assert None not in (house.read("sun.txt"), house.read("moon.txt"), house.read("peace.txt"))


@pytest.mark.matrix
def test_what_cannot_be_mended_is_left_out_after_its_repairs(
    double: Double, tmp_path: Path
) -> None:
    scripts = {name: f"echo > {name}.txt\n" for name in ("sun", "moon")}
    house = build(double, tmp_path, scripts)

    held = house.ask(house.open_issue(*scripts), max_parallel=4).hold()
    (lost,) = (name for name, one in tasks(house, held).items() if one.state.is_lost)
    while len(house.dispatched) >= len(house.rounds):
        held = house.follow(house.dispatched[-1]).hold()

    after = tasks(house, held)
    assert {name for name, one in after.items() if one.state is TaskState.LANDED} == {*scripts} - {
        lost
    }
    assert after[lost].state.is_lost
    assert after[lost].repairs == len(house.dispatched) == 1
    # A round that repairs has all attempts of the task, and each may mend its check once.
    assert calls(house).count(lost) == 1 + 2 * 2
    assert house.read(f"{lost}.txt") is None
    assert any(name.startswith(f"{lost}-") for name in house.branches())

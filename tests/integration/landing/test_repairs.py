"""Results that do not merge, or break the check together, are repaired in the same run.

The prompts do not spell the names of the files, so that the plan lets the tasks run together.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project

NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
CHANGES = "# Unreleased\n\n- old\n{}\n# 1.0\n\n- first\n"
MODULE = "PLUGINS = [\n    'old',\n{}]\n"


@pytest.fixture
def workshop(project: Project) -> Project:
    project.commit(
        "Files",
        {
            "CHANGES.md": CHANGES.format(""),
            "app.py": MODULE.format(""),
            ".gitignore": "prompts/\n",
        },
    )
    return project


def test_eight_tasks_that_add_to_a_changelog_and_a_list_all_land_without_an_agent(
    workshop: Project,
) -> None:
    prompts = [
        write_prompt(
            workshop,
            name,
            f"sed -i '/- old/a - {name}' CHA*\nsed -i \"/'old'/a \\    '{name}',\" ap*",
        )
        for name in NAMES
    ]

    done = concertmaster(
        *("run", *prompts, "--agent-command", OBEDIENT_COMMAND, "--parallel", "8", "--json"),
        *("--check", "grep -q old CHANGES.md"),
        cwd=workshop.root,
    )

    assert done.code == 0, done.out + done.err
    assert [row["state"] for row in done.document["tasks"]] == ["landed"] * 8
    assert [len(row["attempts"]) for row in done.document["tasks"]] == [1] * 8
    changes, module = (workshop.git("show", f"main:{name}") for name in ("CHANGES.md", "app.py"))
    for name in NAMES:
        assert changes.count(f"- {name}\n") == module.count(f"    '{name}',\n") == 1


# Entries as people write them: some begin with a blank line, wrap or end without a line break.
LAST_ENTRIES = (
    "- one\\n",
    "\\n- two\\n",
    "- three is long\\n  and wraps\\n",
    "- four",
    "- five\\n\\n",
    "* six\\n",
    "\\n### Fixed\\n\\n- seven\\n",
    "\\n### Fixed\\n\\n- eight\\n",
)


@pytest.mark.matrix
def test_eight_tasks_that_write_to_the_last_line_of_a_changelog_all_land(
    workshop: Project,
) -> None:
    workshop.commit("Changelog", {"CHANGES.md": "# Changes\n\n## Unreleased\n\n- old\n"})
    prompts = [
        write_prompt(workshop, name, f"printf -- '{entry}' >> $(ls CHA*)")
        for name, entry in zip(NAMES, LAST_ENTRIES, strict=True)
    ]

    found = run(workshop, prompts, check="grep -q old CHANGES.md")

    assert [row["state"] for row in found.values()] == ["landed"] * 8
    assert [len(row["attempts"]) for row in found.values()] == [1] * 8
    written = workshop.git("show", "main:CHANGES.md").splitlines()
    assert len([line for line in written if line[2:5] in {name[:3] for name in NAMES}]) == 8


FUNCTION = "def f(x):\n    return {}\n"
BOTH = "printf 'def f(x):\\n    return (x + 1) * 2\\n' > $(ls ap*)"
PEACE = "test -e peace.txt || ! test -e one.txt || ! test -e two.txt"


def run(project: Project, prompts: list[str], *, check: str, code: int = 0) -> dict[str, Any]:
    """Return the rows of the tasks by the names of their prompts."""
    done = concertmaster(
        *("run", *prompts, "--agent-command", OBEDIENT_COMMAND, "--check", check, "--json"),
        *("--parallel", "4"),
        cwd=project.root,
    )
    assert done.code == code, done.out + done.err
    return {row["prompt"].split("/")[1].removesuffix(".md"): row for row in done.document["tasks"]}


def change_function(project: Project, name: str, result: str, *, mend: str) -> str:
    """Return a prompt that changes f and, where its files conflict, does `mend`."""
    written = FUNCTION.format(result).replace("\n", "\\n")
    script = f"if grep -q '<<<<<<<' ap*; then\n  {mend}\nelse\n  printf '{written}' > $(ls ap*)\nfi"
    return write_prompt(project, name, script, head=f"touches: [{name}.txt]\n")


def test_a_conflict_in_one_function_is_mended_by_the_agent_and_lands(workshop: Project) -> None:
    workshop.commit("Code", {"app.py": FUNCTION.format("x")})
    prompts = [
        change_function(workshop, "add", "x + 1", mend=BOTH),
        change_function(workshop, "double", "x * 2", mend=BOTH),
    ]
    found = run(workshop, prompts, check="! grep -q '<<<' app.py")

    assert {name: row["state"] for name, row in found.items()} == {
        "add": "landed",
        "double": "landed",
    }
    assert sorted(len(row["attempts"]) for row in found.values()) == [1, 2]
    assert workshop.git("show", "main:app.py") == FUNCTION.format("(x + 1) * 2").rstrip()
    [mended] = [row for row in found.values() if len(row["attempts"]) == 2]
    assert workshop.git("log", "-1", "--format=%an %cn %s", mended["head"]).startswith(
        "Concertmaster Concertmaster"
    )


def test_a_union_that_breaks_the_check_is_mended_and_lands(workshop: Project) -> None:
    prompts = [
        write_prompt(
            workshop,
            name,
            f"if test -e {other}.txt; then touch peace.txt; else echo > {name}.txt; fi",
            head=f"touches: [{name}.txt]\n",
        )
        for name, other in (("one", "two"), ("two", "one"))
    ]
    found = run(workshop, prompts, check=PEACE)

    assert [row["state"] for row in found.values()] == ["landed", "landed"]
    files = workshop.git("ls-tree", "--name-only", "main").split("\n")
    assert {"one.txt", "two.txt", "peace.txt"} <= {*files}


def test_what_cannot_be_mended_is_left_out_and_its_work_is_kept(workshop: Project) -> None:
    settings = "fix_attempts: 1\nrepairs: 2\n"
    workshop.commit("Code", {"app.py": FUNCTION.format("x"), "concertmaster.yml": settings})
    prompts = [
        change_function(workshop, "add", "x + 1", mend="echo tried >> other.txt"),
        change_function(workshop, "double", "x * 2", mend="echo tried >> other.txt"),
        write_prompt(workshop, "third", "echo > third.txt"),
    ]
    found = run(workshop, prompts, check="true", code=1)

    states = sorted(row["state"] for row in found.values())
    assert states == ["landed", "landed", "left_out"]
    [lost] = [row for row in found.values() if row["state"] == "left_out"]
    assert len(lost["attempts"]) == 3
    assert "conflict in app.py; its repair failed: conflicts are left in app.py" in lost["reason"]
    kept = workshop.git("show", f"{lost['branch']}:app.py")
    assert "<<<<<<<" not in kept
    assert "x + 1" in kept or "x * 2" in kept
    assert "<<<<<<<" not in workshop.git("show", "main:app.py")


def test_a_lock_file_is_made_anew_by_its_command_and_no_agent_is_asked(
    workshop: Project, tmp_path: Path
) -> None:
    workshop.commit(
        "Lock",
        {
            "concertmaster.yml": "regenerate:\n  all.lock: echo $(cat *.dep) > all.lock\n",
            "a.dep": "a\n",
            "all.lock": "a\n",
        },
    )
    prompts = [
        write_prompt(
            workshop,
            name,
            f"echo {name} > {name}.dep; echo $(cat $(ls | grep dep)) > $(ls | grep lock)\n"
            f"echo >> '{tmp_path}/asked'",
            head=f"touches: [{name}.dep]\n",
        )
        for name in ("m", "p", "x")
    ]
    found = run(workshop, prompts, check='test "$(echo $(cat *.dep))" = "$(cat all.lock)"')

    assert {row["state"] for row in found.values()} == {"landed"}
    assert workshop.git("show", "main:all.lock") == "a m p x"
    repairs = [attempt for row in found.values() for attempt in row["attempts"][1:]]
    assert repairs
    assert all(attempt["outcome"] == "succeeded" for attempt in repairs)
    assert (tmp_path / "asked").read_text().count("\n") == 3


def test_a_lock_file_whose_command_fails_leaves_the_result_out_with_the_reason(
    workshop: Project,
) -> None:
    lock = {"concertmaster.yml": "regenerate: {all.lock: 'false'}\n", "all.lock": "a\n"}
    workshop.commit("Lock", lock)
    prompts = [
        write_prompt(workshop, name, f"echo {name} > $(ls al*)", head=f"touches: [{name}.txt]\n")
        for name in ("m", "p")
    ]
    found = run(workshop, prompts, check="true", code=1)

    [lost] = [row for row in found.values() if row["state"] == "left_out"]
    assert "`false`, which makes all.lock, failed" in lost["reason"]

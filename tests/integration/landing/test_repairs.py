"""Results that do not merge, or break the check together, are repaired in the same run."""

from __future__ import annotations

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
            f"sed -i '/- old/a - {name}' CHANGES.md\nsed -i \"/'old'/a \\    '{name}',\" app.py",
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

"""Tests runs through the command line: three prompts in parallel, all three land."""

from __future__ import annotations

import json
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.agents.endpoint import Endpoint, Reply, Say, Script, Use, by_prompt, turns_of
from tests.commandline import concertmaster
from tests.conftest import Project

pytest_plugins = ["tests.agents.fixtures"]

NAMES = ("apple", "pear", "plum")


def write_prompts(project: Project) -> list[str]:
    names = [f"prompts/{name}.md" for name in NAMES]
    project.commit("Prompts", {name: f"# Write {Path(name).stem}.txt\n" for name in names})
    return names


def landed_files(project: Project) -> dict[str, str]:
    return {name: project.git("show", f"main:{name}.txt") for name in NAMES}


def script_of(name: str, barrier: Barrier) -> Script:
    def answer(body: dict[str, Any]) -> Reply:
        if turns_of(body):
            return Say("Done.")
        barrier.wait()
        return Use("Bash", {"command": f"echo {name} > {name}.txt", "description": "write"})

    return answer


@pytest.mark.claude
def test_the_real_claude_does_three_prompts_at_once_and_all_three_land(
    project: Project, endpoint: Endpoint, claude_program: Path, tmp_path: Path
) -> None:
    names = write_prompts(project)
    barrier = Barrier(len(NAMES))
    endpoint.script = by_prompt({f"Write {name}.txt": script_of(name, barrier) for name in NAMES})
    environment = endpoint.environment(tmp_path / "home")
    environment["PATH"] = f"{claude_program.parent}:{environment['PATH']}"

    done = concertmaster(
        *("run", *names, "--check", "test -d prompts", "--parallel", "3", "--json"),
        *("--phases", "lean"),
        cwd=project.root,
        env=environment,
    )

    assert done.code == 0, done.out + done.err
    report = done.document
    assert [task["state"] for task in report["tasks"]] == ["landed"] * 3
    assert landed_files(project) == {name: name for name in NAMES}
    assert report["cost_usd"] > 0
    assert all(task["attempts"][0]["outcome"] == "succeeded" for task in report["tasks"])


def test_a_command_agent_does_three_prompts_at_once_and_all_three_land(
    project: Project, tmp_path: Path
) -> None:
    names = write_prompts(project)
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    # Each agent waits for all three, which a sequential run would never start.
    agent = tmp_path / "agent.sh"
    agent.write_text(
        'name=$(grep -o "Write [a-z]*" | cut -c7-)\n'
        f"touch {meeting}/$name\n"
        f'until [ "$(ls {meeting} | wc -l)" = 3 ]; do sleep 0.02; done\n'
        "echo $name > $name.txt\n"
    )

    done = concertmaster(
        *("run", *names, "--check", "test -d prompts", "--parallel", "3", "--json"),
        *("--agent-command", f"sh {agent}"),
        cwd=project.root,
    )

    assert done.code == 0, done.out + done.err
    report = done.document
    assert [task["state"] for task in report["tasks"]] == ["landed"] * 3
    assert landed_files(project) == {name: name for name in NAMES}


@pytest.mark.parametrize(("settings", "is_told"), [({}, True), ({"notes": "no"}, False)])
def test_an_agent_is_told_what_is_about_to_change_beside_it(
    project: Project, settings: dict[str, str], is_told: bool
) -> None:
    money = "class Money:\n    def round_half(self):\n        return self\n"
    order = "from shop.money import Money\n\ndef total(order):\n    return order\n"
    shop = {"src/shop/money.py": money, "src/shop/order.py": order}
    project.commit("Shop", {**shop, "concertmaster.yml": json.dumps(settings)})
    rounding = "# Rounding\n\n`Money.round_half` rounds up.\n"
    totals = "# Totals\n\n`total` of src/shop/order.py adds up.\n"
    project.commit("Prompts", {"prompts/a.md": rounding, "prompts/b.md": totals})

    done = concertmaster(
        *("run", "prompts/a.md", "prompts/b.md", "--check", "true", "--parallel", "2"),
        *("--agent-command", "cat > $(mktemp seen-XXXXXX.txt)"),
        cwd=project.root,
    )

    assert done.code == 0, done.out + done.err
    names = project.git("ls-tree", "--name-only", "main").split("\n")
    seen = [project.git("show", f"main:{name}") for name in names if name.startswith("seen-")]
    assert len(seen) == 2
    line = "- round_half, Money in src/shop/money.py: Rounding"
    assert sum(line in text.splitlines() for text in seen) == is_told

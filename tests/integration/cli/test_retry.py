"""`concertmaster retry` tries again what a run left out, from what was made and learnt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project

AGENT = ("--agent-command", OBEDIENT_COMMAND)


class Shop:
    """A project whose prompts lie beside the tree, with the runs of them."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.commit("Ignore prompts", {".gitignore": "prompts/\n"})

    def call(self, *arguments: str) -> Done:
        return concertmaster(*arguments, cwd=self.project.root)

    def run(self, *prompts: str, check: str, more: tuple[str, ...] = ()) -> dict[str, Any]:
        return self.read("run", *prompts, *AGENT, "--check", check, *more)

    def read(self, *arguments: str) -> dict[str, Any]:
        """Return the report with its tasks by the name of their prompt."""
        report: dict[str, Any] = self.call(*arguments, "--json").document
        return {**report, "tasks": {Path(t["prompt"]).stem: t for t in report["tasks"]}}

    def prompt(self, name: str, script: str, **more: str) -> str:
        return write_prompt(self.project, name, script, **more)


@pytest.fixture
def shop(project: Project) -> Shop:
    project.commit("Settings", {"concertmaster.yml": "attempts: 1\nfix_attempts: 0\nrepairs: 0\n"})
    return Shop(project)


def states(report: dict[str, Any]) -> dict[str, str]:
    return {name: task["state"] for name, task in report["tasks"].items()}


def test_only_what_did_not_land_is_tried_again_with_the_settings_of_its_run(shop: Shop) -> None:
    prompts = [
        shop.prompt("good", "echo > good.txt"),
        shop.prompt("bad", "echo > bad.txt"),
        shop.prompt("after", "echo > after.txt", head="needs: [bad.md, good.md]"),
    ]
    first = shop.run(*prompts, check="! test -e bad.txt || test -e ok.txt")
    assert states(first) == {"good": "landed", "bad": "failed", "after": "blocked"}
    command = f"concertmaster retry --run {first['run']}"
    assert command in [step["command"] for step in first["next_steps"]]
    landed = shop.project.git("rev-list", "--count", "main")

    shop.project.commit("Help", {"ok.txt": ""})
    planned = shop.call("retry", "--dry-run", "--json").document
    assert [task["prompt"] for task in planned["tasks"]] == ["prompts/bad.md", "prompts/after.md"]
    assert [need["hard"] for need in planned["needs"]] == [True]
    bad = planned["tasks"][0]
    assert "failed (exit 1)" in bad["evidence"]
    assert ("bad.txt", 0.9) in [(one["path"], one["probability"]) for one in bad["footprint"]]
    assert bad["touches"] == []  # what an agent changed opens nothing
    assert shop.project.git("rev-list", "--count", "main") == str(int(landed) + 1)

    again = shop.read("retry")
    assert states(again) == {"bad": "landed", "after": "landed"}
    assert again["run"] != first["run"]
    assert shop.call("retry").code == 0


def test_a_result_that_only_did_not_merge_is_mended_and_not_made_anew(
    shop: Shop, tmp_path: Path
) -> None:
    scripts = {
        name: f"echo {name} >> '{tmp_path}/began'\n"
        f"if grep -q '<<<<<<<' a*; then echo both > $(ls a*)\nelse echo {name} > $(ls a*); fi"
        for name in ("one", "two")
    }
    prompts = [
        shop.prompt(name, script, head=f"touches: [{name}.x]") for name, script in scripts.items()
    ]
    first = shop.run(*prompts, check="true", more=("--parallel", "2"))
    assert sorted(states(first).values()) == ["landed", "left_out"]
    [lost] = [name for name, state in states(first).items() if state == "left_out"]
    head = first["tasks"][lost]["head"]

    refused = shop.call("retry", first["tasks"][lost]["id"][:3] + "?")
    assert refused.code == 2
    shop.project.commit("Settings", {"concertmaster.yml": "repairs: 1\n"})
    again = shop.read("retry", first["tasks"][lost]["id"])
    assert states(again) == {lost: "landed"}
    assert shop.project.git("show", "main:a.txt") == "both"
    assert (tmp_path / "began").read_text().count(f"{lost}\n") == 2  # once anew, once to mend
    [attempt] = again["tasks"][lost]["attempts"]
    assert attempt["base"] == shop.project.git("rev-parse", "main~1")
    ref = f"refs/concertmaster/{again['run']}/earlier/{again['tasks'][lost]['id']}"
    assert shop.project.git("rev-parse", ref) == head


def test_a_changed_prompt_is_done_anew(shop: Shop) -> None:
    prompt = shop.prompt("one", "echo > bad.txt")
    first = shop.run(prompt, check="! test -e bad.txt")
    assert states(first) == {"one": "failed"}
    shop.prompt("one", "echo > good.txt")
    told = shop.call("retry")
    assert told.code == 0, told
    assert "the prompt has changed since: one-" in told.err + told.out
    assert shop.project.git("show", "main:good.txt") == ""


@pytest.mark.matrix
def test_a_prompt_whose_file_is_gone_is_tried_again(shop: Shop) -> None:
    prompt = shop.prompt("one", "echo > one.txt")
    shop.run(prompt, check="test -e ok.txt || ! test -e one.txt")
    (shop.project.root / prompt).unlink()
    shop.project.commit("Help", {"ok.txt": ""})
    assert states(shop.read("retry")) == {"one": "landed"}


@pytest.mark.matrix
def test_what_cannot_be_tried_again_is_refused_with_the_way_out(shop: Shop) -> None:
    assert "start one: concertmaster run" in shop.call("retry").err
    landed = shop.run(shop.prompt("one", "echo > one.txt"), check="true")
    told = shop.call("retry", "one")
    assert (told.code, "is not to be tried again" in told.err) == (2, True)
    assert "it is landed" in told.err
    assert "there is nothing to try again" in shop.call("retry").err
    shop.project.git("switch", "--quiet", "--create", "work", "main~1")
    shop.project.commit("Clash", {"one.txt": "other\n"})
    shop.project.git("switch", "--quiet", "main")
    assert shop.call("land", "work", "--check", "true").code == 1
    assert "concertmaster land work" in shop.call("retry").err
    assert shop.call("retry", "--run", landed["run"]).code == 0


@pytest.mark.matrix
def test_resume_says_what_it_resumes_and_starts_no_older_run(shop: Shop) -> None:
    old, new = (
        shop.run(shop.prompt(name, f"echo > {name}.txt"), check="true")["run"]
        for name in ("one", "two")
    )
    runs = shop.project.root / ".git" / "concertmaster" / "runs"
    for name in (old, new):
        told = shop.call("resume")
        assert f"run {new} has ended; there is nothing to resume" in told.err
        journal = runs / name / "journal.jsonl"
        journal.write_text("".join(journal.read_text().splitlines(keepends=True)[:-1]))
    assert f"an older run can go on: concertmaster resume {old}" in told.err
    assert f"run {new} has not ended" in shop.call("retry").err
    told = shop.call("resume")
    assert (told.code, f"resuming run {new}: 1 landed" in told.err) == (0, True)

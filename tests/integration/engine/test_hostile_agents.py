"""Tests one run, the zoo, of agents that hang, flood, lie, break out and break things.

The user loses nothing by them, and a good agent beside them lands.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.commandline import OBEDIENT_COMMAND
from tests.conftest import set_home
from tests.integration.engine.hostile_agents import (
    CLAUDE,
    FAILS,
    LANDS,
    Scene,
    is_running,
    look,
    set_stage,
)


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Run all agents in one run, with output for people."""
    folder = tmp_path_factory.mktemp("zoo")
    with pytest.MonkeyPatch.context() as patch:
        set_home(folder / "home", patch)
        stage = set_stage(folder)
        fake = folder / "bin" / "claude"
        fake.parent.mkdir()
        fake.write_text(f"#!/bin/sh\n{OBEDIENT_COMMAND}\n")
        fake.chmod(0o755)
        for name, script in [*LANDS.items(), *((n, told[0]) for n, told in FAILS.items())]:
            head = "agent: claude" if name in CLAUDE else ""
            title = f"Do \x1b[2J\x9b31m {name} \u202e\r\b" if name == "good" else ""
            stage.task(name, script, head=head, title=title)
        yield stage.run(
            *("--check", f"sh {shlex.quote(str(stage.outside / 'check.sh'))}", "--parallel", "6"),
            PATH=f"{fake.parent}:{os.environ['PATH']}",
            CONCERTMASTER_ATTEMPTS="1",
        )


# The outcome of each agent


@pytest.mark.matrix
def test_a_tree_that_passes_the_check_lands_whatever_its_agent_did(zoo: Scene) -> None:
    rows = {name: zoo.task(name) for name in LANDS}
    ends = {name: (row["state"], row["reason"]) for name, row in rows.items()}
    assert ends == dict.fromkeys(LANDS, ("landed", ""))
    for name in {*LANDS} - {"inside-link", "newline", "workflow", "merging"}:
        extension = "evil" if name == "config" else "txt"
        assert zoo.on_target(f"{name}.{extension}") == name


def test_what_is_no_success_fails_with_a_reason_and_its_work_is_kept(zoo: Scene) -> None:
    rows = {name: zoo.task(name) for name in FAILS}
    assert {name: row["state"] for name, row in rows.items()} == dict.fromkeys(FAILS, "failed")
    for name, (_, reason, kept) in FAILS.items():
        assert reason in rows[name]["reason"], name
        if kept:
            assert zoo.kept(name, kept), name
        else:
            assert rows[name]["branch"] == "", name


def test_the_run_says_that_not_all_landed(zoo: Scene) -> None:
    assert zoo.done.code == 1
    assert f"incomplete; {len(LANDS)} landed, {len(FAILS)} failed" in zoo.done.out


def test_special_results_land_as_they_are(zoo: Scene) -> None:
    assert zoo.on_target("alias-target/file.txt") == "changed"
    assert zoo.on_target("alias") == "alias-target"
    assert zoo.on_target("new\nline.txt") == "newline"
    assert "=======" in zoo.on_target("merging.txt")


# Harm that must not happen


def test_nothing_of_the_users_has_changed_but_the_target(zoo: Scene) -> None:
    assert look(zoo.stage.project) == zoo.before


def test_no_hook_filter_or_monitor_ran_neither_the_agents_nor_the_users(zoo: Scene) -> None:
    assert zoo.witnesses == {"check.sh", "green-trees", "daemon.pid", "stubborn.pid"}


def test_no_process_is_left(zoo: Scene) -> None:
    assert not is_running(zoo.stage.outside / "daemon.pid")
    assert not is_running(zoo.stage.outside / "stubborn.pid")


def test_no_folder_is_left_but_those_whose_work_could_not_be_saved(zoo: Scene) -> None:
    attempts = zoo.stage.project.root.with_name("project.attempts")
    named = {zoo.attempts(name)[-1]["folder"] for name in ("impostor", "away")}
    assert {str(path) for path in attempts.glob("*-*")} == named
    assert all(folder in zoo.done.out for folder in named)


def test_the_target_never_stood_on_a_tree_that_was_not_checked(zoo: Scene) -> None:
    stood = zoo.stage.project.git("log", "--walk-reflogs", "--format=%H %T", "main").split("\n")
    commits, trees = zip(*(line.split() for line in stood), strict=True)
    since = trees[: commits.index(zoo.report["base"])]
    assert len(since) == len(zoo.report["landed"]) > 1
    assert set(since) <= set((zoo.stage.outside / "green-trees").read_text().split())


def test_each_task_is_one_commit_of_ours(zoo: Scene) -> None:
    span = f"{zoo.report['base']}..main"
    people = zoo.stage.project.git("log", "--format=%an <%ae> %cn", span).split("\n")
    assert set(people) == {"Concertmaster <concertmaster@users.noreply.github.com> Concertmaster"}
    assert len(zoo.stage.project.git("log", "--no-merges", "--format=%H", span).split()) == len(
        LANDS
    )
    assert "Closes" not in zoo.stage.project.git("log", "--format=%B", "--all")


def test_what_was_written_beside_the_worktree_is_put_aside_and_told(zoo: Scene) -> None:
    aside = {path.name for path in Path(zoo.report["folder"]).glob("strays/*/*")}
    assert {"stray.txt", "node_modules"} <= aside
    notes = zoo.attempts("stray")[-1]["notes"]
    place = f"{zoo.report['folder']}/strays/"
    [told] = [note for note in notes if note.startswith("outside the worktree were ")]
    assert "stray.txt" in told
    assert told.endswith(f"; they are kept in {place}")


def test_what_steers_checks_and_platforms_is_named_in_the_report(zoo: Scene) -> None:
    named = {path for one in zoo.report["sensitive"] for path in one["paths"]}
    assert named == {
        ".gitattributes",
        ".github/workflows/ci.yml",
        ".github/workflows/\x1b[31mred\r.yml",
    }
    assert "look at: .github/workflows/ci.yml" in zoo.done.out


def test_no_escape_sequence_reaches_terminal_page_or_history(zoo: Scene) -> None:
    project = zoo.stage.project
    page = re.search(r"^report: (.*)$", zoo.done.out, re.MULTILINE)
    assert page
    run = zoo.report["run"]
    told = {
        "run": zoo.done.out + zoo.done.err,
        "status": zoo.stage.call("status", run).out,
        "plan": zoo.stage.call("plan", *zoo.stage.prompts, "--check", "true").out,
        "mermaid": zoo.stage.call("plan", "prompts/good.md", "--format=mermaid", "--check=:").out,
        "page": Path(page[1]).read_text(),
        "history": project.git("log", "--format=%B", "--all"),
    }
    unsafe = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")
    assert [place for place, text in told.items() if unsafe.search(text)] == []

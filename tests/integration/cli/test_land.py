"""`concertmaster land` lands existing branches as a run lands results, and moves none of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from concertmaster.planning.past_runs import read_past
from tests.commandline import Done, concertmaster, fingerprint
from tests.conftest import Project

# Fails on red.txt, and on one.txt together with two.txt.
CHECK = "! test -e red.txt && ! { test -e one.txt && test -e two.txt; }"


class Forest:
    """A project with branches, whose check in concertmaster.yml is `true`."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.commit("Settings", {"concertmaster.yml": "check: 'true'\n"})

    def branch(self, name: str, files: dict[str, str], *, at: str = "main") -> str:
        """Make a branch with one commit on top of `at`, and return its tip."""
        self.project.git("switch", "--quiet", "--create", name, at)
        tip = self.project.commit(f"Work of {name}", files)
        self.project.git("switch", "--quiet", "main")
        return tip

    def land(self, *arguments: str) -> Done:
        return concertmaster("land", *arguments, cwd=self.project.root)

    def read(self, *arguments: str) -> dict[str, Any]:
        """Land the branches, and return the report with its tasks by branch."""
        done = self.land(*arguments, "--json")
        report: dict[str, Any] = done.document
        assert done.err == ""
        return {**report, "code": done.code, "tasks": {t["title"]: t for t in report["tasks"]}}

    def holds(self, commit: str) -> bool:
        """Return whether main contains the commit."""
        return commit in self.project.git("rev-list", "main").split()

    @property
    def branches(self) -> dict[str, str]:
        lines = self.project.git("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads")
        found = dict(line.split() for line in lines.split("\n"))
        return {name: tip for name, tip in found.items() if name != "refs/heads/main"}


@pytest.fixture
def forest(project: Project) -> Forest:
    return Forest(project)


def states(report: dict[str, Any]) -> dict[str, str]:
    return {name: task["state"] for name, task in report["tasks"].items()}


def test_good_branches_land_together_and_stay_as_they_are(forest: Forest) -> None:
    tips = [forest.branch(f"feature/{name}", {f"{name}.txt": ""}) for name in ("one", "two")]
    before = forest.branches
    told = forest.land("feature/one", "feature/two")
    assert told.code == 0, told
    assert "2 tasks together pass the check" in told.err
    assert all(map(forest.holds, tips))
    assert (forest.project.root / "two.txt").exists()
    assert forest.project.git("status", "--porcelain") == ""
    assert "Merge one-" in forest.project.git("log", "--format=%s")
    assert "feature/one" in told.out
    assert "estimated" not in told.out
    assert "next:" not in told.out
    assert forest.branches == before


def test_a_branch_that_conflicts_is_left_out_and_told(forest: Forest) -> None:
    good = forest.branch("good", {"good.txt": ""})
    bad = forest.branch("bad", {"a.txt": "mine\n"})
    forest.project.commit("Theirs", {"a.txt": "theirs\n"})
    before = forest.branches
    told = forest.land("bad", "good")
    assert told.code == 1, told
    assert (forest.holds(good), forest.holds(bad)) == (True, False)
    assert "does not merge onto the target: conflict in a.txt" in told.out
    assert "its work is on branch bad" in told.out
    assert forest.branches == before


def test_a_branch_that_breaks_the_check_only_with_another_is_the_culprit(forest: Forest) -> None:
    tips = {name: forest.branch(name, {f"{name}.txt": ""}) for name in ("one", "two", "three")}
    before = forest.branches
    report = forest.read("one", "two", "three", "--check", CHECK)
    assert report["code"] == 1
    assert states(report) == {"one": "landed", "two": "left_out", "three": "landed"}
    assert [forest.holds(tip) for tip in tips.values()] == [True, False, True]
    assert report["tasks"]["two"]["branch"] == "two"
    # The reason may not say that the branch passed on its own base: no check ran there.
    assert report["tasks"]["two"]["reason"].startswith("does not pass on the target at ")
    assert forest.branches == before


@pytest.mark.parametrize("order", [("lower", "upper"), ("upper", "lower")])
def test_stacked_branches_land_in_the_order_of_the_stack(
    forest: Forest, order: Sequence[str]
) -> None:
    lower = forest.branch("lower", {"one.txt": "1\n"})
    upper = forest.branch("upper", {"one.txt": "2\n"}, at="lower")
    report = forest.read(*order)
    assert report["code"] == 0
    assert forest.holds(lower)
    assert forest.holds(upper)
    assert (forest.project.root / "one.txt").read_text() == "2\n"


def test_of_a_stack_the_lower_branch_lands_without_the_upper(forest: Forest) -> None:
    lower = forest.branch("lower", {"fine.txt": ""})
    upper = forest.branch("upper", {"red.txt": ""}, at="lower")
    report = forest.read("upper", "lower", "--check", CHECK)
    assert states(report) == {"lower": "landed", "upper": "left_out"}
    assert (forest.holds(lower), forest.holds(upper)) == (True, False)


def test_of_a_stack_the_upper_branch_never_brings_in_a_lower_one_that_is_refused(
    forest: Forest,
) -> None:
    lower = forest.branch("lower", {"a.txt": "mine\n"})
    forest.branch("upper", {"new.txt": ""}, at="lower")
    forest.project.commit("Theirs", {"a.txt": "theirs\n"})
    before = forest.branches
    report = forest.read("upper", "lower")
    assert states(report) == {"upper": "blocked", "lower": "left_out"}
    assert not forest.holds(lower)
    assert report["tasks"]["upper"]["branch"] == "upper"
    assert not (forest.project.root / "new.txt").exists()
    assert forest.branches == before


def test_an_upper_branch_that_mends_the_lower_one_lands_with_it(forest: Forest) -> None:
    forest.branch("lower", {"red.txt": ""})
    forest.project.git("switch", "--quiet", "--create", "upper", "lower")
    forest.project.git("rm", "--quiet", "red.txt")
    forest.project.git("commit", "--quiet", "--message", "Mend")
    forest.project.git("switch", "--quiet", "main")
    assert states(forest.read("lower", "upper", "--check", CHECK)) == {
        "lower": "landed",
        "upper": "landed",
    }


def test_what_the_target_contains_already_is_skipped(forest: Forest) -> None:
    forest.project.git("branch", "old", "main~1")
    good = forest.branch("good", {"good.txt": ""})
    told = forest.land("old", "good")
    assert told.code == 0, told
    assert "skipped: old: main contains it already" in told.out
    assert forest.holds(good)
    tip = forest.project.git("rev-parse", "main")
    again = forest.land("old", "good", "main", "--check", "touch '../ran'")
    assert again.code == 0
    assert "skipped: good: main contains it already" in again.out
    assert "there was nothing to do" in again.out
    assert forest.project.git("rev-parse", "main") == tip


def test_where_nothing_is_to_land_nothing_is_checked(forest: Forest) -> None:
    ran = forest.project.root.parent / "ran"
    assert forest.land("main", "--check", f"touch '{ran}'").code == 0
    assert not ran.exists()


@pytest.mark.parametrize(
    "name", ["gone", "main~1", "HEAD", "refs/heads/good", "--upload-pack=x", "", "..", "main@{0}"]
)
def test_what_is_no_branch_starts_nothing(forest: Forest, name: str) -> None:
    forest.branch("good", {"good.txt": ""})
    before = fingerprint(forest.project.root)
    told = forest.land("good", "--", name)
    assert told.code == 2
    assert f"there is no branch {name!r}" in told.err
    assert fingerprint(forest.project.root) == before


def test_branches_that_make_no_sense_start_nothing(forest: Forest) -> None:
    forest.branch("good", {"good.txt": ""})
    forest.project.git("branch", "twin", "good")
    forest.project.git("switch", "--quiet", "--orphan", "stranger")
    forest.project.commit("Else", {"x.txt": ""})
    forest.project.git("switch", "--quiet", "main")
    before = fingerprint(forest.project.root)
    told = [forest.land(*names) for names in (("good", "good"), ("good", "twin"), ("stranger",))]
    assert [one.code for one in told] == [2, 2, 2]
    assert "the branch good is named twice" in told[0].err
    assert "the branches good and twin have the same commit" in told[1].err
    assert "stranger has no commit in common with main" in told[2].err
    assert fingerprint(forest.project.root) == before
    assert forest.land().code == 2


def test_a_remote_tracking_branch_will_do(forest: Forest, tmp_path: Path) -> None:
    tip = forest.branch("work", {"work.txt": ""})
    forest.project.git("update-ref", "refs/remotes/origin/work", tip)
    forest.project.git("branch", "--quiet", "-D", "work")
    assert forest.land("origin/work").code == 0
    assert forest.holds(tip)


def test_branches_may_land_on_one_that_is_not_checked_out(forest: Forest) -> None:
    tip = forest.branch("work", {"work.txt": ""})
    forest.project.git("branch", "next")
    assert forest.land("work", "--target", "next").code == 0
    assert not forest.holds(tip)
    assert tip in forest.project.git("rev-list", "next").split()


def test_a_change_in_the_way_diverts_the_landing(forest: Forest) -> None:
    forest.branch("work", {"a.txt": "work\n"})
    tip = forest.project.git("rev-parse", "main")
    forest.project.write({"a.txt": "precious\n"})
    told = forest.land("work")
    assert told.code == 1, told
    assert forest.project.git("rev-parse", "main") == tip
    assert (forest.project.root / "a.txt").read_text() == "precious\n"
    (landed,) = [name for name in forest.branches if name.endswith("/landed")]
    assert forest.project.git("show", f"{landed}:a.txt") == "work"
    assert "git merge --ff-only" in told.out
    forest.project.git("checkout", "--quiet", "a.txt")
    again = forest.land(landed.removeprefix("refs/heads/"))
    assert again.code == 0, again
    assert (forest.project.root / "a.txt").read_text() == "work\n"


def test_a_red_base_lands_nothing(forest: Forest) -> None:
    tip = forest.branch("work", {"work.txt": ""})
    forest.project.commit("Break", {"red.txt": ""})
    before = forest.branches
    told = forest.land("work", "--check", CHECK)
    assert told.code == 3, told
    assert "make the check pass on main" in told.out
    assert "its work is on branch work" in told.out
    assert not forest.holds(tip)
    assert forest.branches == before
    assert "removed run" in concertmaster("clean", cwd=forest.project.root).out


def test_protected_paths_and_links_out_of_the_tree_are_refused(forest: Forest) -> None:
    rules = "check: 'true'\nprotected: ['/infra/**']\n"
    forest.project.commit("Rules", {"concertmaster.yml": rules})
    forest.branch("infra", {"infra/main.tf": ""})
    forest.project.git("switch", "--quiet", "--create", "link")
    (forest.project.root / "out").symlink_to("../../etc")
    forest.project.commit("Link", {})
    forest.project.git("switch", "--quiet", "main")
    before = forest.branches
    report = forest.read("infra", "link")
    assert report["code"] == 1
    assert states(report) == {"infra": "failed", "link": "failed"}
    assert report["tasks"]["infra"]["reason"] == "infra/main.tf: protected by concertmaster.yml"
    assert "outside the repository" in report["tasks"]["link"]["reason"]
    assert report["tasks"]["infra"]["branch"] == "infra"
    assert forest.branches == before


def test_what_defines_the_check_lands_and_is_named(forest: Forest) -> None:
    tip = forest.branch("tools", {"Makefile": "test:\n"})
    told = forest.land("tools")
    assert told.code == 0, told
    assert forest.holds(tip)
    assert "look at what landed in Makefile" in told.out


def test_a_branch_that_moves_meanwhile_loses_nothing(forest: Forest) -> None:
    tip = forest.branch("work", {"red.txt": ""})
    root = forest.project.root
    moves = f"! test -e red.txt || {{ git -C '{root}' branch -f work main; false; }}"
    told = forest.land("work", "--check", moves)
    assert told.code == 1, told
    (kept,) = (name for name in forest.branches if name.startswith("refs/heads/concertmaster/"))
    assert forest.branches[kept] == tip


def test_kept_work_of_a_run_lands_later(forest: Forest) -> None:
    script = "cat > /dev/null; echo 1 > one.txt"
    forest.project.write({"prompts/one.md": "# Make one\n\nDo it.\n"})
    run = ("run", "prompts/one.md", "--agent-command", script, "--landing", "branches")
    assert concertmaster(*run, cwd=forest.project.root).code == 0
    (branch,) = forest.branches
    assert forest.land(branch.removeprefix("refs/heads/")).code == 0
    assert (forest.project.root / "one.txt").read_text() == "1\n"


# Later commands


def test_a_branch_teaches_nothing_of_what_tasks_take(forest: Forest) -> None:
    forest.branch("work", {"work.txt": ""})
    assert forest.land("work").code == 0
    assert read_past(forest.project.root / ".git") == ()


@pytest.mark.matrix
def test_status_report_and_clean_know_such_a_run(forest: Forest) -> None:
    forest.branch("work", {"work.txt": ""})
    forest.branch("bad", {"red.txt": ""})
    told = forest.land("work", "bad", "--check", CHECK)
    run = told.out.partition("run ")[2].split()[0]
    at = forest.project.root
    assert "1 landed, 1 left out" in concertmaster("status", cwd=at).out
    assert "its work is on branch bad" in concertmaster("status", run, cwd=at).out
    assert concertmaster("report", cwd=at).code == 1
    assert concertmaster("resume", cwd=at, env={"PATH": "/usr/bin:/bin"}).code == 1
    assert f"removed run {run}" in concertmaster("clean", cwd=at).out
    assert {"refs/heads/work", "refs/heads/bad"} == set(forest.branches)


@pytest.mark.crash
@pytest.mark.parametrize("after", [1, 3, 4, 6, 7, 8, 9])
def test_a_landing_that_was_killed_ends_as_one_that_was_not(forest: Forest, after: int) -> None:
    """The journal gets two results first, then the plan that makes it a run, then its start."""
    good = forest.branch("good", {"good.txt": ""})
    bad = forest.branch("bad", {"infra.txt": "", "a.txt": "mine\n"})
    forest.project.commit("Theirs", {"a.txt": "theirs\n"})
    before = forest.branches
    driver = (sys.executable, "-m", "tests.crash.driver", str(after), "whole")
    subprocess.run(
        [*driver, "land", "good", "bad", "--repo", str(forest.project.root)],
        cwd=Path(__file__).parents[3],
        env=dict(os.environ),
        check=False,
        capture_output=True,
        start_new_session=True,
    )
    told = concertmaster("resume", cwd=forest.project.root)
    if after <= 2:  # killed before the plan was written
        assert "there is no run" in told.err
        return
    assert told.code == 1, told
    assert (forest.holds(good), forest.holds(bad)) == (True, False)
    assert forest.branches == before
    assert "removed run" in concertmaster("clean", cwd=forest.project.root).out


def test_a_report_in_a_file_names_the_test_that_failed(forest: Forest) -> None:
    case = '<testcase classname="Fruit" name="ripe"><failure/></testcase>'
    write = f"mkdir -p out; echo '<testsuite>{case}</testsuite>' > out/TEST-fruit.xml"
    forest.branch("red", {"red.txt": ""})
    report = forest.read("red", "--check", f"if test -e red.txt; then {write}; false; fi")
    assert report["tasks"]["red"]["reason"].endswith(": Fruit.ripe")

"""The commands print, exit and write as documented, each run as a user runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.model import PLAN_VERSION
from concertmaster.planning.build_plan import new_run
from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, fingerprint, write_prompt
from tests.conftest import Project, set_home, wait_until

AGENT = ("--agent-command", OBEDIENT_COMMAND)
COMMANDS = (
    "run plan split land resume status report repair cancel watch clean init doctor demo"
    " logs diff open completion new execute improve retry"
).split()


class Shop:
    """A project with three prompts: one needs another, and one is marked as done."""

    def __init__(self, project: Project) -> None:
        self.project = project
        project.commit("Settings", {"concertmaster.yml": "check: '! test -e red.txt'\n"})
        write_prompt(project, "one", "echo 1 > one.txt", title="Make one")
        write_prompt(project, "two", "cp one.txt two.txt", head="needs: one.md", title="Make two")
        write_prompt(project, "old", "false", head="status: implemented", title="Done long ago")
        self.prompts = [f"prompts/{name}.md" for name in ("one", "two", "old")]

    def call(self, *arguments: str | Path) -> Done:
        return concertmaster(*arguments, cwd=self.project.root)

    def task(self, name: str, script: str) -> str:
        return write_prompt(self.project, name, script)

    @property
    def folders(self) -> list[Path]:
        """The folders of the runs."""
        return sorted((self.project.root / ".git" / "concertmaster" / "runs").glob("*"))

    @property
    def worktrees(self) -> list[Path]:
        return sorted(self.project.root.with_name("project.attempts").glob("*-*"))

    @property
    def branches(self) -> list[str]:
        pattern = "refs/heads/concertmaster"
        return self.project.git("for-each-ref", "--format=%(refname:short)", pattern).split()


@pytest.fixture
def shop(project: Project, monkeypatch: pytest.MonkeyPatch) -> Shop:
    monkeypatch.setenv("CONCERTMASTER_WORKTREES", str(project.root.parent))
    return Shop(project)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Done]]:
    """The result of a run in which all tasks landed."""
    folder = tmp_path_factory.mktemp("shop")
    with pytest.MonkeyPatch.context() as patch:
        set_home(folder / "home", patch)
        patch.setenv("CONCERTMASTER_WORKTREES", str(folder))
        shop = Shop(Project(folder / "project"))
        yield shop, shop.call("run", *shop.prompts, *AGENT)


# Run and its report


def test_a_run_tells_its_plan_its_progress_and_its_end(done: tuple[Shop, Done]) -> None:
    shop, told = done
    assert told.code == 0, told
    (folder,) = shop.folders
    assert re.search(r"^1  one-\w{4}  Make one ", told.out, re.MULTILINE)
    assert re.search(r"^order: two-\w{4} needs one-\w{4}: ", told.out, re.MULTILINE)
    assert f"run {folder.name}: 2 tasks in" in told.err
    assert "passes the check" in told.err
    assert re.search(
        r"landed 1 task: \w{7}\.\.\w{7} on main \(two-\w{4}\)$", told.err, re.MULTILINE
    )
    assert f"run {folder.name} on main: 2 landed" in told.out
    assert "skipped: prompts/old.md: marked" in told.out
    assert f"report: {folder}/report.html" in told.out


def test_a_run_leaves_the_files_and_one_commit_for_each_task(done: tuple[Shop, Done]) -> None:
    project = done[0].project
    assert (project.root / "two.txt").read_text() == "1\n"
    assert project.git("status", "--porcelain") == "?? prompts/"
    commits = project.git("log", "--no-merges", "--format=%B%x00").split("\0\n")
    made = {commit.partition("\n")[0]: commit for commit in commits}
    assert "Co-authored-by: Ada <ada@example.org>" in made["Make one"]
    assert "From prompts/two.md." in made["Make two"]
    assert not done[0].branches
    assert not done[0].worktrees


def test_status_and_report_tell_the_same_afterwards(done: tuple[Shop, Done]) -> None:
    shop, told = done
    run = shop.folders[0].name
    assert f"{run}  on main: 2 landed" in shop.call("status").out
    assert f"run {run} on main: 2 landed" in shop.call("status", run).out
    report = shop.call("report", run)
    assert report.code == 0
    table = re.search(r"^task +state ", told.out, re.MULTILINE)
    assert table
    ending = told.out[table.start() :]
    assert report.out.endswith(ending)
    assert "implement" in report.out.removesuffix(ending)


def test_documents_hold_the_same_as_the_words(done: tuple[Shop, Done]) -> None:
    shop, _ = done
    report = shop.call("report", "--json").document
    assert report == json.loads((shop.folders[0] / "report.json").read_text()) | {
        "folder": str(shop.folders[0])
    }
    assert [task["state"] for task in report["tasks"]] == ["landed", "landed"]
    (listed,) = shop.call("status", "--json").document
    assert (listed["run"], listed["running"]) == (report["run"], False)
    assert shop.call("status", report["run"], "--json").document["tasks"] == report["tasks"]


def test_a_run_that_is_over_has_nothing_to_resume_or_cancel(done: tuple[Shop, Done]) -> None:
    shop, _ = done
    journal = (shop.folders[0] / "journal.jsonl").read_bytes()
    told = shop.call("resume")
    assert told.code == 0
    assert f"run {shop.folders[0].name} has ended; there is nothing to resume" in told.err
    assert (shop.folders[0] / "journal.jsonl").read_bytes() == journal
    assert "had ended already" in shop.call("cancel").out
    assert "2 landed" in shop.call("status").out


def test_a_part_of_a_name_is_enough_for_a_run_and_a_task(done: tuple[Shop, Done]) -> None:
    shop, _ = done
    run = shop.folders[0].name
    for name in (run[:12], run[-4:]):
        assert f"run {run} on main" in shop.call("status", name).out
    told = shop.call("plan", *shop.prompts, "--again", "--explain", "on", "tw", "--json").document
    assert [task.partition("-")[0] for task in told["tasks"]] == ["one", "two"]
    refused = shop.call("status", "nothing")
    assert (refused.code, "there is no run nothing" in refused.err) == (2, True)
    landed = shop.call("plan", *shop.prompts, "--explain", "on", "tw")
    assert (landed.code, "landed before in" in landed.err) == (2, True), landed.err


def test_runs_of_the_same_second_have_names_in_their_order(monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [1_800_000_000 + part / 256 for part in range(256)]
    monkeypatch.setattr("concertmaster.planning.build_plan.time.time", iter(moments).__next__)
    names = [new_run() for _ in moments]
    assert names == sorted(names)
    assert all(re.fullmatch(r"20270115-080000-[0-9a-f]{4}", name) for name in names)


def test_without_a_name_the_run_that_can_go_on_is_meant(shop: Shop) -> None:
    failing = shop.task("old", "exit 1")
    assert shop.call("run", failing, *AGENT).code == 1
    (ended,) = shop.folders
    open_run = ended.with_name("20000101-000000-abcd")
    shutil.copytree(ended, open_run)
    plan = json.loads((open_run / "plan.json").read_text())
    (open_run / "plan.json").write_text(json.dumps({**plan, "run": open_run.name}))
    (open_run / "journal.jsonl").unlink()  # as if the process died before its first event

    told = shop.call("cancel")

    assert f"run {open_run.name} is cancelled" in told.out, told.err
    assert f"run {ended.name} had ended already" in shop.call("cancel").out


def test_a_run_as_a_document_is_one_document_and_silent(shop: Shop) -> None:
    told = shop.call("run", *shop.prompts, *AGENT, "--json")
    assert (told.code, told.err) == (0, "")
    assert told.document["ended"] == "landed"


# Plan


def test_a_plan_changes_nothing_in_any_form(shop: Shop) -> None:
    before = fingerprint(shop.project.root)
    table = shop.call("plan", *shop.prompts)
    assert re.search(r"^2  two-\w{4} .* one-\w{4}$", table.out, re.MULTILINE)
    document = shop.call("plan", *shop.prompts, "--json").document
    assert document["version"] == PLAN_VERSION
    assert len(document["tasks"]) == 2
    assert shop.call("plan", *shop.prompts, "--format", "json").document["order"]
    picture = shop.call("plan", *shop.prompts, "--format", "mermaid").out
    assert picture.startswith("flowchart LR\n")
    assert "t0 --> t1" in picture
    dry = shop.call("run", *shop.prompts, "--dry-run", *AGENT)
    assert dry.out == table.out
    assert [table.code, dry.code] == [0, 0]
    assert fingerprint(shop.project.root) == before
    assert not (Path.home() / ".cache").exists()


def test_a_plan_needs_no_agent(shop: Shop) -> None:
    assert shop.call("plan", *shop.prompts, "--agent", "claude").code == 0


def test_a_plan_chooses_its_slots_and_says_why_unless_it_is_told_a_number(shop: Shop) -> None:
    chosen, same, told = (
        shop.call("plan", *shop.prompts, "--json", *more).document
        for more in ([], ["--parallel", "auto"], ["--parallel", "2"])
    )

    assert chosen["slots"] == same["slots"] == 1  # one of the two tasks needs the other
    assert [note for note in chosen["notes"] if note.startswith("1 slot: ")]
    assert told["slots"] == 2
    assert not [note for note in told["notes"] if "slot" in note]


def test_a_plan_tells_the_check_and_the_setup_that_it_found(project: Project) -> None:
    prompt = write_prompt(project, "one", "true")
    lock = {"uv.lock": "", "pyproject.toml": "", "Makefile": "test:\n\ttrue\n"}
    project.commit("Tools", lock)
    told = concertmaster("plan", prompt, cwd=project.root)
    assert told.code == 0, told
    assert "check: `make test` (found: the Makefile has a target test)" in told.out
    assert "setup: `uv sync` (found: uv.lock)" in told.out
    commands = [
        (plan["settings"]["setup"], plan["settings"]["check"])
        for options in ([], ["--setup", ""], ["--setup", "true"], ["--check", "true"])
        for plan in [concertmaster("plan", prompt, *options, "--json", cwd=project.root).document]
    ]
    assert commands == [
        ("uv sync", "make test"),
        ("", "make test"),
        ("true", "make test"),
        ("", "true"),
    ]


def test_beside_a_check_of_the_users_a_setup_is_found_and_can_be_switched_off(
    project: Project,
) -> None:
    prompt = write_prompt(project, "one", "true")
    lock = {"uv.lock": "", "pyproject.toml": "", "concertmaster.yml": "check: uv run pytest\n"}
    project.commit("Tools", lock)
    told = concertmaster("plan", prompt, cwd=project.root)
    assert "setup: `uv sync` (found: uv.lock)" in told.out
    plan = concertmaster("plan", prompt, "--json", cwd=project.root).document
    assert plan["settings"]["setup_reason"] == "uv.lock"

    project.commit("None", {"concertmaster.yml": "check: uv run pytest\nsetup: ''\n"})
    plan = concertmaster("plan", prompt, "--json", cwd=project.root).document
    assert (plan["settings"]["setup"], plan["settings"]["setup_reason"]) == ("", "")
    assert not any("setup" in note for note in plan["notes"])


def test_a_setup_that_was_found_and_fails_says_how_to_give_another(project: Project) -> None:
    prompt = write_prompt(project, "one", "true")
    project.commit("Tools", {"uv.lock": "", "pyproject.toml": "", "Makefile": "test:\n\ttrue\n"})
    broken = project.root.parent / "bin" / "uv"
    broken.parent.mkdir()
    broken.write_text("#!/bin/sh\necho no line to the index >&2\nexit 7\n")
    broken.chmod(0o755)
    path = {"PATH": f"{broken.parent}:{os.environ['PATH']}"}
    found = concertmaster("run", prompt, *AGENT, cwd=project.root, env=path)
    given = concertmaster("run", prompt, *AGENT, "--setup", "uv x", cwd=project.root, env=path)
    assert (found.code, given.code) == (3, 3)
    assert "setup `uv sync` failed (exit 7): no line to the index" in found.out
    assert "it was found (uv.lock): name another with `setup:` in concertmaster.yml" in found.out
    assert "setup `uv x` failed (exit 7): no line to the index" in given.out
    assert "it was found" not in given.out


def test_a_run_lands_what_passes_a_check_that_was_found(project: Project) -> None:
    prompt = write_prompt(project, "one", "echo 1 > one.txt")
    project.commit("Rules", {"Makefile": "test:\n\ttest -e a.txt\n"})
    told = concertmaster("run", prompt, *AGENT, cwd=project.root)
    assert told.code == 0, told
    assert "check: `make test` (found: " in told.out
    assert (project.root / "one.txt").read_text() == "1\n"


def test_a_plan_explains_a_pair(shop: Shop) -> None:
    told = shop.call("plan", *shop.prompts, "--explain", "one.md", "prompts/two.md")
    first, second = told.out.splitlines()[:2]
    assert re.fullmatch(r"one-\w{4} and two-\w{4} do not run at the same time", first)
    assert second.endswith("prompts/two.md says needs: one.md")


def test_a_reader_that_went_away_is_no_accident(shop: Shop) -> None:
    line = f"'{sys.executable}' -m concertmaster plan prompts/one.md | true"
    told = subprocess.run(
        ["sh", "-c", line], cwd=shop.project.root, capture_output=True, check=True, text=True
    )
    assert told.stderr == ""


# Landing


def test_results_may_stay_on_branches(shop: Shop) -> None:
    tip = shop.project.git("rev-parse", "main")
    told = shop.call("run", *shop.prompts, *AGENT, "--landing", "branches")
    assert told.code == 0, told
    assert shop.project.git("rev-parse", "main") == tip
    one, two = shop.branches
    assert shop.project.git("diff", "--name-only", tip, one) == "one.txt"
    assert shop.project.git("diff", "--name-only", one, two) == "two.txt"
    assert two in told.out


def test_results_may_stay_in_the_runs_folder(shop: Shop) -> None:
    before = shop.project.git("for-each-ref", "refs/heads")
    told = shop.call("run", *shop.prompts, *AGENT, "--landing", "none")
    assert told.code == 0, told
    assert shop.project.git("for-each-ref", "refs/heads") == before
    fetches = re.findall(r"^ +(git fetch .*)$", told.out, re.MULTILINE)
    assert len(fetches) == 2
    for command in fetches:
        shop.project.git("-c", f"alias.x=!{command} #", "x")
    assert shop.project.git("ls-tree", "--name-only", "FETCH_HEAD", "two.txt") == "two.txt"


def test_results_may_land_on_a_branch_that_is_not_checked_out(shop: Shop) -> None:
    shop.project.git("branch", "next")
    tip = shop.project.git("rev-parse", "main")
    assert shop.call("run", *shop.prompts, *AGENT, "--target", "next").code == 0
    assert shop.project.git("rev-parse", "main") == tip
    assert shop.project.git("diff", "--name-only", "main", "next").split() == ["one.txt", "two.txt"]
    assert not (shop.project.root / "one.txt").exists()


# Clean


def test_clean_removes_what_landed_or_lies_on_a_branch(shop: Shop) -> None:
    fails = shop.task("fails", "echo work > work.txt; exit 1")
    assert shop.call("run", *shop.prompts, fails, *AGENT).code == 1
    (branch,) = shop.branches
    (folder,) = shop.folders
    before = fingerprint(shop.project.root)
    assert shop.call("clean", "--dry-run").out == f"would remove run {folder.name}\n"
    assert fingerprint(shop.project.root) == before
    told = shop.call("clean")
    assert (told.code, told.out) == (0, f"removed run {folder.name}\n")
    assert shop.folders == []
    assert shop.project.git("for-each-ref", "refs/concertmaster") == ""
    assert shop.project.git("show", f"{branch}:work.txt") == "work"
    assert shop.call("clean").out == "there is nothing to clean\n"


@pytest.mark.matrix
def test_clean_removes_folders_in_folders_that_an_agent_left_beside_its_worktree(
    shop: Shop,
) -> None:
    deep = "mkdir -p ../stray/$(printf 'd/%.0s' $(seq 1500))"
    task = shop.task("deep", f"{deep}; echo work > work.txt")
    assert shop.call("run", task, *AGENT).code == 0
    (folder,) = shop.folders
    told = shop.call("clean")
    assert (told.code, told.out) == (0, f"removed run {folder.name}\n"), told.err
    assert not folder.exists()


def test_clean_keeps_a_run_whose_results_lie_nowhere_else(shop: Shop) -> None:
    assert shop.call("run", *shop.prompts, *AGENT, "--landing", "none").code == 0
    told = shop.call("clean", "--json").document
    assert told["runs"] == []
    ((what, why),) = told["kept"]
    assert what == f"run {shop.folders[0].name}"
    assert "lies only here" in why


@pytest.mark.matrix
def test_clean_keeps_a_run_that_is_going_on_and_cancel_ends_it(shop: Shop, tmp_path: Path) -> None:
    waits = shop.task("waits", f"echo work > work.txt; touch '{tmp_path}/here'; sleep 300")
    running = subprocess.Popen(
        [sys.executable, "-m", "concertmaster", "run", waits, *AGENT, "--json"],
        cwd=shop.project.root,
        stdout=subprocess.PIPE,
    )
    wait_until((tmp_path / "here").exists)
    (worktree,) = shop.worktrees
    told = shop.call("clean")
    assert [line.partition(": ")[2] for line in told.out.splitlines()] == [
        "its run is being worked on",
        "it is being worked on",
    ]
    assert (worktree / "project" / "work.txt").exists()
    assert "going on" in shop.call("status").out
    assert "the run is going on" in shop.call("status", shop.folders[0].name).out
    assert shop.call("report").out.endswith("the run is going on\n")
    refused = shop.call("resume")
    assert (refused.code, "is being worked on by process" in refused.err) == (2, True)
    assert "is being cancelled" in shop.call("cancel").out
    out, _ = running.communicate()
    assert running.returncode == 1
    assert json.loads(out)["ended"] == "cancelled"
    (branch,) = shop.branches
    assert shop.project.git("show", f"{branch}:work.txt") == "work"


@pytest.mark.matrix
def test_what_an_agent_was_doing_when_its_run_was_killed_is_never_cleaned_away(
    shop: Shop, tmp_path: Path
) -> None:
    waits = shop.task("waits", f"echo work > work.txt; touch '{tmp_path}/here'; sleep 300")
    running = subprocess.Popen(
        [sys.executable, "-m", "concertmaster", "run", waits, *AGENT, "--json"],
        cwd=shop.project.root,
        stdout=subprocess.DEVNULL,
    )
    wait_until((tmp_path / "here").exists)
    running.kill()
    running.wait()
    (worktree,) = shop.worktrees
    (folder,) = shop.folders
    told = shop.call("clean")
    assert f"kept run {folder.name}: it can go on: concertmaster resume {folder.name}" in told.out
    assert f"next: go on where the run stopped\n      concertmaster resume {folder.name}" in (
        shop.call("status", folder.name).out
    )
    assert "is cancelled" in shop.call("cancel").out
    told = shop.call("clean")
    assert "kept worktree" in told.out
    assert (worktree / "project" / "work.txt").read_text() == "work\n"


# Doctor, demo and help


def test_doctor_says_what_is_there_and_what_is_missing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    before = fingerprint(shop.project.root)
    told = shop.call("doctor")
    assert told.code == 0
    assert "ok  target: results land on main" in told.out
    assert "--  agent claude: " in told.out
    assert "npm install -g @anthropic-ai/claude-code" in told.out
    assert {one["name"] for one in shop.call("doctor", "--json").document} >= {"repository", "disk"}
    assert fingerprint(shop.project.root) == before


def test_doctor_outside_of_a_repository_fails(tmp_path: Path) -> None:
    told = concertmaster("doctor", cwd=tmp_path)
    assert told.code == 3
    assert "no  repository: " in told.out


@pytest.mark.matrix
def test_the_demo_shows_a_whole_run(tmp_path: Path) -> None:
    told = concertmaster("demo", "--folder", "demo", cwd=tmp_path)
    assert told.code == 0, told  # one task breaks the check with others and is mended
    assert "to be mended" in told.err
    assert "landed on main" in told.out
    (_, _, history) = told.out.partition("log --graph):\n")
    landed = [line for line in history.splitlines() if re.match(r"\* \w{7,} \w", line)]
    assert len(landed) == 8
    again = concertmaster("demo", "--folder", "demo", cwd=tmp_path)
    assert again.code == 2
    assert "is not empty" in again.err


@pytest.mark.matrix
def test_the_demo_is_one_document_as_well(tmp_path: Path) -> None:
    assert concertmaster("demo", "--json", "--folder", "demo", cwd=tmp_path).document["run"]


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_readable_on_a_narrow_terminal(tmp_path: Path, command: str) -> None:
    told = concertmaster(command, "--help", cwd=tmp_path)
    assert told.code == 0
    assert told.out.startswith(f"Usage: concertmaster {command} [OPTIONS]")
    assert max(map(len, told.out.splitlines())) <= 80
    undescribed = re.findall(r"^  --\S+(?: \S+)?$\n(?!  {10})", told.out, re.MULTILINE)
    assert undescribed == []


def test_the_list_of_commands_cuts_no_sentence_short(tmp_path: Path) -> None:
    told = concertmaster("--help", cwd=tmp_path)
    assert max(map(len, told.out.splitlines())) <= 80
    lines = re.findall(r"^  (\w+)  +(.*)$", told.out.partition("Commands:")[2], re.MULTILINE)
    assert {name for name, _ in lines} == set(COMMANDS)
    assert all(words.endswith(".") and "..." not in words for _, words in lines)

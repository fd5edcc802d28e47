"""Agents that hang, flood, lie, break out and break things: the user loses nothing by them.

Most of them work in one run, the zoo, beside a good one.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil
import pytest

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project, set_home

HOOKS = (
    "pre-commit commit-msg post-commit post-checkout post-merge post-rewrite pre-push"
    " reference-transaction post-index-change fsmonitor-watchman pre-auto-gc"
).split()

# A tree is written down when it passed; a file `red.txt` never does.
CHECK = """
if test -e red.txt; then cat red.txt; exit 1; fi
git rev-parse 'HEAD^{tree}' >> 'OUTSIDE/green-trees' 2>/dev/null || true
"""

# name: what the agent does. Each of these may land, for its tree passes the check.
LANDS = {
    "good": "echo good > good.txt",
    "daemon": """
        setsid sleep 300 &
        echo $! > OUTSIDE/daemon.pid
        (setsid sh -c 'trap "" TERM HUP; sleep 300 & echo $! > OUTSIDE/stubborn.pid; wait' &)
        while ! test -s OUTSIDE/stubborn.pid; do sleep 0.01; done
        echo daemon > daemon.txt
        """,
    "flood": "head -c 200000000 /dev/zero | tr '\\0' x; echo flood > flood.txt",
    "lines": f"yes '{'x' * 99}' | head -c 20000000; echo lines > lines.txt",
    "commits": """
        git config user.name Mallory
        git config user.email mallory@example.org
        echo 1 > commits.txt; git add --all; git commit --quiet -m 'Closes #1'
        echo commits > commits.txt; git commit --quiet --all -m 'Closes #2'
        git tag stolen; git branch --force main; git checkout --quiet --detach
        """,
    "merging": """
        git checkout --quiet -b x; echo x > merging.txt; git add --all; git commit --quiet -m x
        git checkout --quiet -; echo y > merging.txt; git add --all; git commit --quiet -m y
        git merge x || test -e "$(git rev-parse --git-dir)/MERGE_HEAD"
        """,
    "config": f"""
        for hook in {" ".join(HOOKS)}; do
            for folder in "$(git rev-parse --git-dir)/hooks" hooks; do
                mkdir -p $folder
                printf '#!/bin/sh\\ntouch OUTSIDE/agent-%s\\n' $hook > $folder/$hook
                chmod +x $folder/$hook
            done
        done
        git config core.hooksPath hooks
        git config core.fsmonitor 'touch OUTSIDE/agent-fsmonitor; false'
        git config core.pager 'touch OUTSIDE/agent-pager'
        git config filter.evil.clean 'touch OUTSIDE/agent-clean; cat'
        git config filter.evil.smudge 'touch OUTSIDE/agent-smudge; cat'
        git config filter.evil.process 'touch OUTSIDE/agent-process'
        git config diff.evil.textconv 'touch OUTSIDE/agent-textconv; cat'
        git config merge.evil.driver 'touch OUTSIDE/agent-merge; false'
        echo '*.evil filter=evil diff=evil merge=evil' > .gitattributes
        echo config > config.evil
        """,
    "new-git": """
        rm -rf .git ../git
        git init --quiet .
        git config core.fsmonitor 'touch OUTSIDE/agent-new-fsmonitor; false'
        echo new-git > new-git.txt
        """,
    "no-git": "rm -rf .git ../git; mkdir .git; echo no-git > no-git.txt",
    "unreadable": "echo unreadable > unreadable.txt; chmod 0 unreadable.txt .",
    "stray": """
        echo stray > ../stray.txt; echo stray > ../../stray.txt
        ln -s ../.. up; mkdir up/node_modules; rm up
        echo stray > stray.txt
        """,
    "owner": "echo '{}' > ../owner.json; rm -rf ../tmp; echo owner > owner.txt",
    "inside-link": "echo changed > alias/file.txt",
    "newline": """
        echo newline > "$(printf 'new\\nline.txt')"
        mkdir -p .github/workflows
        echo newline > "$(printf '.github/workflows/\\033[31mred\\r.yml')"
        """,
    "workflow": "mkdir -p .github/workflows; echo 'on: push' > .github/workflows/ci.yml",
    "garbage": """
        printf '{"type":\\n\\0\\377\\n[[[[\\n{"type":"result","is_error":0}\\n"text"\\n'
        head -c 100000 /dev/zero | tr '\\0' '['; echo
        echo '{"type":"result","subtype":"success","is_error":false,"result":"done"}'
        echo garbage > garbage.txt
        """,
}

# name: what the agent does, what is told of it, and the file of its work that is kept.
FAILS = {
    "no-diff": ("echo '{\"no_op\": 1'", "without changing anything", ""),
    "exit-1": ("echo work > exit-1.txt; exit 1", "exit 1", "exit-1.txt"),
    "killed": ("echo work > killed.txt; kill -9 $$", "killed by SIGKILL", "killed.txt"),
    "red": (
        "printf 'work\\n\\033]0;title\\007\\033[2J\\r\\n' > red.txt",
        "(exit 1): work",
        "red.txt",
    ),
    "no-end": (
        """echo '{"type":"system","session_id":"s"}'; echo work > no-end.txt""",
        "ended without its final event",
        "no-end.txt",
    ),
    "embedded": (
        """
        echo work > embedded.txt; git init --quiet sub; cd sub
        git -c user.name=a -c user.email=b commit --quiet --allow-empty -m 1
        """,
        "sub: a repository inside the repository",
        "embedded.txt",
    ),
    "link": (
        "mkdir links; ln -s OUTSIDE links/out; echo work > link.txt",
        "links/out: a symbolic link to ",
        "link.txt",
    ),
    "impostor": ("cd ..; rm -rf tree; ln -s OUTSIDE tree", "removed or replaced", ""),
    "away": ("cd ..; mv tree elsewhere", "removed or replaced", ""),
    "climbing-link": ("ln -s ../../stray.txt climbing", "outside the repository", "climbing"),
}
CLAUDE = ("garbage", "no-end")

Row = Mapping[str, Any]


@dataclass(kw_only=True)
class Stage:
    """A user's repository, busy with other things, and the prompts of a run on it."""

    project: Project
    outside: Path  # where scripts leave word for the test
    prompts: list[str] = field(default_factory=list)

    def task(self, name: str, script: str, *, head: str = "", title: str = "") -> None:
        script = dedent(script).replace("OUTSIDE", str(self.outside))
        self.prompts.append(write_prompt(self.project, name, script, head=head, title=title))

    def run(self, *options: str, **env: str) -> Scene:
        before = look(self.project)
        self.forget("user-hook-*")
        done = self.call("run", *self.prompts, "--agent-command", OBEDIENT_COMMAND, *options, **env)
        witnesses = {path.name for path in self.outside.iterdir()}
        assert "finished in" in done.err, done
        report = self.call("report", "--json").document
        return Scene(stage=self, before=before, done=done, report=report, witnesses=witnesses)

    def call(self, *arguments: str, **env: str) -> Done:
        return concertmaster(*arguments, cwd=self.project.root, env=env)

    def forget(self, pattern: str) -> None:
        for witness in self.outside.glob(pattern):
            witness.unlink()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A run that is over, with how the user's things lay before it."""

    stage: Stage
    before: Row
    done: Done
    report: Row
    witnesses: set[str]

    def task(self, name: str) -> Row:
        rows: list[Row] = self.report["tasks"]
        return next(row for row in rows if row["prompt"] == f"prompts/{name}.md")

    def attempts(self, name: str) -> list[Row]:
        found: list[Row] = self.task(name)["attempts"]
        return found

    def on_target(self, path: str) -> str:
        return self.stage.project.git("show", f"main:{path}")

    def kept(self, name: str, path: str) -> str:
        """The file as it lies on the branch of a task that did not land."""
        branch = f"concertmaster/{self.report['run']}/{self.task(name)['id']}"
        assert self.task(name)["branch"] == branch
        return self.stage.project.git("show", f"{branch}:{path}")


def set_stage(folder: Path) -> Stage:
    outside = folder / "outside"
    outside.mkdir()
    project = Project(folder / "project")
    project.write({"alias-target/file.txt": "here\n"})
    (project.root / "alias").symlink_to("alias-target")
    project.commit("A link", {".gitignore": "prompts/\n"})
    (outside / "check.sh").write_text(CHECK.replace("OUTSIDE", str(outside)))
    occupy(project, outside)
    return Stage(project=project, outside=outside)


def occupy(project: Project, outside: Path) -> None:
    """Leave everything about that a user may have lying about."""
    project.git("branch", "side")
    project.git("worktree", "add", "--quiet", "../other", "-b", "other")
    (project.root.parent / "other" / "a.txt").write_text("changed in the other worktree\n")
    project.write({"folder/c.txt": "stashed\n", "new.txt": "stashed\n"})
    project.git("stash", "push", "--quiet", "--include-untracked", "--message", "for later")
    project.write({"b.txt": "staged\n"})
    project.git("add", "b.txt")
    project.write({"folder/c.txt": "changed\n", "untracked.txt": "mine\n"})
    for name in HOOKS:
        hook = project.root / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch '{outside}/user-hook-{name}'\n")
        hook.chmod(0o755)
    project.git("config", "merge.ff", "false")
    project.git("config", "core.fsmonitor", f"touch '{outside}/user-hook-fsmonitor'; false")


def look(project: Project) -> Row:
    """All that a user has and that no run may change."""
    git, folder = project.git, project.root / ".git"
    return {
        "branch": git("symbolic-ref", "HEAD"),
        "staged": git("diff", "--cached", "--binary"),
        "changed": git("diff", "--binary"),
        "status": git("status", "--porcelain"),
        "stash": git("stash", "list", "--format=%H %gs"),
        "stashed": git("stash", "show", "--patch", "--include-untracked"),
        "config": (folder / "config").read_text(),
        "hooks": {path.name: path.read_text() for path in (folder / "hooks").iterdir()},
        "untracked": (project.root / "untracked.txt").read_text(),
        "worktrees": git("worktree", "list", "--porcelain").split("\n\n")[1:],
        "other": git("-C", "../other", "status", "--porcelain=v2", "--branch"),
        "refs": git(
            "for-each-ref", "refs/tags", "refs/stash", "refs/heads/side", "refs/heads/other"
        ),
    }


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One run of them all, told in words."""
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


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return set_stage(tmp_path)


def is_running(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


# What becomes of each


@pytest.mark.parametrize("name", LANDS)
def test_a_tree_that_passes_the_check_lands_whatever_its_agent_did(zoo: Scene, name: str) -> None:
    row = zoo.task(name)
    assert (row["state"], row["reason"]) == ("landed", "")
    extension = "evil" if name == "config" else "txt"
    if name not in ("inside-link", "newline", "workflow", "merging"):
        assert zoo.on_target(f"{name}.{extension}") == name


@pytest.mark.parametrize("name", FAILS)
def test_what_is_no_success_fails_with_a_reason_and_its_work_is_kept(zoo: Scene, name: str) -> None:
    _, reason, kept = FAILS[name]
    row = zoo.task(name)
    assert row["state"] == "failed"
    assert reason in row["reason"]
    if kept:
        assert zoo.kept(name, kept)
    else:
        assert row["branch"] == ""


def test_the_run_says_that_not_all_landed(zoo: Scene) -> None:
    assert zoo.done.code == 1
    assert f"incomplete; {len(LANDS)} landed, {len(FAILS)} failed" in zoo.done.out


def test_special_results_land_as_they_are(zoo: Scene) -> None:
    assert zoo.on_target("alias-target/file.txt") == "changed"
    assert zoo.on_target("alias") == "alias-target"
    assert zoo.on_target("new\nline.txt") == "newline"
    assert "=======" in zoo.on_target("merging.txt")


# What must not happen


def test_nothing_of_the_users_has_changed_but_the_target(zoo: Scene) -> None:
    assert look(zoo.stage.project) == zoo.before


def test_no_hook_filter_or_monitor_ran_neither_the_agents_nor_the_users(zoo: Scene) -> None:
    assert zoo.witnesses == {"check.sh", "green-trees", "daemon.pid", "stubborn.pid"}


def test_no_process_is_left(zoo: Scene) -> None:
    assert not is_running(zoo.stage.outside / "daemon.pid")
    assert not is_running(zoo.stage.outside / "stubborn.pid")


def test_no_folder_is_left_but_those_whose_work_could_not_be_saved(zoo: Scene) -> None:
    attempts = zoo.stage.project.root.parent / "home" / ".cache" / "concertmaster" / "attempts"
    named = {zoo.attempts(name)[-1]["folder"] for name in ("impostor", "away")}
    assert {str(path) for path in attempts.iterdir()} == named
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
    assert "put aside, it lay outside the worktree: stray.txt" in notes


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


# Agents that need a run of their own


def test_who_hangs_is_ended_and_who_kills_its_guard_is_tried_again(stage: Stage) -> None:
    stage.task("good", "echo good > good.txt")
    stage.task(
        "hang",
        """
        trap '' TERM INT
        echo work > hang.txt
        sleep 300 & echo $! > OUTSIDE/hang.pid
        wait; sleep 300
        """,
    )
    stage.task(
        "lost",
        """
        echo work > lost.txt
        setsid sleep 300 & echo $! > OUTSIDE/lost.pid
        kill -9 $PPID; sleep 300
        """,
    )
    stage.task(
        "lost-once",
        """
        echo work > lost-once.txt
        if test -e OUTSIDE/lost-once.pid; then exit 0; fi
        setsid sleep 300 & echo $! > OUTSIDE/lost-once.pid
        kill -9 $PPID; sleep 300
        """,
    )
    link = shlex.quote(str(stage.project.root))
    stage.task("through-link", f"ln -s {link} link; echo written > link/through-link.txt")
    scene = stage.run("--check", "true", "--timeout", "5s", "--parallel", "5")
    assert [a["outcome"] for a in scene.attempts("hang")] == ["timed_out", "timed_out"]
    assert [a["outcome"] for a in scene.attempts("lost")] == ["lost", "lost"]
    assert "its guard process was killed" in scene.task("lost")["reason"]
    assert [a["outcome"] for a in scene.attempts("lost-once")] == ["lost", "succeeded"]
    assert scene.kept("hang", "hang.txt") == scene.kept("lost", "lost.txt") == "work"
    assert scene.task("good")["state"] == scene.task("lost-once")["state"] == "landed"
    for pid_file in stage.outside.glob("*.pid"):
        assert not is_running(pid_file)
    # Without a sandbox nobody can keep a program of the user's from the user's files; but
    # nothing of it lands, and the README says so.
    assert (stage.project.root / "through-link.txt").read_text() == "written\n"
    assert [a["outcome"] for a in scene.attempts("through-link")] == ["refused"]
    (stage.project.root / "through-link.txt").unlink()
    assert look(stage.project) == scene.before


def test_whose_worktree_was_destroyed_is_tried_again(stage: Stage) -> None:
    stage.task("good", "echo good > good.txt")
    stage.task(
        "victim",
        """
        if ! test -e OUTSIDE/ready; then
            touch OUTSIDE/ready
            while test -d "$PWD"; do sleep 0.02; done
        fi
        echo victim > victim.txt
        """,
    )
    stage.task(
        "vandal",
        """
        while ! test -e OUTSIDE/ready; do sleep 0.02; done
        rm -rf ../../victim-*-1-*
        echo vandal > vandal.txt
        """,
    )
    scene = stage.run("--check", "true", "--parallel", "5", "--timeout", "20s")
    assert scene.done.code == 0, scene.done
    assert [a["outcome"] for a in scene.attempts("victim")] == ["lost", "succeeded"]
    assert look(stage.project) == scene.before


def test_who_destroys_everything_that_is_there_can_still_be_tried_again(stage: Stage) -> None:
    stage.task(
        "vandal",
        """
        if test -e OUTSIDE/rubble; then echo vandal > vandal.txt; exit; fi
        touch OUTSIDE/rubble
        rm -rf "$(realpath ../..)"
        """,
    )
    scene = stage.run("--check", "true")
    assert scene.done.code == 0, scene.done
    assert [a["outcome"] for a in scene.attempts("vandal")] == ["lost", "succeeded"]


def test_what_lies_above_a_worktree_does_not_reach_its_check_or_that_of_others(
    stage: Stage,
) -> None:
    stage.project.git("stash", "push", "--quiet")
    test = "def test_value():\n    assert open('value.txt').read() == '1\\n'\n"
    stage.project.commit("Test", {"test_value.py": test, "value.txt": "1\n"})
    stage.project.git("stash", "pop", "--quiet", "--index")
    stage.task(
        "conftest",
        """
        echo 2 > value.txt
        printf 'def pytest_sessionfinish(session):\\n    session.exitstatus = 0\\n' > ../conftest.py
        echo '[pytest]' > ../pytest.ini
        cp ../conftest.py ../pytest.ini ../..
        """,
    )
    stage.task("good", "echo good > good.txt")
    check = f"{shlex.quote(sys.executable)} -m pytest -q -p no:cacheprovider test_value.py"
    scene = stage.run("--check", check, CONCERTMASTER_ATTEMPTS="1")
    assert scene.task("conftest")["state"] == "failed"
    assert "1 failed" in scene.task("conftest")["reason"]
    assert scene.task("good")["state"] == "landed"

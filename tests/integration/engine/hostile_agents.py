"""Stages runs of hostile agents: their scripts, the user's repository, and what a run left."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

import psutil

from tests.commandline import OBEDIENT_COMMAND, Done, concertmaster, write_prompt
from tests.conftest import Project

HOOKS = (
    "pre-commit commit-msg post-commit post-checkout post-merge post-rewrite pre-push"
    " reference-transaction post-index-change fsmonitor-watchman pre-auto-gc"
).split()

# The check notes each tree that passes; a tree with `red.txt` does not pass.
CHECK = """
if test -e red.txt; then cat red.txt; exit 1; fi
git rev-parse 'HEAD^{tree}' >> 'OUTSIDE/green-trees' 2>/dev/null || true
"""

# Scripts by name. Each of these may land, because its tree passes the check.
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
    "owner": "echo '{}' > ../owner.json; rm -rf $TMPDIR; echo owner > owner.txt",
    "inside-link": "echo changed > alias/file.txt",
    "embedded": """
        mkdir sub; cd sub; git init --quiet; echo embedded > embedded.txt
        git -c user.name=a -c user.email=b commit --quiet --allow-empty -m 1
        cp embedded.txt ..
        """,
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

# By name: the script, a part of the reason, and the file of its work that is kept.
FAILS = {
    "no-diff": ("echo '{\"no_op\": 1'", "without changing anything", ""),
    "last-words": ("echo I am; echo at a loss", "its last words: I am at a loss", ""),
    "elsewhere": (
        "git checkout -qb side; echo x > y.txt; git add .; git commit -qmx; git checkout -q -",
        "left work elsewhere, which the notes name",
        "",
    ),
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
    "link": (
        "mkdir links; ln -s OUTSIDE links/out; echo work > link.txt",
        "links/out: a symbolic link to ",
        "link.txt",
    ),
    "impostor": ("cd ..; rm -rf project; ln -s OUTSIDE project", "removed or replaced", ""),
    "away": ("cd ..; mv project elsewhere", "removed or replaced", ""),
    "climbing-link": ("ln -s ../../stray.txt climbing", "outside the repository", "climbing"),
}
CLAUDE = ("garbage", "no-end")

Row = Mapping[str, Any]


@dataclass(kw_only=True)
class Stage:
    """A user's repository, busy with other things, and the prompts of a run on it."""

    project: Project
    outside: Path  # the folder in which scripts leave files for the test
    prompts: list[str] = field(default_factory=list)

    def task(self, name: str, script: str, *, head: str = "", title: str = "") -> None:
        script = dedent(script).replace("OUTSIDE", str(self.outside))
        # Agents that wait for each other have to run at the same time.
        head = head or f"touches: [{name}.txt]"
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
        place = {"CONCERTMASTER_WORKTREES": str(self.project.root.parent)}
        return concertmaster(*arguments, cwd=self.project.root, env=place | env)

    def forget(self, pattern: str) -> None:
        for witness in self.outside.glob(pattern):
            witness.unlink()


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A run that is over, with the state of the user's repository before it."""

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
        """Return the file on the branch of a task that did not land."""
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
    """Leave worktrees, stashes, hooks and changes in the repository, as a user may have."""
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
    """Return everything of the user that no run may change."""
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


def is_running(pid_file: Path) -> bool:
    pid = int(pid_file.read_text())
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE

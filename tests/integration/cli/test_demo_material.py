"""The demo's prompts merge, conflict and break the check as its story says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import reduce
from pathlib import Path

import pytest

pytestmark = pytest.mark.matrix

DEMO = Path(__file__).parents[3] / "examples" / "demo"
AGENT = (sys.executable, str(DEMO / "agent.py"), "--pace=0")
CHECK = (sys.executable, "-m", "unittest", "-q")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Mira",
    "GIT_AUTHOR_EMAIL": "mira@example.org",
    "GIT_COMMITTER_NAME": "Mira",
    "GIT_COMMITTER_EMAIL": "mira@example.org",
}

INDEPENDENT = ("clear-parse-errors", "handbook")
CHAIN = ("json-export", "json-command")
COLLISION = ("discount-tenth-piece", "discount-students")
SEMANTIC = ("currency-of-an-order", "shelf-labels")
TASKS = (*INDEPENDENT, *CHAIN, *COLLISION, *SEMANTIC)
IMPLEMENTED = "receipt-numbers"


def run(
    command: Sequence[str], folder: Path, *, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, input=stdin, env=ENVIRONMENT, text=True, encoding="utf-8",
        capture_output=True, check=False,
    )  # fmt: skip


def prompt_of(name: str) -> str:
    return (DEMO / "prompts" / f"{name}.md").read_text(encoding="utf-8")


@dataclass(frozen=True, kw_only=True)
class Shop:
    """The demo's project as a git repository; each commit gets its own worktree."""

    folder: Path
    made: dict[tuple[str, str], str] = field(default_factory=dict)

    @property
    def base(self) -> str:
        return self.git("rev-parse", "main")

    def git(self, *arguments: str, folder: Path | None = None) -> str:
        done = run(("git", *arguments), folder or self.folder)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def open_worktree(self, commit: str) -> Path:
        folder = self.folder.parent / f"tree-{len(list(self.folder.parent.iterdir()))}"
        self.git("worktree", "add", "--quiet", "--detach", str(folder), commit)
        return folder

    def head(self, name: str, on: str = "") -> str:
        """Return the commit that the agent makes for the prompt on top of `on`."""
        on = on or self.base
        if (name, on) not in self.made:
            tree = self.open_worktree(on)
            answer = run(AGENT, tree, stdin=prompt_of(name))
            assert answer.returncode == 0, answer.stdout
            self.git("add", "--all", folder=tree)
            self.git("commit", "--quiet", "--message", name, folder=tree)
            self.made[name, on] = self.git("rev-parse", "HEAD", folder=tree)
        return self.made[name, on]

    def merges(self, ours: str, theirs: str) -> bool:
        done = run(("git", "merge-tree", "--write-tree", ours, theirs), self.folder)
        assert done.returncode in (0, 1), done.stderr
        return done.returncode == 0

    def merge(self, ours: str, theirs: str) -> str:
        tree = self.git("merge-tree", "--write-tree", ours, theirs)
        return self.git("commit-tree", "-p", ours, "-p", theirs, "-m", "merge", tree)

    def check(self, commit: str) -> subprocess.CompletedProcess[str]:
        return run(CHECK, self.open_worktree(commit))

    def assert_green(self, commit: str) -> None:
        done = self.check(commit)
        assert done.returncode == 0, done.stderr

    def union(self, *without: str) -> str:
        """Return the merge of all tasks except those of `without`.

        Chains and collisions are built in order.
        """
        first, second = COLLISION
        heads = {name: self.head(name) for name in (*INDEPENDENT, *SEMANTIC)}
        heads["chain"] = self.head(CHAIN[1], self.head(CHAIN[0]))
        heads["collision"] = self.head(second, self.head(first))
        kept = [head for name, head in heads.items() if name not in without]
        return reduce(self.merge, kept)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    folder = tmp_path_factory.mktemp("shop") / "project"
    without_caches = shutil.ignore_patterns("__pycache__")
    shutil.copytree(DEMO / "project", folder, ignore=without_caches)
    shutil.copytree(DEMO / "prompts", folder / "prompts")
    shop = Shop(folder=folder)
    shop.git("init", "--quiet", "--initial-branch=main")
    shop.git("add", "--all")
    shop.git("commit", "--quiet", "--message", "inkwell 0.3.0")
    return shop


def test_the_check_passes_at_the_base(shop: Shop) -> None:
    shop.assert_green(shop.base)


def test_the_project_names_the_check_that_these_tests_run() -> None:
    settings = (DEMO / "project" / "concertmaster.yml").read_text(encoding="utf-8")
    assert "\ncheck: python3 -m unittest -q\n" in settings


def test_each_prompt_but_the_implemented_one_has_edits() -> None:
    prompts = {path.stem for path in (DEMO / "prompts").glob("*.md")}
    edits = {path.stem for path in (DEMO / "edits").glob("*.toml")}
    assert prompts == {*TASKS, IMPLEMENTED}
    assert edits == set(TASKS)


@pytest.mark.parametrize("name", TASKS)
def test_edits_are_found_by_the_first_heading_of_their_prompt(name: str) -> None:
    recording = tomllib.loads((DEMO / "edits" / f"{name}.toml").read_text(encoding="utf-8"))
    heading = next(row for row in prompt_of(name).splitlines() if row.startswith("#"))
    assert heading == f"# {recording['title']}"


def test_the_implemented_prompt_says_so_in_its_heading() -> None:
    assert "IMPLEMENTED" in prompt_of(IMPLEMENTED).splitlines()[0]


@pytest.mark.parametrize("name", [name for name in TASKS if name != CHAIN[1]])
def test_a_task_passes_alone(shop: Shop, name: str) -> None:
    shop.assert_green(shop.head(name))


def test_the_dependent_task_passes_on_its_need_only(shop: Shop) -> None:
    need, dependent = CHAIN
    shop.assert_green(shop.head(dependent, shop.head(need)))
    assert shop.check(shop.head(dependent)).returncode != 0


def test_the_colliding_tasks_conflict_side_by_side(shop: Shop) -> None:
    assert not shop.merges(*map(shop.head, COLLISION))


@pytest.mark.parametrize(("first", "second"), [COLLISION, COLLISION[::-1]])
def test_the_colliding_tasks_stack_in_either_order(shop: Shop, first: str, second: str) -> None:
    stacked = shop.head(second, shop.head(first))
    shop.assert_green(stacked)
    rules = shop.git("show", f"{stacked}:inkwell/discount.py").partition("RULES = [")[2]
    assert {"members,", "students,", "tenth_piece,"} <= set(rules.split())


def test_the_semantic_pair_shares_no_path(shop: Shop) -> None:
    ours, theirs = (
        set(shop.git("diff", "--name-only", shop.base, shop.head(name)).splitlines())
        for name in SEMANTIC
    )
    assert not ours & theirs


def test_the_semantic_pair_merges_and_fails_together(shop: Shop) -> None:
    done = shop.check(shop.merge(*map(shop.head, SEMANTIC)))
    assert done.returncode != 0
    assert "missing 1 required keyword-only argument: 'currency'" in done.stderr
    assert "inkwell/labels.py" in done.stderr


@pytest.mark.parametrize(("first", "second"), [SEMANTIC, SEMANTIC[::-1]])
def test_either_of_the_semantic_pair_can_be_repaired_onto_the_other(
    shop: Shop, first: str, second: str
) -> None:
    shop.assert_green(shop.head(second, shop.head(first)))


@pytest.mark.parametrize("culprit", SEMANTIC)
def test_a_repair_may_start_from_the_red_merge(shop: Shop, culprit: str) -> None:
    red = shop.merge(*map(shop.head, SEMANTIC))
    shop.assert_green(shop.head(culprit, red))


def test_the_union_of_all_is_red(shop: Shop) -> None:
    assert shop.check(shop.union()).returncode != 0


@pytest.mark.parametrize("left_out", SEMANTIC)
def test_the_union_without_one_of_the_semantic_pair_is_green(shop: Shop, left_out: str) -> None:
    shop.assert_green(shop.union(left_out))


def test_the_agent_finds_the_prompt_in_the_middle_of_other_text(shop: Shop) -> None:
    tree = shop.open_worktree(shop.base)
    wrapped = f"# Your task\n\nBe brief.\n\n{prompt_of('handbook')}\n# Rules\n\n- Do not commit.\n"
    answer = run(AGENT, tree, stdin=wrapped)
    assert answer.returncode == 0
    assert "no model" in answer.stdout
    assert (tree / "docs" / "handbook.md").exists()


def test_the_agent_changes_nothing_the_second_time(shop: Shop) -> None:
    tree = shop.open_worktree(shop.head(SEMANTIC[0]))
    answer = run(AGENT, tree, stdin=prompt_of(SEMANTIC[0]))
    assert answer.returncode == 0
    assert shop.git("status", "--porcelain", folder=tree) == ""


@pytest.mark.parametrize("prompt", ["", "# Write a novel\n", prompt_of(IMPLEMENTED)])
def test_the_agent_refuses_a_prompt_that_it_does_not_know(shop: Shop, prompt: str) -> None:
    tree = shop.open_worktree(shop.base)
    answer = run(AGENT, tree, stdin=prompt)
    assert answer.returncode == 1
    assert "no heading of this prompt is one I have edits for" in answer.stdout
    assert shop.git("status", "--porcelain", folder=tree) == ""


def test_the_agent_writes_nothing_where_its_edits_do_not_fit(shop: Shop) -> None:
    tree = shop.open_worktree(shop.base)
    (tree / "tests" / "test_discount.py").write_text("", encoding="utf-8")
    answer = run(AGENT, tree, stdin=prompt_of(COLLISION[0]))
    assert answer.returncode == 1
    assert "tenth_piece" not in (tree / "inkwell" / "discount.py").read_text(encoding="utf-8")


def test_the_agent_does_not_follow_a_link_out_of_its_worktree(shop: Shop, tmp_path: Path) -> None:
    tree = shop.open_worktree(shop.base)
    (tree / "docs").symlink_to(tmp_path, target_is_directory=True)
    answer = run(AGENT, tree, stdin=prompt_of("handbook"))
    assert answer.returncode == 1
    assert "leads out of the worktree" in answer.stdout
    assert list(tmp_path.iterdir()) == []

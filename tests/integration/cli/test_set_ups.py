"""Tests whole runs in the set-ups of repositories that docs/repositories.md names."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from pathlib import Path

import pytest

from tests.commandline import OBEDIENT_COMMAND, concertmaster, write_prompt
from tests.conftest import Project, in_matrix

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "repositories.md"
ALLOW = ("-c", "protocol.file.allow=always")
DATABASE = """\
import sqlite3, sys
with sqlite3.connect("shop.db") as shop:
    if sys.argv[1] == "make":
        shop.execute("create table visits (name)")  # fails where there is one
    count, = shop.execute("select count(*) from visits").fetchone()
sys.exit(count)
"""


def run(checkout: Project, script: str, *options: str, cwd: str = "") -> list[str]:
    """Run two prompts with an agent that runs the script; return the files that landed."""
    base = checkout.git("rev-parse", "HEAD")
    prompts = [
        str(checkout.root / write_prompt(checkout, "one", script)),
        str(checkout.root / write_prompt(checkout, "two", "echo 2 > two.txt")),
    ]
    given = ("--agent-command", OBEDIENT_COMMAND, *(options or ("--check", "true")))
    done = concertmaster("run", *prompts, *given, cwd=checkout.root / cwd)
    assert done.code == 0, done.out + done.err
    checkout.git("reset", "--quiet", "HEAD")
    assert checkout.git("status", "--porcelain", "--untracked-files=no") == ""
    return checkout.git("diff", "--name-only", base, "HEAD").split("\n")


def clone(project: Project, folder: Path, *options: str) -> Project:
    """Return a clone that has a user of its own."""
    project.git("clone", "--quiet", *options, f"file://{project.root}", str(folder))
    checkout = copy(project)
    checkout.root = folder
    checkout.git("config", "user.name", "Ada")
    checkout.git("config", "user.email", "ada@example.org")
    return checkout


def sparse(project: Project, folder: Path) -> None:
    """A file outside the part that is checked out is changed, and stays outside."""
    project.commit("More", {"far/away.txt": "1\n"})
    checkout = clone(project, folder, "--sparse")
    assert not (checkout.root / "far").exists()
    landed = run(checkout, "echo 2 > far/away.txt")
    assert landed == ["far/away.txt", "two.txt"]
    assert not (checkout.root / "far").exists()
    assert (checkout.root / "two.txt").exists()


def line_endings(project: Project, folder: Path) -> None:
    """Files have CRLF in the checkout and LF in commits; one edited line is one changed line."""
    text = "a\nb\nc\n"
    project.commit("Text", {".gitattributes": "*.txt text eol=crlf\n", "x.txt": text})
    checkout = clone(project, folder)
    checkout.git("config", "core.autocrlf", "true")
    landed = run(checkout, "sed -i 's/^b/B/' x.txt")
    assert landed == ["two.txt", "x.txt"]
    assert (checkout.root / "x.txt").read_bytes() == b"a\r\nB\r\nc\r\n"
    assert checkout.git("cat-file", "blob", "HEAD:x.txt") == "a\nB\nc"
    assert checkout.git("log", "-1", "--format=", "--numstat", "--", "x.txt") == "1\t1\tx.txt"


def submodules(project: Project, folder: Path) -> None:
    """Setup brings a submodule, which the check needs."""
    library = Project(folder.with_name("library"))
    project.git(*ALLOW, "submodule", "--quiet", "add", str(library.root), "lib")
    project.commit("Submodule", {})
    bring = "git -c protocol.file.allow=always submodule --quiet update --init"
    landed = run(project, "cat lib/a.txt > one.txt", "--setup", bring, "--check", "cat lib/a.txt")
    assert landed == ["one.txt", "two.txt"]


def database(project: Project, folder: Path) -> None:
    """Setup makes a database for each worktree, which no other one writes to."""
    project.commit("Database", {"db.py": DATABASE, ".gitignore": "*.db\n"})
    python = f"'{sys.executable}' db.py"
    commands = ("--setup", f"{python} make", "--check", f"{python} check")
    assert run(project, "echo 1 > one.txt", *commands) == ["one.txt", "two.txt"]
    assert not (project.root / "shop.db").exists()


def case_twins(project: Project, folder: Path) -> None:
    """Two names that differ in case only are two files."""
    project.commit("Twins", {"README": "upper\n", "readme": "lower\n"})
    assert run(project, "echo changed > readme") == ["readme", "two.txt"]
    assert (project.root / "README").read_text() == "upper\n"
    assert (project.root / "readme").read_text() == "changed\n"


def monorepo(project: Project, folder: Path) -> None:
    """A run that starts in one package works on the whole repository, and checks from its root."""
    project.commit("Packages", {"packages/a/x": "1\n", "packages/b/x": "1\n"})
    script = "echo 2 > packages/a/x; echo 2 > packages/b/x"
    landed = run(project, script, "--check", "test -d packages/b", cwd="packages/a")
    assert landed == ["packages/a/x", "packages/b/x", "two.txt"]


def shallow(project: Project, folder: Path) -> None:
    """A clone with one commit is enough."""
    project.commit("Second", {"a.txt": "2\n"})
    checkout = clone(project, folder, "--depth=1")
    assert run(checkout, "echo 1 > one.txt") == ["one.txt", "two.txt"]


def sha256(project: Project, folder: Path) -> None:
    """Object ids may have 64 digits."""
    checkout = copy(project)
    checkout.root = folder
    subprocess.run(
        ["git", "init", "--quiet", "--object-format=sha256", "-b", "main", str(folder)], check=True
    )
    checkout.git("config", "user.name", "Ada")
    checkout.git("config", "user.email", "ada@example.org")
    checkout.commit("Start", {"a.txt": "a\n"})
    assert run(checkout, "echo 1 > one.txt") == ["one.txt", "two.txt"]


def hub(project: Project, folder: Path) -> None:
    """A bare repository with worktrees gets the result into the worktree of the target."""
    project.git("clone", "--quiet", "--bare", ".", str(folder / ".bare"))
    checkout = copy(project)
    checkout.root = folder / ".bare"
    checkout.git("worktree", "add", "--quiet", str(folder / "main"), "main")
    checkout.git("config", "user.name", "Ada")
    checkout.git("config", "user.email", "ada@example.org")
    checkout.root = folder / "main"
    assert run(checkout, "echo 1 > one.txt") == ["one.txt", "two.txt"]
    assert (folder / "main" / "one.txt").read_text() == "1\n"


SET_UPS: list[Callable[[Project, Path], None]] = [submodules]
FURTHER = [database, sparse, line_endings, case_twins, monorepo, shallow, sha256, hub]


@pytest.mark.parametrize("set_up", [*SET_UPS, *in_matrix(FURTHER)])
def test_results_land_in(
    project: Project, tmp_path: Path, set_up: Callable[[Project, Path], None]
) -> None:
    set_up(project, tmp_path / "checkout")


def test_every_set_up_of_the_page_names_tests_that_exist() -> None:
    _, _, section = PAGE.read_text().partition("\n## Set-ups\n")
    rows = [line for line in section.split("\n## ")[0].split("\n") if line.startswith("| ")][1:]
    assert len(rows) >= 14
    own = {made.__name__ for made in (*SET_UPS, *FURTHER)}
    for row in rows:
        held = row.strip("| ").rpartition("|")[2]
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", held)
        assert named, row
        for file, test in named:
            text = (ROOT / file).read_text()
            assert not test or re.search(rf"^def {test}\(", text, re.MULTILINE), row
            own.discard(test)
    assert own == set(), "these set-ups have no row"

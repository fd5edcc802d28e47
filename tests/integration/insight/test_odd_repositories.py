"""Odd trees and clones: what is foreseen stays, and nothing crashes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from concertmaster.git.repository import Repository
from concertmaster.insight.facts_cache import NoCache
from concertmaster.insight.foresight import Foresight, foresee
from concertmaster.insight.repository_reader import RepositoryReader
from concertmaster.prompts.parser import parse_prompt
from tests.conftest import Project, in_matrix

MONEY = "src/shop/money.py"
SOURCE = b"class Money:\n    def round_half(self):\n        return self\n"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize 12345\n" % (b"a" * 64)
ODD: dict[bytes, tuple[bytes, bytes]] = {
    b"binary.py": (b"100644", bytes(range(256)) * 40),
    b"latin.py": (b"100644", "def gemütlich():\n".encode("latin-1") * 40),
    b"utf16.py": (b"100644", "class Money:\n".encode("utf-16")),
    b"one-line.js": (b"100644", b"var money=[" + b"1," * 400_000 + b"];"),
    b"open.py": (b"100644", b"(" * 20_000 + b"'''" + b"\\" * 20_000),
    b"large.bin": (b"100644", POINTER),
    b"loop": (b"120000", b"loop"),
    b"up": (b"120000", b"../../.."),
    b"src/shop/MONEY.py": (b"100644", b"case = 'twin'\n"),
    b'"new\\nline.py"': (b"100644", b"class Money: pass\n"),
    b'"caf\\351.py"': (b"100644", b"class Money: pass\n"),
    b'"tab\\tquote\\".py"': (b"100755", b"x = 1\n"),
    b"empty.py": (b"100644", b""),
}


def fast_import(folder: Path, commits: Iterator[bytes]) -> None:
    command = ["git", "-C", str(folder), "fast-import", "--quiet", "--force"]
    subprocess.run(command, input=b"".join(commits), check=True)


def write_commits(files: dict[bytes, tuple[bytes, bytes]], *, more: int = 0) -> Iterator[bytes]:
    """Yield a first commit with the files, and `more` commits that change one of them."""
    head = b"commit refs/heads/main\ncommitter Ada <ada@example.org> %d +0000\ndata %d\n%s\n"
    yield head % (1, 5, b"Start")
    yield b"M 160000 %s vendor/module\n" % (b"1" * 40)
    for path, (mode, data) in files.items():
        yield b"M %s inline %s\ndata %d\n%s\n" % (mode, path, len(data), data)
    for number in range(more):
        data = SOURCE + b"# %d\n" % number
        yield head % (2 + number, 12, b"Money rounds")
        yield b"M 100644 inline %s\ndata %d\n%s\n" % (MONEY.encode(), len(data), data)


@pytest.fixture
def odd(project: Project) -> Project:
    files = {MONEY.encode(): (b"100644", SOURCE), **ODD}
    fast_import(project.root, write_commits(files, more=70))
    return project


def look(folder: Path) -> Foresight:
    repository = Repository.open(folder)
    prompt = parse_prompt(b"# Rounding\n\n`Money.round_half` rounds up", path="prompts/a.md")
    return foresee([prompt], repository=repository, base=repository.resolve("main"), cache=None)


def likeliest(seen: Foresight) -> str:
    return seen.forecasts[0].entries[0].path


def clone(project: Project, folder: Path, *options: str) -> Path:
    project.git("clone", "--quiet", *options, f"file://{project.root}", str(folder))
    return folder


def test_odd_files_hide_nothing(odd: Project) -> None:
    assert likeliest(look(odd.root)) == MONEY


def test_links_and_submodules_are_no_files(odd: Project) -> None:
    repository = Repository.open(odd.root)
    files = RepositoryReader(repository, NoCache()).list_files(repository.resolve("main"))

    assert {file.path for file in files}.isdisjoint({"loop", "up", "vendor/module"})
    assert {file.path for file in files} >= {MONEY, "large.bin", "new\nline.py", "empty.py"}


def test_a_sparse_checkout_is_foreseen_whole(odd: Project, tmp_path: Path) -> None:
    folder = clone(odd, tmp_path / "sparse", "--sparse")

    assert look(folder) == look(odd.root)


def test_a_shallow_clone_is_foreseen_with_the_history_that_it_has(
    odd: Project, tmp_path: Path
) -> None:
    seen = look(clone(odd, tmp_path / "shallow", "--depth=3"))

    assert likeliest(seen) == MONEY
    assert seen.calibration.commits == 0


@pytest.mark.parametrize("files", [2_000, *in_matrix([100_000])])
def test_many_files_in_one_folder_come_to_an_end(project: Project, files: int) -> None:
    many = {b"data/file%d.json" % n: (b"100644", b"{}\n") for n in range(files)}
    fast_import(project.root, write_commits({MONEY.encode(): (b"100644", SOURCE), **many}))

    assert likeliest(look(project.root)) == MONEY

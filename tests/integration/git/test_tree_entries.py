"""Files are written into trees, and attributes are read, as an index of the whole tree would."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from concertmaster.errors import GitFault
from concertmaster.git.merge_conflict import FileVersion
from concertmaster.git.run_repository import RunRepository
from tests.conftest import Project

FILES = {"a.md": "1\n", "b/c.txt": "2\n", "b/d/e.txt": "3\n", "b.txt": "4\n", "bin/run": "5\n"}
ATTRIBUTES = {
    ".gitattributes": "*.md merge=union\n/b/d/* merge=binary\n",
    "b/.gitattributes": "c.txt -merge\n*.rst merge\n",
    "b/d/.gitattributes": "e.txt merge=ours\n",
}


@pytest.fixture
def objects(project: Project, tmp_path: Path) -> RunRepository:
    project.commit("Files", {**FILES, **ATTRIBUTES})
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


def put_by_index(objects: RunRepository, tree: str, entries: Mapping[str, FileVersion]) -> str:
    with objects.index_of(tree) as git:
        for path, entry in entries.items():
            git.run("update-index", "--add", "--cacheinfo", f"{entry.mode},{entry.blob},{path}")
        return git.run("write-tree")


@pytest.mark.parametrize(
    "paths",
    [
        ["a.md"],
        ["new.md"],
        ["b/d/e.txt"],
        ["b/c.txt", "b/d/e.txt", "a.md"],
        ["new/one.txt", "new/two/three.txt", "b/new.txt"],
        ["b.txt", "b/0", "b-c", "b0"],  # git sorts a folder as if its name ended in a slash
        ["Ämter/\udcff.txt", "b/with\nline\ttab.txt", 'q"uote.txt'],
    ],
)
def test_a_tree_holds_the_files_as_an_index_would_write_it(
    project: Project, objects: RunRepository, paths: list[str]
) -> None:
    base = project.git("rev-parse", "HEAD")
    blob = objects.write_blob(b"new\n")
    entries = {
        path: FileVersion(mode=("100644", "100755")[number % 2], blob=blob)
        for number, path in enumerate(paths)
    }

    made = objects.put_entries(base, entries)
    assert made == put_by_index(objects, base, entries)
    assert {change.path for change in objects.changes(base, made)} == {*paths}


@pytest.mark.parametrize("path", ["a.md/b.txt", "b", "b/d"])
def test_a_file_takes_no_folder_s_place_nor_the_other_way_round(
    project: Project, objects: RunRepository, path: str
) -> None:
    entry = FileVersion(mode="100644", blob=objects.write_blob(b"new\n"))

    with pytest.raises(GitFault, match="is a folder on one side and a file on the other"):
        objects.put_entries(project.git("rev-parse", "HEAD"), {path: entry})


def test_attributes_are_those_of_the_tree(project: Project, objects: RunRepository) -> None:
    base = project.git("rev-parse", "HEAD")
    paths = (*FILES, "b/new.rst", "x/y.md", "b/d/with\nline")

    found = objects.find_attribute(base, "merge", paths)
    assert found == {
        "a.md": "union",
        "b/c.txt": "unset",
        "b/d/e.txt": "ours",
        "b.txt": "unspecified",
        "bin/run": "unspecified",
        "b/new.rst": "set",
        "x/y.md": "union",
        "b/d/with\nline": "binary",
    }
    project.git("rm", "--quiet", "b/.gitattributes")
    later = project.commit("Less", {})
    assert objects.find_attribute(later, "merge", ["b/c.txt"]) == {"b/c.txt": "unspecified"}

"""Which paths a tree could hold."""

from __future__ import annotations

import pytest

from concertmaster.insight.tree_paths import TreePaths

TREE = TreePaths(["README.md", "src/app/main.py"])


@pytest.mark.parametrize(
    "path",
    [
        "README.md",
        "src",
        "src/",
        "src/app/main.py",
        "src/new.py",
        "new.py",
        "docs/how/to.md",
        "./a/b.py",
    ],
)
def test_a_path_may_be_new_and_lie_in_a_new_folder(path: str) -> None:
    assert TREE.could_hold(path)


@pytest.mark.parametrize(
    "path",
    ["/etc/passwd", "./../x", "../up.py", "src/../../up.py", "a//b", ".git/config", "README.md/x"],
)
def test_a_path_that_leaves_the_tree_or_lies_below_a_file_has_no_place(path: str) -> None:
    assert not TREE.could_hold(path)

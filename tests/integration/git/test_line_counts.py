"""The lines that changes add and remove are counted with one git process."""

from __future__ import annotations

from concertmaster.git.line_counts import LineCount, count_lines, find_trees
from concertmaster.git.repository import Repository
from tests.conftest import Project


def test_the_lines_of_several_changes_are_counted(project: Project) -> None:
    trees = [project.git("rev-parse", "HEAD^{tree}")]
    odd = 'we"ird\nnämé\t.txt'
    for files in ({"a.txt": "a\nb\nc\n", odd: "x\n"}, {"b.txt": "\0\1\n"}, {}):
        if files:
            project.commit("Next", files)
        trees.append(project.git("rev-parse", "HEAD^{tree}"))
    first, second, third, same = trees

    git = Repository.open(project.root).git
    found = count_lines(git, [(first, second), (third, same), (second, third), (first, second)])

    assert found == {
        (first, second): (
            LineCount(path="a.txt", added=2, removed=0),
            LineCount(path=odd, added=1, removed=0),
        ),
        (third, same): (),
        (second, third): (LineCount(path="b.txt", added=None, removed=None),),
    }


def test_the_trees_of_many_commits_are_found_at_once(project: Project) -> None:
    git = Repository.open(project.root).git
    head, tree = project.git("rev-parse", "HEAD"), project.git("rev-parse", "HEAD^{tree}")
    assert find_trees(git, [head, "0" * 39 + "1", head]) == {head: tree}
    assert find_trees(git, []) == {}


def test_no_change_is_nothing_to_count(project: Project) -> None:
    assert count_lines(Repository.open(project.root).git, []) == {}

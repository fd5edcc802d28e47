from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pathspec import GitIgnoreSpec

from concertmaster.errors import UsageError
from concertmaster.text.globs import expand, is_literal, match
from tests.cpu_limit import cpu_limit

TREE = (".github/ci.yml", "README.md", "docs/README.md", "docs/a/b.md", "src/a.py", "src/x/b.py")


@pytest.mark.parametrize(
    ("globs", "matched"),
    [
        (["*.py"], ["src/a.py", "src/x/b.py"]),
        (["src/*.py"], ["src/a.py"]),
        (["src/**/*.py"], ["src/a.py", "src/x/b.py"]),
        (["README.md"], ["README.md", "docs/README.md"]),
        (["/README.md"], ["README.md"]),
        (["docs/"], ["docs/README.md", "docs/a/b.md"]),
        (["docs"], ["docs/README.md", "docs/a/b.md"]),
        ([".github/**"], [".github/ci.yml"]),
        (["src/[ax].py"], ["src/a.py"]),
        (["src/?.py"], ["src/a.py"]),
        (["src/[[a].py"], ["src/a.py"]),
        (["*.md", "!docs/README.md"], ["README.md", "docs/a/b.md"]),
        (["# comment", ""], []),
        ([], []),
    ],
)
def test_globs_mean_what_they_mean_to_git(globs: list[str], matched: list[str]) -> None:
    assert expand(globs, TREE) == tuple(matched)
    assert [path for path in TREE if match(globs, path)] == matched


@pytest.mark.parametrize("glob", ["!", "a\\", "[b-a]", "*a*a*a*a*a*a*a*a*b"])
def test_a_glob_that_git_or_the_clock_would_not_accept_is_a_usage_error(glob: str) -> None:
    with pytest.raises(UsageError) as caught:
        match([glob], "a")
    assert caught.value.why
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("glob", "literal"),
    [
        ("src/a.py", True),
        ("src/", True),
        ("*.py", False),
        ("a?", False),
        ("[a]", False),
        ("!a", False),
        ("a\\*", False),
        ("#a", False),
    ],
)
def test_a_glob_is_literal_where_it_can_only_mean_what_it_spells(glob: str, literal: bool) -> None:
    assert is_literal(glob) is literal


@given(st.lists(st.text("ab*?[]^-!/\\# .", max_size=12), max_size=3), st.text("ab/.", max_size=12))
def test_any_glob_matches_or_is_a_usage_error(globs: list[str], path: str) -> None:
    with contextlib.suppress(UsageError):
        assert match(globs, path) in (True, False)


@pytest.mark.matrix
def test_the_costliest_glob_is_matched_against_a_large_tree() -> None:
    tree = [f"package{n}/aaaaaaaaaaaaaaaaaaaaaaaa{n}.py" for n in range(1000)]
    assert expand(["*a*a*a*a*a*z"], tree) == ()


PIECES = ("a", "b", "*", "/", "**/", "/**/", "?", "[ab]", "*a", ".", "\\*")


@given(
    st.lists(st.sampled_from(PIECES), min_size=1, max_size=7).map("".join),
    st.sampled_from(["", "/", "!"]),
    st.lists(st.sampled_from(["a", "b", ".", "ab", "/"]), min_size=1, max_size=9).map("".join),
)
def test_a_glob_matches_what_pathspec_matches_with_it(glob: str, start: str, path: str) -> None:
    path = re.sub("/+", "/", path).strip("/") or "a"
    globs = ["*", f"{start}{glob}"] if start == "!" else [f"{start}{glob}"]
    with contextlib.suppress(UsageError, ValueError):
        assert match(globs, path) == GitIgnoreSpec.from_lines(globs).match_file(path)


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("a*a*a*a*a*a*b", "a" * 100_000),
        ("a/**/b/**/b/**/b/**/b/**/c", "a" + "/b" * 50_000),
        ("**/a*/**/a*/**/a*b", "aa/" * 30_000),
    ],
)
def test_a_hostile_glob_takes_no_time(glob: str, path: str) -> None:
    with cpu_limit(seconds=20):
        assert not match([glob], path)

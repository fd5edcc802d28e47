"""Additions of two sides at one place are joined where that is safe, and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.landing.join_appends import join_appends
from concertmaster.landing.three_way import compare_sides

LIST = "PLUGINS = [\n    'one',\n{}]\n"
JSON = '{{\n  "files": [\n    "one"{}\n  ]\n}}\n'
JOINED = {
    "items of a changelog": ("CHANGES.md", "# 2\n\n- old\n{}", "- a\n", "- b\n", "- a\n- b\n"),
    "before the next heading": (
        "CHANGES.md",
        "# 2\n\n- old\n{}\n# 1\n\n- first\n",
        "- a\n  and more\n",
        "- b\n",
        "- a\n  and more\n- b\n",
    ),
    "a heading that both added": (
        "CHANGES.rst",
        "{}1.0\n---\n",
        "Unreleased\n----------\n\n- a\n\n",
        "Unreleased\n----------\n\n- b\n\n",
        "Unreleased\n----------\n\n- a\n- b\n\n",
    ),
    "paragraphs": ("README.md", "one\n{}", "\ntwo\n", "\nthree\n", "\ntwo\n\nthree\n"),
    "a file without a suffix": ("CHANGES", "* old\n{}", "* a\n", "* b\n", "* a\n* b\n"),
    "names to ignore": (".gitignore", "*.o\n{}", "a\nboth\n", "both\nb\n", "a\nboth\nb\n"),
    "items of a list": ("app.py", LIST, "    'a',\n", "    'b',\n", "    'a',\n    'b',\n"),
    "items of many lines": (
        "app.js",
        "const x = [\n{}];\n",
        "  {\n    a: 1,\n  },\n",
        "  {\n    b: 1\n  },\n",
        "  {\n    a: 1,\n  },\n  {\n    b: 1\n  },\n",
    ),
    "behind a last item without a comma": (
        "x.json",
        JSON,
        ',\n    "a"',
        ',\n    "b",\n    "c"',
        ',\n    "a",\n    "b",\n    "c"',
    ),
    "imports of Python": (
        "app.py",
        "import os\n{}\nx = 1\n",
        "import re\n",
        "import sys\nfrom a import b\n",
        "import re\nimport sys\nfrom a import b\n",
    ),
    "the same import is kept once": (
        "app.rs",
        "use a;\n{}\nfn main() {{}}\n",
        "use b;\nuse c;\n",
        "use d;\nuse b;\n",
        "use b;\nuse c;\nuse d;\n",
    ),
    "imports of Go": (
        "app.go",
        'import (\n\t"fmt"\n{})\n',
        '\t"os"\n',
        '\ttext "x/text"\n',
        '\t"os"\n\ttext "x/text"\n',
    ),
    "functions with names of their own": (
        "test_app.py",
        "def test_old():\n    pass\n{}",
        "\n\ndef test_a():\n    assert a\n",
        "\n\n@mark\ndef test_b():\n    assert b\n",
        "\n\ndef test_a():\n    assert a\n\n\n@mark\ndef test_b():\n    assert b\n",
    ),
    "functions in braces": (
        "app.js",
        "f();\n{}",
        "function a() {\n  g();\n}\n",
        "async function b(x) {\n  h();\n}\n",
        "function a() {\n  g();\n}\nasync function b(x) {\n  h();\n}\n",
    ),
    "items of YAML": ("ci.yml", "x:\n  - a\n{}", "  - b\n", "  - c: 1\n", "  - b\n  - c: 1\n"),
    "keys of TOML": ("p.toml", "[x]\na = 1\n{}", "b = 2\n", "c = 3\n", "b = 2\nc = 3\n"),
    "an end without a line break": ("NOTES.md", "x{}", "\n- a", "\n- b\n", "\n- a\n- b\n"),
}


@pytest.mark.parametrize(("path", "around", "a", "b", "both"), JOINED.values(), ids=JOINED)
def test_additions_are_joined(path: str, around: str, a: str, b: str, both: str) -> None:
    base, ours, theirs, expected = (around.format(text).encode() for text in ("", a, b, both))

    joined = join_appends(path, base=base, ours=ours, theirs=theirs)
    assert joined is not None
    assert joined.decode().split("\n") == expected.decode().split("\n")


CODE = "def f(x):\n    y = x\n{}    return y\n"
KEPT_APART = {
    "statements of one function": ("a.py", CODE, "    y += 1\n", "    y *= 2\n"),
    "branches of one function": ("a.py", CODE, "    if x:\n        y = 1\n", "    y = 2\n"),
    "two functions of one name": ("a.py", "{}", "def f():\n    pass\n", "def f():\n    return\n"),
    "a function and a statement": ("a.py", "x\n{}", "def f():\n    pass\n", "f()\n"),
    "half of a block": ("a.c", "{}", "int f() {{\n", "int g() {{\n"),
    "one key of YAML": ("a.yml", "x: 1\n{}", "y: 1\n", "y: 2\n"),
    "lists of different depth": ("a.yml", "x:\n{}", "- a\n", "  - b\n"),
    "a changed line": ("a.md", "one {}\n", "two", "three"),
}


@pytest.mark.parametrize(("path", "around", "a", "b"), KEPT_APART.values(), ids=KEPT_APART)
def test_other_changes_are_not_joined(path: str, around: str, a: str, b: str) -> None:
    base, ours, theirs = (around.format(text).encode() for text in ("", a, b))

    assert join_appends(path, base=base, ours=ours, theirs=theirs) is None


def test_a_change_beside_the_additions_is_kept() -> None:
    base = b"# 1\n\n- old\n\ntext\n"
    ours, theirs = b"# 1\n\n- old\n- a\n\ntext\n", b"# One\n\n- old\n- b\n\ntext\nmore\n"

    joined = join_appends("CHANGES.md", base=base, ours=ours, theirs=theirs)
    assert joined == b"# One\n\n- old\n- a\n- b\n\ntext\nmore\n"


def test_union_keeps_the_additions_in_any_file() -> None:
    base, ours, theirs = b"x\n", b"x\na;\n", b"x\nb;\n"

    assert join_appends("a.c", base=base, ours=ours, theirs=theirs) is None
    joined = join_appends("a.c", base=base, ours=ours, theirs=theirs, is_union=True)
    assert joined == b"x\na;\nb;\n"


def test_a_binary_file_is_not_joined() -> None:
    assert join_appends("a.md", base=b"\0", ours=b"\0a", theirs=b"\0b") is None


lines = st.lists(st.sampled_from([b"a", b"b", b"", b"- c", b"}"]), max_size=8)


@given(lines, lines, lines)
def test_the_regions_hold_all_three_sides(
    base: Sequence[bytes], ours: Sequence[bytes], theirs: Sequence[bytes]
) -> None:
    regions = list(compare_sides(base, ours, theirs))

    assert [line for region in regions for line in region.base] == base
    assert [line for region in regions for line in region.ours] == ours
    assert [line for region in regions for line in region.theirs] == theirs


@given(lines, lines)
def test_a_side_alone_is_taken_as_it_is(base: list[bytes], ours: list[bytes]) -> None:
    old, new = (b"".join(line + b"\n" for line in side) for side in (base, ours))

    for sides in ((new, old), (old, new), (new, new)):
        assert join_appends("a.c", base=old, ours=sides[0], theirs=sides[1]) == new

"""What the files of a commit have to do with each other."""

from __future__ import annotations

import pytest

from concertmaster.insight.file_facts import NOTHING, study_file
from concertmaster.insight.history import MOST_FILES, ChangeStatistics, PastCommit
from concertmaster.insight.regions import find_definitions, find_region
from concertmaster.insight.tree_view import TreeView, is_test
from concertmaster.insight.words import count_words


def commits(*changes: str) -> tuple[PastCommit, ...]:
    """Return commits that change these files, newest first; the message is their number."""
    return tuple(
        PastCommit(id=str(number), message=f"commit {number}", paths=tuple(paths.split()))
        for number, paths in enumerate(changes)
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tests/test_core.py", True),
        ("mux_test.go", True),
        ("lib/__tests__/x.js", True),
        ("src/a.spec.ts", True),
        ("FooTest.java", True),
        ("spec/net_spec.rb", True),
        ("src/testing.py", False),
        ("src/latest.py", False),
        ("contest/entry.py", False),
    ],
)
def test_a_test_is_known_by_its_name_or_folder(path: str, expected: bool) -> None:
    assert is_test(path) is expected


@pytest.mark.parametrize(
    ("source", "test"),
    [
        ("src/click/core.py", "tests/test_core.py"),
        ("mux.go", "mux_test.go"),
        ("lib/router.js", "test/router.test.js"),
    ],
)
def test_a_test_and_its_source_lead_to_each_other(source: str, test: str) -> None:
    view = TreeView({source: NOTHING, test: NOTHING, "src/else.py": NOTHING}, ())

    assert (view.tests[source], view.tests[test]) == ([test], [source])


def test_imports_join_files_both_ways() -> None:
    texts = {
        "pkg/core.py": b"from pkg.types import Option\nfrom . import utils\nimport os\n",
        "pkg/types.py": b"",
        "other/types.py": b"",
        "pkg/os.py": b"",
    }
    view = TreeView({path: study_file(data) for path, data in texts.items()}, ())

    assert set(view.neighbours["pkg/core.py"]) >= {"pkg/types.py"}
    assert view.neighbours["pkg/types.py"] == ("pkg/core.py",)
    assert "other/types.py" not in view.neighbours


def test_files_that_change_together_are_partners() -> None:
    tree = frozenset({"a", "b", "c"})
    known = ChangeStatistics(commits("a b", "a b", "a", "c", "a gone"), tree=tree)

    assert [path for path, _ in known.partners("a")] == ["b"]
    assert known.partners("a")[0][1] < known.partners("b")[0][1]
    assert known.rate("a") > known.rate("b") > known.rate("nowhere") == 0.0
    assert known.last_change["c"] == 3


def test_newer_commits_count_more_and_mass_edits_not_at_all() -> None:
    many = " ".join(f"f{n}" for n in range(MOST_FILES + 1))
    known = ChangeStatistics(commits("new", many, "old"), tree=frozenset({"new", "old", "f0"}))

    assert known.rate("new") > known.rate("old")
    assert known.rate("f0") == 0.0


def test_the_words_of_messages_belong_to_the_files_that_changed() -> None:
    past = PastCommit(id="1", message="Parse tabs", paths=("a", "gone"))
    known = ChangeStatistics([past], tree=frozenset({"a", "b"}))

    assert known.messages.keys() == {"a"}
    assert set(known.messages["a"]) >= {"pars", "tab"}


CODE = b"def one():\n    x\n\ndef two():\n    y\n\ndef three(): ...\ndef four(): ...\n"


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("change `two`", (4, 5)),
        ("change one() and two()", (1, 5)),
        ("change nothing named", None),
        ("change `one`, `two`, `three` and `four`", None),
    ],
)
def test_a_region_is_that_of_the_definitions_that_a_text_names(
    text: str, lines: tuple[int, int] | None
) -> None:
    assert find_region(text, study_file(CODE)) == lines


def test_a_prompt_points_at_definitions_by_name_and_by_words() -> None:
    facts = study_file(b"def read_rows():\n    x\n\ndef write():\n    y\n\ndef other(): ...\n")
    text = "`write` should read the rows again"
    found = dict(find_definitions(text, count_words(text), facts))

    assert found.keys() == {"write", "read_rows"}
    assert found["write"] > found["read_rows"] > 0.0
    assert sum(found.values()) == pytest.approx(1.0, abs=0.01)

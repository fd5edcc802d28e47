"""Changes that add at one place of a file are merged with real git, the same by everybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.commands import MergeCandidate
from concertmaster.git.command import Git
from concertmaster.git.merge_conflict import Conflict
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.merges import MergedTip, build_base, merge_changes
from concertmaster.model import Built, Plan, RunSettings
from concertmaster.settings.choices import HistoryShape
from tests.conftest import Project

AT = 1_700_000_000
CHANGES = "# 2\n\n- old\n{}\n# 1\n\n- first\n"
MODULE = "PLUGINS = [\n    'old',\n{}]\n\n\ndef f(x):\n    {}return x\n"


@pytest.fixture
def objects(project: Project, tmp_path: Path) -> RunRepository:
    project.commit("Files", {"CHANGES.md": CHANGES.format(""), "app.py": MODULE.format("", "")})
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


def change(objects: RunRepository, base: str, files: dict[str, str]) -> str:
    with objects.index_of(base) as git:
        put(git, objects, files)
        tree = git.run("write-tree")
    return objects.commit(tree, parents=(base,), message="change\n", at=AT)


def put(git: Git, objects: RunRepository, files: dict[str, str]) -> None:
    for name, content in files.items():
        blob = objects.write_blob(content.encode())
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")


def merge(
    objects: RunRepository,
    base: str,
    heads: list[str],
    *,
    as_it_is: bool,
    history: HistoryShape = HistoryShape.MERGE,
    tip: str = "",
) -> MergedTip | Conflict:
    """Return the tip, or the base, with all heads merged, or the first conflict."""
    settings = RunSettings(agent="command", history=history, made_at=AT)
    plan = Plan(run="run", base=base, target="main", slots=1, settings=settings, tasks=())
    found = MergedTip(commit=tip or base, as_it_is=True)
    for number, head in enumerate(heads):
        candidate = MergeCandidate(
            task=f"t{number}", title="t", base=base, head=head, as_it_is=as_it_is
        )
        merged = merge_changes(objects, found.commit, candidate, plan=plan)
        if isinstance(merged, Conflict):
            return merged
        found = merged
    return found


@pytest.mark.parametrize("as_it_is", [True, False])
def test_eight_additions_to_a_changelog_and_a_list_merge_in_order(
    project: Project, objects: RunRepository, as_it_is: bool
) -> None:
    base = project.git("rev-parse", "HEAD")
    heads = [
        change(
            objects,
            base,
            {
                "CHANGES.md": CHANGES.format(f"- change {n}\n"),
                "app.py": MODULE.format(f"    'plugin {n}',\n", ""),
            },
        )
        for n in range(8)
    ]

    tip = merge(objects, base, heads, as_it_is=as_it_is)
    assert isinstance(tip, MergedTip)
    assert tip == merge(objects, base, heads, as_it_is=as_it_is)
    assert tip.joined == ("CHANGES.md", "app.py")
    lines = "".join(f"- change {n}\n" for n in range(8))
    assert objects.git.run("show", f"{tip.commit}:CHANGES.md") == CHANGES.format(lines).rstrip()
    items = "".join(f"    'plugin {n}',\n" for n in range(8))
    assert objects.git.run("show", f"{tip.commit}:app.py") == MODULE.format(items, "").rstrip()


def test_a_linear_history_is_the_same_however_the_base_is_found(
    project: Project, objects: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    heads = [change(objects, base, {"CHANGES.md": CHANGES.format(f"- {word}\n")}) for word in "abc"]
    linear = HistoryShape.LINEAR
    found = [
        merge(objects, base, heads, as_it_is=as_it_is, history=linear) for as_it_is in (True, False)
    ]
    assert isinstance(found[0], MergedTip)
    assert found[0] == found[1]
    assert not found[0].as_it_is
    # The first one is the task's own commit.
    assert merge(objects, base, heads[:1], as_it_is=True, history=linear) == MergedTip(
        commit=heads[0], as_it_is=True
    )
    chain = objects.git.run("rev-list", "--parents", f"{base}..{found[0].commit}").splitlines()
    assert [len(line.split()) for line in chain] == [2, 2, 2]
    again = merge(objects, found[0].commit, heads[:1], as_it_is=True, history=linear)
    assert again == MergedTip(commit=found[0].commit, as_it_is=False)


def test_a_base_holds_the_additions_of_all_that_it_is_built_on(
    project: Project, objects: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    built = [
        Built(task=name, head=change(objects, base, {"CHANGES.md": CHANGES.format(f"- {name}\n")}))
        for name in "ab"
    ]

    made = build_base(objects, base, built, task="c", made_at=AT)
    assert isinstance(made, str)
    text = objects.git.run("show", f"{made}:CHANGES.md")
    assert text == CHANGES.format("- a\n- b\n").rstrip()


def test_what_is_built_on_two_additions_merges_after_both(
    project: Project, objects: RunRepository
) -> None:
    """git finds two merge bases, the heads of both, and cannot merge them itself."""
    base = project.git("rev-parse", "HEAD")
    heads = [change(objects, base, {"CHANGES.md": CHANGES.format(f"- {one}\n")}) for one in "ab"]
    built = [Built(task=name, head=head) for name, head in zip("ab", heads, strict=True)]
    made = build_base(objects, base, built, task="c", made_at=AT)
    assert isinstance(made, str)
    last = change(objects, made, {"CHANGES.md": CHANGES.format("- a\n- b\n- c\n")})

    tip = merge(objects, base, heads, as_it_is=True)
    assert isinstance(tip, MergedTip)
    both = merge(objects, made, [last], as_it_is=True, tip=tip.commit)
    assert isinstance(both, MergedTip)
    assert both.as_it_is
    assert objects.is_ancestor(last, both.commit)
    text = objects.git.run("show", f"{both.commit}:CHANGES.md")
    assert text == CHANGES.format("- a\n- b\n- c\n").rstrip()


def test_a_base_is_the_same_for_who_knows_the_whole_chain_behind_a_need(
    project: Project, objects: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    first = Built(task="a", head=change(objects, base, {"a.txt": "1\n"}))
    second = Built(task="b", head=change(objects, first.head, {"b.txt": "2\n"}))
    other = Built(task="c", head=change(objects, base, {"c.txt": "3\n"}))

    def make(*built: Built) -> object:
        return build_base(objects, base, built, task="d", made_at=AT)

    assert make(first, second) == make(second) == second.head
    assert make(first, second, other) == make(second, other)
    assert make(first, second, other) != second.head
    assert make() == base


def test_a_conflict_in_a_function_is_left_with_the_rest_joined(
    project: Project, objects: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    heads = [
        change(
            objects,
            base,
            {
                "CHANGES.md": CHANGES.format(f"- {word}\n"),
                "app.py": MODULE.format("", f"x = {word}\n    "),
            },
        )
        for word in ("one", "two")
    ]

    conflict = merge(objects, base, heads, as_it_is=True)
    assert conflict == Conflict(paths=("app.py",))
    assert isinstance(conflict, Conflict)
    joined = objects.git.run("show", f"{conflict.tree}:CHANGES.md")
    assert joined == CHANGES.format("- one\n- two\n").rstrip()
    assert "<<<<<<<" in objects.git.run("show", f"{conflict.tree}:app.py")


@pytest.mark.parametrize(
    ("attributes", "merges"), [("*.c merge=union\n", True), ("*.md -merge\n", False)]
)
def test_attributes_of_the_base_count(
    project: Project, objects: RunRepository, attributes: str, merges: bool
) -> None:
    files = {"a.c": "x;\n", "a.md": "- x\n", ".gitattributes": attributes}
    base = project.commit("Attributes", files)
    heads = [
        change(objects, base, {"a.c": f"x;\n{name};\n", "a.md": f"- x\n- {name}\n"})
        for name in "ab"
    ]

    assert isinstance(merge(objects, base, heads, as_it_is=True), MergedTip) is merges


def test_what_a_change_says_of_its_own_merge_does_not_count(
    project: Project, objects: RunRepository
) -> None:
    base = project.commit("Code", {"a.c": "x;\n"})
    union = {".gitattributes": "*.c merge=union\n"}
    heads = [change(objects, base, {"a.c": f"x;\n{name};\n", **union}) for name in "ab"]

    assert merge(objects, base, heads, as_it_is=True) == Conflict(paths=("a.c",))


@pytest.mark.parametrize(
    "sides",
    [
        ({"new.md": "- a\n"}, {"new.md": "- b\n"}),  # no common base
        ({"CHANGES.md": ""}, {"CHANGES.md": CHANGES.format("- b\n")}),
    ],
)
def test_other_conflicts_stay(
    project: Project, objects: RunRepository, sides: tuple[dict[str, str], ...]
) -> None:
    base = project.git("rev-parse", "HEAD")
    heads = [change(objects, base, side) for side in sides]

    assert isinstance(merge(objects, base, heads, as_it_is=True), Conflict)

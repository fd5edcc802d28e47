from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.errors import UsageError
from concertmaster.insight import footprint
from concertmaster.insight.footprint import predict
from concertmaster.insight.tree_paths import TreePaths
from concertmaster.model import FootprintEntry, Prompt

TREE = TreePaths(
    [
        ".claude/agents/orchestrator.md",
        ".claude/orchestrator/main.py",
        ".claude/orchestrator/docker/Dockerfile",
        ".github/Memory.md",
        "Dockerfile",
        "README.md",
        "packages/aiohttp/client.py",
        "prompts/alpha.md",
        "prompts/beta.md",
        "prompts/gamma.md",
        "src/__init__.py",
        "src/core/__init__.py",
        "src/core/graph.py",
        "src/core/model.py",
        "src/web/app/[id]/page.tsx",
        "src/web/model.py",
        "tests/shared/test_tracking.py",
    ]
)


def predicted(text: str, *touches: str, tree: TreePaths = TREE) -> dict[str, FootprintEntry]:
    prompt = Prompt(path="prompts/alpha.md", title="", text=text, touches=touches)
    entries, _ = predict(prompt, tree=tree)
    assert list(entries) == sorted(entries, key=lambda e: (-e.probability, e.path))
    assert all(0 < entry.probability <= 1 and entry.reason for entry in entries)
    return {entry.path: entry for entry in entries}


def chances(text: str, *touches: str) -> dict[str, float]:
    return {path: entry.probability for path, entry in predicted(text, *touches).items()}


def notes(text: str, *touches: str) -> tuple[str, ...]:
    prompt = Prompt(path="prompts/alpha.md", title="", text=text, touches=touches)
    return predict(prompt, tree=TREE)[1]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("- tests/shared/test_tracking.py (207 errors)", "tests/shared/test_tracking.py"),
        ("Start with test_tracking.py", "tests/shared/test_tracking.py"),
        ("`.claude/orchestrator/main.py`", ".claude/orchestrator/main.py"),
        ("`orchestrator/main.py`", ".claude/orchestrator/main.py"),
        ("all use Memory.md", ".github/Memory.md"),
        ("the Dockerfile", "Dockerfile"),
        ("`docker/Dockerfile`", ".claude/orchestrator/docker/Dockerfile"),
        (r"src\core\graph.py", "src/core/graph.py"),
        ("src/core/graph.py:12", "src/core/graph.py"),
        ("../core/graph.py", "src/core/graph.py"),
        ("[graph](./src/core/graph.py)", "src/core/graph.py"),
        ("`app/[id]/page.tsx`", "src/web/app/[id]/page.tsx"),
    ],
)
def test_a_named_file_is_found_by_its_path_its_end_or_its_name(text: str, path: str) -> None:
    assert chances(text) == {path: footprint.NAMED}


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/workspaces/gadugi/src/core/graph.py", "src/core/graph.py"),
        ("/Users/ryan/src/gadugi/src/core/graph.py", "src/core/graph.py"),
        ("C:\\work\\src\\core\\graph.py", "src/core/graph.py"),
        ("~/gadugi/README.md", "README.md"),
        ("https://github.com/o/r/blob/main/src/core/graph.py", "src/core/graph.py"),
        ("https://github.com/o/r/blob/feature/x/README.md", "README.md"),
        ("/usr/lib/site-packages/aiohttp/client.py", "packages/aiohttp/client.py"),
    ],
)
def test_a_path_of_another_machine_is_found_by_its_longest_end(text: str, path: str) -> None:
    chance = predicted(text)[path].probability
    assert chance == pytest.approx(footprint.NAMED * footprint.OTHER_ROOT)


def test_the_bare_name_of_a_foreign_file_means_no_file_deeper_down() -> None:
    assert chances("/usr/lib/python3/graph.py") == {}


def test_files_that_share_a_name_share_the_probability() -> None:
    found = predicted("Change model.py")
    assert chances("Change model.py") == dict.fromkeys(
        ("src/core/model.py", "src/web/model.py"), footprint.NAMED / 2
    )
    assert (
        found["src/web/model.py"].reason == "one of 2 files that could be model.py named in line 1"
    )


@pytest.mark.parametrize("text", ["`src/core/`", "the src/core/ package", "`core/`"])
def test_the_files_of_a_named_directory_share_its_edits(text: str) -> None:
    files = ("src/core/__init__.py", "src/core/graph.py", "src/core/model.py")
    assert chances(text) == dict.fromkeys(files, round(footprint.NAMED_EDITS / 3, 4))


@pytest.mark.parametrize("text", ["src/core/*.py", "`core/*.py`"])
def test_the_files_of_a_named_glob_share_its_edits(text: str) -> None:
    assert set(chances(text)) == set(chances("`src/core/`"))


def test_what_stands_for_too_many_files_tells_nothing() -> None:
    tree = TreePaths(f"src/{number}.py" for number in range(1000))
    prompt = Prompt(path="a.md", title="", text="Look at src/*.py", touches=("src/",))
    assert predict(prompt, tree=tree) == (
        (),
        (
            "src/ stands for 1000 files, which tells too little to plan by",
            "src/*.py stands for 1000 files, which tells too little to plan by",
        ),
    )


def test_a_literal_in_touches_is_certain_whether_it_exists_or_not() -> None:
    found = chances("x", "README.md", "/src/new.py", "newfolder/")
    assert found == {"README.md": 1.0, "src/new.py": 1.0, "newfolder/": 1.0}


@pytest.mark.parametrize("touch", ["src/core", "src/core/", "src/core/*.py", "src/core/**"])
def test_the_files_of_a_declared_directory_or_glob_share_its_edits(touch: str) -> None:
    files = ("src/core/__init__.py", "src/core/graph.py", "src/core/model.py")
    assert chances("x", touch) == dict.fromkeys(files, footprint.MOST_OF_MANY)


def test_the_probability_of_a_declared_glob_falls_with_its_matches() -> None:
    few, many = chances("x", "src/core/*.py"), chances("x", "**/*.py")
    assert max(many.values()) < min(few.values())


def test_an_excluding_glob_in_touches_takes_paths_away() -> None:
    assert "src/core/graph.py" not in chances("x", "src/core/*.py", "!src/core/graph.py")


def test_a_glob_in_touches_that_matches_nothing_is_noted() -> None:
    assert notes("x", "nothing/*.py") == ("nothing/*.py matches no file",)


def test_a_glob_in_touches_that_cannot_be_understood_is_a_usage_error() -> None:
    with pytest.raises(UsageError):
        predicted("x", "*a*a*a*a*a*a*a*")


@pytest.mark.parametrize(
    ("text", "path", "chance"),
    [
        ("### New Files\n- `.claude/orchestrator/monitor.py` - x", "", footprint.CREATED),
        ("Create `src/core/new.py`", "src/core/new.py", footprint.CREATED),
        ("Create far/away/new.py", "far/away/new.py", footprint.CREATED),
        ("Create `core/new.py`", "src/core/new.py", footprint.CREATED),
        ("Create src/core/LICENSE", "src/core/LICENSE", footprint.CREATED),
        ("- `priority.go` (new)", "priority.go", footprint.CREATED),
        ("## New files\n- `dashboard/` - the UI", "dashboard/", footprint.CREATED),
        ("Create /srv/gadugi/src/core/new.py", "src/core/new.py", footprint.CREATED),
        ("- `README.md` → `docs/guide/README.md`", "docs/guide/README.md", footprint.CREATED),
        ("## Files to Modify\n- src/core/gone.py", "src/core/gone.py", footprint.MISNAMED),
        ("**Files Modified**\n- `cors.go`", "cors.go", footprint.MISNAMED),
        ("Create:\n```\nsrc/core/new.py\n```", "", footprint.CREATED * footprint.QUOTED_CODE),
    ],
)
def test_a_path_that_the_text_asks_for_will_be_created(text: str, path: str, chance: float) -> None:
    found = {p: e for p, e in predicted(text).items() if p not in TREE}
    assert [entry.probability for entry in found.values()] == [chance]
    assert not path or set(found) == {path}
    assert next(iter(found.values())).reason.startswith("not there yet: ")


@pytest.mark.parametrize(
    "text",
    [
        "Create `file.py` and tool.py",
        "- tool.py",
        "Create `your_module.py`",
        "We met src/core/gone.py",
        "See `src/core/gone.py`",
        "Do not modify src/core/gone.py",
        "Create src/core/*.rs",
        "Create https://example.com/src/core/new.py",
        "Create /somewhere/else/new.py",
        "Create `application/json`",
    ],
)
def test_a_path_that_nothing_asks_for_is_dropped(text: str) -> None:
    assert not [path for path in chances(text) if path not in TREE]


def test_a_dropped_path_is_noted_once_with_its_line() -> None:
    assert notes("Look\nat src/gone.py and `os.path`") == (
        "line 2 names src/gone.py, which is not in the repository",
    )


@pytest.mark.parametrize("text", ["Say hello in the README", "Fix README", "Mend the `Readme`"])
def test_a_file_that_is_named_without_its_ending_is_not_missed(text: str) -> None:
    assert set(chances(text)) == {"README.md"}
    assert notes(text) == ()
    assert notes("See LICENSE") == ("line 1 names LICENSE, which is not in the repository",)


def test_a_file_that_is_to_be_created_is_not_missed() -> None:
    assert notes("Create gone.py") == ()


def test_notes_are_bounded() -> None:
    many = notes(" ".join(f"gone{number}.py" for number in range(100)))
    assert len(many) == footprint.MAX_NOTES + 1
    assert many[-1] == "and 80 more such notes"


@pytest.mark.parametrize(
    ("text", "factor"),
    [
        ("```\nsrc/core/graph.py\n```", footprint.QUOTED_CODE),
        ('  File "src/core/graph.py", line 12, in x', footprint.QUOTED_CODE),
        ("Work like src/core/graph.py", footprint.READ_ONLY),
        ("Do not change src/core/graph.py", footprint.SPARED),
    ],
)
def test_a_path_that_is_only_shown_is_less_likely(text: str, factor: float) -> None:
    assert chances(text)["src/core/graph.py"] == round(footprint.NAMED * factor, 4)


def test_several_mentions_of_a_path_count_as_the_likeliest() -> None:
    text = "See src/core/graph.py.\n\n## Files to Modify\n- graph.py\n"
    entry = predicted(text)["src/core/graph.py"]
    assert entry.probability == footprint.NAMED
    assert entry.reason == "graph.py named in line 4 under 'Files to Modify'"


def test_a_region_is_known_only_where_every_mention_names_one() -> None:
    both = predicted("src/core/graph.py:12-20 and graph.py:40")
    assert both["src/core/graph.py"].lines == (12, 40)
    assert predicted("src/core/graph.py:12 in graph.py")["src/core/graph.py"].lines is None
    assert predicted("```\nsrc/core/graph.py:12\n```")["src/core/graph.py"].lines is None


def test_other_prompts_are_named_for_order_and_not_to_be_edited() -> None:
    prompt = Prompt(
        path="prompts/alpha.md",
        title="",
        text="This is alpha.md, after `beta.md`, beside gamma.md.",
        needs=("beta.md",),
    )
    (entry,), _ = predict(prompt, tree=TREE)
    assert entry.path == "prompts/gamma.md"
    assert entry.probability == round(footprint.NAMED * footprint.SIBLING, 4)


def test_a_prompt_that_names_nothing_has_no_footprint() -> None:
    assert predict(Prompt(path="a.md", title="", text="Make it faster."), tree=TREE) == ((), ())


def test_an_empty_tree_has_room_for_new_files() -> None:
    assert set(predicted("Create `src/a.py`", tree=TreePaths([]))) == {"src/a.py"}


@given(st.text("abcore/.*pymdgh-:`#> \n→\\", max_size=80))
def test_any_text_has_a_footprint_of_clean_paths(text: str) -> None:
    for path in predicted(f"Create {text}"):
        assert not {"", ".", ".."} & set(path.removesuffix("/").split("/"))


@pytest.mark.matrix
def test_a_hundred_thousand_paths_and_a_hostile_text_come_to_an_end() -> None:
    tree = TreePaths(f"src/p{n % 100}/m{n % 1000}/__init__{n}.py" for n in range(100_000))
    forms = "x{0}/__init__.py /a/b/src/p{0}/m{0}/ src/**/*{0}.py `m{0}/` __init__{0}.py\n"
    text = "".join(forms.format(number) for number in range(2000))
    entries, _ = predict(Prompt(path="a.md", title="", text=text), tree=tree)
    assert len({entry.path for entry in entries}) == len(entries) > 0


@pytest.mark.parametrize(
    ("text", "path", "probability"),
    [
        ("Add a changelog entry", "CHANGES.md", footprint.NAMED),
        ("Note it in CHANGES", "CHANGES.md", footprint.NAMED),
        ("Mention it in the README", "README.md", footprint.NAMED),
        ("Refresh the lock file", "uv.lock", footprint.NAMED),
        ("Do not touch the changelog", "CHANGES.md", footprint.NAMED * footprint.SPARED),
        ("No BREAKING CHANGES here", "CHANGES.md", None),
        ("It changes a lot", "CHANGES.md", None),
    ],
)
def test_a_word_for_a_file_means_the_one_that_the_tree_has(
    text: str, path: str, probability: float | None
) -> None:
    tree = TreePaths(["CHANGES.md", "README.md", "docs/README.md", "uv.lock", "src/a.py"])
    found = footprint.name_paths(text, tree)

    assert found.get(path) == (pytest.approx(probability) if probability else None)
    assert "docs/README.md" not in found

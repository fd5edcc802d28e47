"""The path policy refuses some paths, and leaves others to a person."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from concertmaster.landing.path_classes import PathClass
from concertmaster.landing.path_policy import (
    GITLINK,
    SYMLINK,
    PathRules,
    PathVerdict,
    RunPlace,
    judge_paths,
)
from concertmaster.model import PathChange
from tests.unit.landing.policy_paths import CLASSES, REFUSED

FILE = "100644"
EXECUTABLE = "100755"
ABSENT = "000000"
ON_GITHUB = PathRules(place=RunPlace.GITHUB)
HELD = [path for path, kind in CLASSES.items() if kind]


def change(path: str, *, mode: str = FILE, old: str = FILE, link: str = "") -> PathChange:
    return PathChange(path=path, old_mode=old, new_mode=mode, link_target=link, blob="unread")


def judge_path(path: str, *, touches: tuple[str, ...] = (), **rules: object) -> PathVerdict:
    given = PathRules(**{"place": RunPlace.GITHUB, **rules})  # type: ignore[arg-type]
    return judge_paths([change(path)], given, touches=touches)


def is_let_through(one: PathChange) -> bool:
    return not judge_paths([one], ON_GITHUB)


@pytest.mark.parametrize("place", RunPlace)
def test_each_path_has_its_class(place: RunPlace) -> None:
    wrong = {}
    for path, kind in CLASSES.items():
        verdict = judge_path(path, place=place)
        is_refused = place is RunPlace.GITHUB and path in REFUSED
        found = "refused" if verdict.refused else "".join(verdict.classes)
        if found != ("refused" if is_refused else kind):
            wrong[path] = found

    assert wrong == {}


def test_the_table_holds_two_hundred_paths_of_every_name_class() -> None:
    by_name = {*PathClass} - {PathClass.COMMAND, PathClass.PROMPT, PathClass.SUBMODULE}

    assert len(CLASSES) >= 200
    assert set(CLASSES.values()) == {"", *by_name}


def test_what_is_refused_on_github_no_touch_opens_and_a_machine_names() -> None:
    for path in REFUSED:
        assert judge_path(path, touches=(path,)).refused
        assert judge_path(path, place=RunPlace.MACHINE).sensitive == (path,)


WAYS: Mapping[str, Callable[[str], str]] = {
    "as it is": lambda path: path,
    "upper": str.upper,
    "title": str.title,
    "decomposed": lambda path: unicodedata.normalize("NFD", path),
    "invisible": lambda path: path[:2] + "\u200c" + path[2:],
    "long s": lambda path: path.replace("s", "\u017f"),
    "kelvin": lambda path: path.replace("k", "\u212a"),
    "wide": lambda path: path.replace("a", "\uff41"),
    "dots behind": lambda path: "/".join(f"{part}. ." for part in path.split("/")),
    "backslash": lambda path: path.replace("/", "\\"),
}
MODES = [(ABSENT, FILE), (FILE, ABSENT), (FILE, EXECUTABLE), (EXECUTABLE, FILE), (SYMLINK, FILE)]


@given(
    st.sampled_from(HELD),
    st.lists(st.sampled_from([*WAYS]), max_size=3),
    st.sampled_from([*MODES, (ABSENT, SYMLINK), (FILE, SYMLINK)]),
)
def test_no_spelling_and_no_mode_lets_a_held_path_through(
    path: str, ways: list[str], modes: tuple[str, str]
) -> None:
    for way in ways:
        path = WAYS[way](path)
    old, new = modes
    is_new_file = old == ABSENT and new != SYMLINK
    assume(not (is_new_file and path.endswith("/conftest.py")))  # it counts as a test
    changed = change(path, old=old, mode=new, link="there" if new == SYMLINK else "")

    assert not is_let_through(changed)


DEEP = [path for path in HELD if CLASSES[path] in (PathClass.AGENT, PathClass.TOOL)]


@given(st.sampled_from(DEEP), st.sampled_from(["pkg", "a/b/c", "docs", "src/Deep"]))
def test_agents_and_tools_files_are_held_at_any_depth(path: str, folder: str) -> None:
    if not path.startswith((".config", ".openhands")):
        assert not is_let_through(change(f"{folder}/{path}"))


@given(st.sampled_from(HELD), st.sampled_from(["docs/x.md", "src/a.py"]))
def test_a_renamed_file_is_judged_at_both_of_its_places(path: str, free: str) -> None:
    away = [change(path, old=FILE, mode=ABSENT), change(free)]
    here = [change(free, old=FILE, mode=ABSENT), change(path)]

    assert judge_paths(away, ON_GITHUB)
    assert judge_paths(here, ON_GITHUB)


NAMES = st.sampled_from(["src", "lib", "a", "docs", "tests", "b.py", "c.ts", "README.md"])


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_ordinary_paths_are_free(parts: list[str]) -> None:
    assert is_let_through(change("/".join(parts)))


def test_files_that_commands_name_are_held() -> None:
    named = {"check.sh", "tools/gen.py"}

    assert judge_path("check.sh", named=named).classes == (PathClass.COMMAND,)
    assert judge_path("Check.SH", named=named).classes == (PathClass.COMMAND,)
    assert judge_path("other.sh", named=named) == PathVerdict()


PROMPTS = {
    ("prompts/a.md", "prompts/a.md"): True,
    ("prompts/a.md", "prompts/b.md"): True,
    ("prompts/a.md", "Prompts/sub/b.MD"): True,
    ("prompts/a.md", "prompts/data.json"): False,
    ("prompts/a.md", "docs/b.md"): False,
    ("fix.md", "other.md"): True,
    ("fix.md", "README.md"): False,
    ("fix.md", "docs/b.md"): False,
}


@pytest.mark.parametrize(("paths", "held"), PROMPTS.items(), ids=str)
def test_prompts_and_their_folder_are_held(paths: tuple[str, str], held: bool) -> None:
    listed, path = paths

    assert bool(judge_path(path, prompts=[listed])) is held


def test_what_the_globs_of_prompts_match_is_held() -> None:
    assert judge_path("chores/x.txt", prompt_globs=["chores/*"]).classes == (PathClass.PROMPT,)
    assert judge_path("src/x.txt", prompt_globs=["chores/*"]) == PathVerdict()


@pytest.mark.parametrize(
    ("touches", "sensitive"),
    [
        (("Makefile",), ()),
        (("Make*",), ("Makefile",)),
        (("**",), ("Makefile",)),
        ((), ("Makefile",)),
    ],
)
def test_only_a_literal_touch_opens_a_sensitive_path(
    touches: tuple[str, ...], sensitive: tuple[str, ...]
) -> None:
    assert judge_path("Makefile", touches=touches).sensitive == sensitive


@pytest.mark.parametrize("place", RunPlace)
def test_protected_globs_refuse_everywhere_and_no_touch_opens_them(place: RunPlace) -> None:
    judgement = judge_path("db/x.sql", place=place, protected=["db/**"], touches=("db/x.sql",))

    assert judgement.refused == ("db/x.sql: protected by concertmaster.yml",)


CONFTESTS = {
    ("tests/new/conftest.py", ABSENT, FILE): False,
    ("tests/new/conftest.py", ABSENT, SYMLINK): True,
    ("tests/new/conftest.py", FILE, FILE): True,
    ("tests/old/conftest.py", ABSENT, FILE): True,
    ("tests/conftest.py", ABSENT, FILE): True,
    ("conftest.py", ABSENT, FILE): True,
}


@pytest.mark.parametrize(("case", "held"), CONFTESTS.items(), ids=str)
def test_a_new_conftest_is_a_test_where_nothing_lies_below_it(
    case: tuple[str, str, str], held: bool
) -> None:
    path, old, new = case
    rules = PathRules(place=RunPlace.GITHUB, below={"tests", "tests/old"})

    assert bool(judge_paths([change(path, old=old, mode=new, link="x")], rules)) is held


def test_dependencies_land_where_the_settings_allow_it() -> None:
    assert judge_path("uv.lock").classes == (PathClass.DEPENDENCIES,)
    assert judge_path("uv.lock", allows_manifests=True) == PathVerdict()
    assert judge_path("Makefile", allows_manifests=True)


@pytest.mark.parametrize("new", [ABSENT, FILE, SYMLINK])
def test_a_submodule_that_goes_is_held(new: str) -> None:
    gone = change("lib", old=GITLINK, mode=new, link="x")

    assert judge_paths([gone], ON_GITHUB).classes == (PathClass.SUBMODULE,)


@pytest.mark.parametrize("place", RunPlace)
def test_a_repository_in_the_repository_is_refused(place: RunPlace) -> None:
    assert judge_paths([change("lib", mode=GITLINK)], PathRules(place=place)).refused


LINKS = {
    ("a", "b"): False,
    ("a/b", "../c"): False,
    ("a/b", "./../c/d"): False,
    ("a/b", ".."): False,
    ("a", ".."): True,
    ("a", "../x"): True,
    ("a/b", "../../x"): True,
    ("a", "/etc/passwd"): True,
    ("a", ".git/config"): True,
    ("a/b", "../.GIT/hooks"): True,
    ("a", "b/.git"): True,
    ("a", "link/../../x"): True,
    ("a", "link/../x"): True,  # `link` may lead to a place whose parent is outside
}


@pytest.mark.parametrize("place", RunPlace)
@pytest.mark.parametrize(("link", "refused"), LINKS.items(), ids=str)
def test_a_link_that_may_leave_the_tree_is_refused(
    link: tuple[str, str], refused: bool, place: RunPlace
) -> None:
    path, target = link
    judgement = judge_paths([change(path, mode=SYMLINK, link=target)], PathRules(place=place))

    assert bool(judgement.refused) is refused


@given(st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=6))
def test_an_accepted_link_climbs_first_and_not_above_the_tree(target: list[str]) -> None:
    link = change("d/e/link", mode=SYMLINK, link="/".join(target))
    if not judge_paths([link], PathRules(place=RunPlace.MACHINE)).refused:
        climbs = [i for i, part in enumerate(target) if part == ".."]
        names = [i for i, part in enumerate(target) if part in ("a", "b")]
        assert len(climbs) <= 2
        assert not climbs or not names or climbs[-1] < names[0]

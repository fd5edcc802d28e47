"""The path policy refuses some paths, and calls others sensitive."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from concertmaster.landing.path_policy import GITLINK, SYMLINK, PathVerdict, RunPlace, judge_paths
from concertmaster.model import PathChange

FILE = "100644"
ABSENT = "000000"


def change(path: str, *, mode: str = FILE, link: str = "") -> PathChange:
    return PathChange(path=path, old_mode=ABSENT, new_mode=mode, link_target=link)


def judge_path(path: str, **given: object) -> PathVerdict:
    return judge_paths([change(path)], **{"place": RunPlace.GITHUB, **given})  # type: ignore[arg-type]


REFUSED_ON_GITHUB = [
    ".github/workflows/ci.yml",
    ".github/workflows/nested/ci.yml",
    ".github/actions/x/action.yml",
    "CODEOWNERS",
    "docs/CODEOWNERS",
    ".github/CODEOWNERS",
    ".github/Memory.md",
    "concertmaster.yml",
    ".github/concertmaster.yml",
]


@pytest.mark.parametrize("path", REFUSED_ON_GITHUB)
def test_what_steers_the_platform_is_refused_on_github_and_named_on_a_machine(path: str) -> None:
    assert judge_path(path).refused
    assert judge_path(path, touches=[path]).refused
    assert judge_path(path, place=RunPlace.MACHINE) == PathVerdict(sensitive=(path,))


SENSITIVE = [
    "Makefile",
    "sub/makefile",
    "GNUmakefile",
    "tests/conftest.py",
    "package.json",
    "Dockerfile",
    "action.yml",
    "action.yaml",
    "src/.gitattributes",
    ".claude/settings.json",
    "sub/.claude/hooks/x.sh",
    "CLAUDE.md",
    "sub/AGENTS.md",
    ".mcp.json",
    "sub/Gemini.md",
    ".gemini/.env",
    ".CODEX/config.toml",
    "sub/.agents/skills/x/SKILL.md",
    ".opencode/plugin/x.js",
    "opencode.json",
    ".pi/extensions/x.ts",
    ".github/copilot-instructions.md",
    ".github/agents/x.agent.md",
    ".aider.conf.yml",
    ".env",
]


@pytest.mark.parametrize("place", RunPlace)
@pytest.mark.parametrize("path", SENSITIVE)
def test_what_steers_checks_and_agents_is_sensitive_everywhere(path: str, place: RunPlace) -> None:
    assert judge_path(path, place=place) == PathVerdict(sensitive=(path,))


@pytest.mark.parametrize("path", ["src/a.py", "docs/concertmaster.yml", "workflows/ci.yml", "a/b"])
def test_other_paths_are_free(path: str) -> None:
    assert judge_path(path) == PathVerdict()


def test_prompts_of_the_run_are_sensitive() -> None:
    assert judge_path("prompts/a.md", prompts=["prompts/a.md"]).sensitive == ("prompts/a.md",)


@pytest.mark.parametrize(
    ("touches", "sensitive"),
    [(["Makefile"], ()), (["Make*"], ("Makefile",)), (["**"], ("Makefile",)), ([], ("Makefile",))],
)
def test_only_a_literal_touch_opens_a_sensitive_path(
    touches: list[str], sensitive: tuple[str, ...]
) -> None:
    assert judge_path("Makefile", touches=touches).sensitive == sensitive


@pytest.mark.parametrize("place", RunPlace)
def test_protected_globs_refuse_everywhere_and_no_touch_opens_them(place: RunPlace) -> None:
    judgement = judge_path("db/x.sql", place=place, protected=["db/**"], touches=["db/x.sql"])

    assert judgement.refused == ("db/x.sql: protected by concertmaster.yml",)


def test_a_removed_path_is_judged_like_a_changed_one() -> None:
    removed = PathChange(path=".github/workflows/ci.yml", old_mode=FILE, new_mode=ABSENT)

    assert judge_paths([removed], place=RunPlace.GITHUB).refused


@pytest.mark.parametrize("place", RunPlace)
def test_a_repository_in_the_repository_is_refused(place: RunPlace) -> None:
    assert judge_paths([change("lib", mode=GITLINK)], place=place).refused


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
    judgement = judge_paths([change(path, mode=SYMLINK, link=target)], place=place)

    assert bool(judgement.refused) is refused


@given(st.lists(st.sampled_from(["..", ".", "a", "b", ""]), min_size=1, max_size=6))
def test_an_accepted_link_climbs_first_and_not_above_the_tree(target: list[str]) -> None:
    link = change("d/e/link", mode=SYMLINK, link="/".join(target))
    if not judge_paths([link], place=RunPlace.MACHINE).refused:
        climbs = [i for i, part in enumerate(target) if part == ".."]
        names = [i for i, part in enumerate(target) if part in ("a", "b")]
        assert len(climbs) <= 2
        assert not climbs or not names or climbs[-1] < names[0]

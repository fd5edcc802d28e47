"""init and doctor try setup and check once in a fresh worktree, and say what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commandline import concertmaster
from tests.conftest import Project, in_matrix

CASES = {
    "program": ("no-such-tool --all", {}, "the program no-such-tool was not found"),
    "ignored file": (". ./.env", {".gitignore": ".env\n"}, "name it in .worktreeinclude"),
    "variable": ('test -n "$SHOP_URL"', {}, "the variable SHOP_URL of your environment"),
}


@pytest.mark.parametrize("case", in_matrix(CASES))
def test_what_a_fresh_worktree_lacks_is_told_before_any_run(
    project: Project, case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    check, files, told = CASES[case]
    monkeypatch.setenv("SHOP_URL", "http://localhost")
    project.commit("More", {"more.txt": "more\n", **files})
    project.write({".env": "KEY=1\n"})
    first = concertmaster("init", "--check", check, cwd=project.root)
    assert first.code == 0, first.err
    assert told in first.out
    assert "next: mend `setup` and `check` in concertmaster.yml" in first.out
    assert project.git("for-each-ref", "refs/concertmaster") == ""
    project.commit("Settings", {})
    again = concertmaster("doctor", cwd=project.root)
    assert again.code == 3
    assert f"no  check: they fail in a fresh worktree: check `{check}` failed" in again.out
    assert told in again.out
    assert concertmaster("doctor", "--no-try", cwd=project.root).code == 0


def test_an_empty_submodule_is_the_cause(project: Project, tmp_path: Path) -> None:
    library = Project(tmp_path / "library")
    add = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")
    project.git(*add, str(library.root), "vendor/lib")
    project.commit("Library", {"concertmaster.yml": "check: cat vendor/lib/a.txt\n"})
    told = concertmaster("doctor", cwd=project.root)
    assert "the submodule vendor/lib is empty in a fresh worktree" in told.out
    assert "git submodule update --init" in told.out


def test_commands_that_work_are_said_to(project: Project) -> None:
    commands = ("--setup", "touch made", "--check", "test -e made")
    told = concertmaster("init", *commands, cwd=project.root)
    assert "ok  setup and check pass in a fresh worktree" in told.out
    document = concertmaster("doctor", "--json", cwd=project.root).document
    found = {one["name"]: one for one in document}
    assert "not committed" in found["settings"]["words"]
    assert not found["settings"]["is_fine"]
    project.commit("Settings", {})
    told = concertmaster("doctor", cwd=project.root)
    assert "ok  settings: concertmaster.yml is committed" in told.out
    assert "ok  check: setup and check pass in a fresh worktree" in told.out


def test_settings_that_a_run_refuses_are_refused_by_doctor(project: Project) -> None:
    project.commit("Settings", {"concertmaster.yml": "chekc: 'true'\n"})
    told = concertmaster("doctor", cwd=project.root)
    assert told.code == 3
    assert "no  settings: " in told.out
    assert "chekc" in told.out

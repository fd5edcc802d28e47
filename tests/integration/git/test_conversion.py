"""Attributes, filters and merge drivers are those of the base and the user, never an agent's."""

from __future__ import annotations

from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault
from concertmaster.git.conversion import read_conversion
from concertmaster.git.merge_conflict import Conflict, Merged
from concertmaster.git.run_repository import RunRepository
from concertmaster.planning.checkout import PlanRequest, open_checkout
from concertmaster.worktrees.manager import Worktrees
from concertmaster.worktrees.worktree import Worktree
from tests.conftest import Project
from tests.integration.worktrees.attempts import AT, BRANCH, changed, plant, snap

SEAL = "tr a-zA-Z n-za-mN-ZA-M"


def make_run(project: Project, folder: Path, base: str) -> RunRepository:
    user = project.open()
    return RunRepository.create(folder / "run" / "repository.git", user=user, base=base)


def make_worktree(project: Project, run: RunRepository, folder: Path, base: str) -> Worktree:
    worktrees = Worktrees(run, user=project.open(), cache=folder / "cache", run="r1")
    return worktrees.create(base, task="task", attempt=1, branch=BRANCH)


def seal(project: Project, command: str = SEAL) -> None:
    for way in ("clean", "smudge"):
        project.git("config", f"filter.seal.{way}", command)
    project.git("config", "filter.seal.required", "true")


def show(run: RunRepository, commit: str, path: str) -> str:
    return run.git.run("cat-file", "blob", f"{commit}:{path}")


# Where the filter of files below `my secrets` stands.
PLACES = {
    "the root": (".gitattributes", "my?secrets/** filter=seal\n"),
    "a folder": ("my secrets/.gitattributes", "*.env filter=seal\n"),
    "a macro": (".gitattributes", "[attr]hidden filter=seal\n*.env hidden\n"),
    "the user's own file": (".git/info/attributes", "*.env filter=seal\n"),
}


@pytest.mark.parametrize("place", PLACES)
def test_what_the_user_seals_is_sealed_whatever_the_agent_writes(
    project: Project, tmp_path: Path, place: str
) -> None:
    seal(project)
    project.write({PLACES[place][0]: PLACES[place][1]})
    base = project.commit("Secrets", {"my secrets/a.env": "token\n"})
    assert project.git("show", f"{base}:my secrets/a.env") == "gbxra"
    run = make_run(project, tmp_path, base)
    worktree = make_worktree(project, run, tmp_path, base)
    folder = worktree.files / "my secrets"
    assert (folder / "a.env").read_text() == "token\n"

    (folder / "b.env").write_text("plain\n")
    for above in (worktree.files, folder):
        (above / ".gitattributes").write_text("* -filter\n*.env !filter\n")
    snapshot = snap(worktree, base)
    assert show(run, snapshot.commit, "my secrets/b.env") == "cynva"
    assert "my secrets/a.env" not in changed(run, base, snapshot)


def test_a_filter_in_the_repository_runs_as_it_is_at_the_base(
    project: Project, tmp_path: Path
) -> None:
    witness = tmp_path / "ran"
    project.write({"tools/seal": f"#!/bin/sh\nexec {SEAL}\n"})
    (project.root / "tools" / "seal").chmod(0o755)
    seal(project, "./tools/seal")
    base = project.commit("Filter", {".gitattributes": "*.env filter=seal\n", "a.env": "token\n"})
    run = make_run(project, tmp_path, base)
    worktree = make_worktree(project, run, tmp_path, base)
    plant(worktree.files / "tools" / "seal", witness)
    (worktree.files / "b.env").write_text("plain\n")
    snapshot = snap(worktree, base)
    assert show(run, snapshot.commit, "b.env") == "cynva"
    assert not witness.exists()


MISSING = {
    "the program is missing": ("none-such clean", "none-such was not found"),
    "the file is missing": ("tools/none clean", "tools/none was not found"),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_filter_that_cannot_be_run_stops_the_plan(
    project: Project, tmp_path: Path, case: str
) -> None:
    command, words = MISSING[case]
    base = project.commit("Filter", {"deep/.gitattributes": "*.env filter=seal\n"})
    project.git("config", "filter.seal.clean", command)
    asked = PlanRequest(repository=project.root, prompts=(), options={"check": "true"})
    with pytest.raises(EnvironmentFault) as plan:
        open_checkout(asked)
    assert words in f"{plan.value} {plan.value.why}"
    with pytest.raises(EnvironmentFault):
        make_run(project, tmp_path, base)

    seal(project, "cat")
    assert [*open_checkout(asked).notes] == [
        "agents see the files of the filter seal converted, as you do: decrypted, if it decrypts"
    ]


NAMED = {
    "git-crypt": "token",
    "git-crypt-team": "token",
    "crypt": "token",
    "other": "\0GITCRYPT\0x",
}


@pytest.mark.parametrize("name", NAMED)
def test_a_filter_that_is_not_set_up_stops_the_plan_where_files_are_sealed(
    project: Project, name: str
) -> None:
    files = {".gitattributes": f"*.env filter={name}\n", "sub/a.env": NAMED[name]}
    project.commit("Filter", files)
    with pytest.raises(EnvironmentFault) as caught:
        open_checkout(PlanRequest(repository=project.root, prompts=(), options={"check": "true"}))
    assert f"need the filter {name}, which is not set up" in str(caught.value)
    assert ("sub/a.env is encrypted" in caught.value.why) == (name == "other")


def test_a_filter_that_is_not_set_up_and_seals_nothing_is_noted(
    project: Project, tmp_path: Path
) -> None:
    files = {".gitattributes": "*.ipynb filter=nbstripout\n", "a.md": "about GITCRYPT"}
    base = project.commit("Filter", files)
    asked = PlanRequest(repository=project.root, prompts=(), options={"check": "true"})
    assert [*open_checkout(asked).notes] == [
        "the filter nbstripout is not set up here, so its files are used as they are stored"
    ]
    run = make_run(project, tmp_path, base)
    worktree = make_worktree(project, run, tmp_path, base)
    (worktree.files / "b.ipynb").write_text("{}\n")
    assert show(run, snap(worktree, base).commit, "b.ipynb") == "{}"


DRIVERS = {
    "union": ("merge=union", "", "1\nours\ntheirs\n"),
    "none": ("-merge", "", ""),
    "a program": ("merge=longest", "cat %B >> %A", "1\nours\n1\ntheirs\n"),
    "a program of the base": ("merge=longest", "sh tools/merge %A %B", "1\nours\n1\ntheirs\n"),
}


@pytest.mark.parametrize("case", DRIVERS)
def test_merges_follow_the_attributes_and_drivers(
    project: Project, tmp_path: Path, case: str
) -> None:
    attribute, driver, expected = DRIVERS[case]
    project.write({"tools/merge": 'cat "$2" >> "$1"\n'})
    if driver:
        project.git("config", "merge.longest.driver", driver)
    files = {"sub/.gitattributes": f"LOG {attribute}\n", "sub/LOG": "1\n"}
    base = project.commit("Log", files)
    ours = project.commit("Ours", {"sub/LOG": "1\nours\n"})
    project.git("reset", "--quiet", "--hard", base)
    theirs = project.commit("Theirs", {"sub/LOG": "1\ntheirs\n"})
    run = make_run(project, tmp_path, base)
    merged = run.merge(ours, theirs, message="Merge", at=AT)
    assert isinstance(merged, Merged if expected else Conflict)
    if isinstance(merged, Merged):
        assert show(run, merged.commit, "sub/LOG") == expected.removesuffix("\n")


LINES = {
    "*.a filter=x": "d/**/*.a filter=x",
    "/e/*.a text": "d/e/*.a text",
    "e/f -text": "d/e/f -text",
    '"a b" text': '"d/**/a b" text',
    "# no": "",
    "!no text": "",
    "[attr]no text": "",
}


@pytest.mark.parametrize("folder", ["d", "d[1]", 'd "q" x', "d\\e"])
def test_lines_of_a_folder_mean_the_same_files_in_the_root(project: Project, folder: str) -> None:
    text = "".join(f"{line}\n" for line in LINES)
    paths = [f"{folder}/{name}" for name in ("x.a", "y/x.a", "e/x.a", "e/f", "a b", "y/e/f")]
    project.commit("Lines", dict.fromkeys(paths, "") | {f"{folder}/.gitattributes": text})
    wanted = project.git("check-attr", "--all", "--", *paths)
    base = project.git("rev-parse", "HEAD")
    for name in ("x",):
        project.git("config", f"filter.{name}.clean", "cat")
    found = read_conversion(project.open(), base)
    project.git("rm", "--quiet", f"{folder}/.gitattributes")
    assert project.git("check-attr", "--all", "--", *paths) != wanted
    (project.root / ".git" / "info" / "attributes").write_text(found.attributes)
    assert project.git("check-attr", "--all", "--", *paths) == wanted
    if folder == "d":
        assert found.attributes == "".join(f"{line}\n" for line in LINES.values() if line)

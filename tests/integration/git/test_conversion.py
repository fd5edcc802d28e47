"""Attributes, filters and merge drivers are those of the base and the user, never an agent's."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.git.conversion import read_conversion
from concertmaster.git.merge_conflict import Conflict, Merged
from concertmaster.git.run_repository import RunRepository
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import Checkout, PlanRequest, open_checkout
from concertmaster.planning.recalled_options import recall_options
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
        "agents see the files of the filter seal converted, as you do"
    ]


NAMED = {
    "git-crypt": "token",
    "git-crypt-team": "token",
    "crypt": "token",
    "other": "\0GITCRYPT\0x",
    "sops": "token",
    "openssl-enc": "token",
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


# name, smudge, required, and what the repository stores: what decides whether it decrypts.
DECRYPTING = {
    "required": ("seal", SEAL, "true", ""),
    "required in other words": ("seal", SEAL, "1", ""),
    "its name": ("git-crypt", "cat -", "", ""),
    "its program": ("secrets", "sh -c 'gpg --decrypt'", "", ""),
    "its program in a folder": ("secrets", "cat - | /opt/bin/sops -d", "", ""),
    "a sops file": ("secrets", "cat -", "", '{"k": "ENC[AES256_GCM,data:x"}'),
    "an age file": ("secrets", "cat -", "", "age-encryption.org/v1\n"),
    "a file of ansible-vault": ("secrets", "cat -", "", "$ANSIBLE_VAULT;1.1;AES256\n"),
}
HARMLESS = {
    "nbstripout": ("nbstripout", "cat", "true", ""),
    "without smudge": ("seal", "", "true", ""),
    "not required": ("indent", "expand --tabs=4", "", ""),
    "a word in a word": ("pages", "cat - --age 5", "", "about GITCRYPT and sops"),
}


def set_filter(project: Project, row: tuple[str, str, str, str]) -> str:
    name, smudge, needed, content = row
    base = project.commit("Filter", {".gitattributes": f"*.x filter={name}\n", "b.x": content})
    project.git("config", f"filter.{name}.clean", "cat")
    for key, value in (("smudge", smudge), ("required", needed)):
        if value:
            project.git("config", f"filter.{name}.{key}", value)
    return base


def open_with(project: Project, **options: str) -> Checkout:
    given = {"check": "true", **options}
    return open_checkout(PlanRequest(repository=project.root, prompts=(), options=given))


@pytest.mark.parametrize("case", DECRYPTING)
def test_decrypted_files_are_refused_to_agents_until_a_setting_allows_them(
    project: Project, case: str
) -> None:
    set_filter(project, DECRYPTING[case])
    with pytest.raises(UsageError) as caught:
        open_with(project).refuse_agents()
    assert "agents would see b.x decrypted" in str(caught.value)
    assert "--filters allow" in caught.value.next_step
    allowed = open_with(project, filters="allow")
    allowed.refuse_agents()
    assert [*allowed.notes] == [
        f"agents see the files of the filter {DECRYPTING[case][0]} decrypted"
    ]
    project.commit("Allow", {"concertmaster.yml": "filters: allow\n"})
    open_with(project).refuse_agents()


@pytest.mark.parametrize("case", HARMLESS)
def test_filters_that_decrypt_nothing_are_noted(project: Project, case: str) -> None:
    set_filter(project, HARMLESS[case])
    opened = open_with(project)
    opened.refuse_agents()
    assert [*opened.notes] == [
        f"agents see the files of the filter {HARMLESS[case][0]} converted, as you do"
    ]


def test_a_filter_that_no_file_of_the_base_has_decrypts_nothing(project: Project) -> None:
    set_filter(project, DECRYPTING["required"])
    project.git("rm", "--quiet", "b.x")
    project.commit("Remove", {})
    open_with(project).refuse_agents()


def test_every_plan_of_a_run_looks_for_decrypted_files(project: Project) -> None:
    set_filter(project, DECRYPTING["required"])
    (project.root / "prompt.md").write_text("# Do it\n\nDo it.\n")
    options = {"check": "true"}
    prompts = (project.root / "prompt.md",)
    asked = PlanRequest(repository=project.root, prompts=prompts, options=options)
    with pytest.raises(UsageError, match="agents would see"):
        make_plan(asked)
    made = make_plan(replace(asked, options={**options, "filters": "allow"}))
    assert recall_options(made.plan, project.open())["filters"] == "allow"


def test_a_filter_that_is_not_set_up_and_seals_nothing_is_noted(
    project: Project, tmp_path: Path
) -> None:
    files = {".gitattributes": "*.ipynb filter=nbstripout\n", "a.yml": "$ANSIBLE_VAULT;1.1"}
    base = project.commit("Filter", files)
    asked = PlanRequest(repository=project.root, prompts=(), options={"check": "true"})
    assert [*open_checkout(asked).notes] == [
        "the filter nbstripout is not set up here, so its files are used as they are stored"
    ]
    run = make_run(project, tmp_path, base)
    worktree = make_worktree(project, run, tmp_path, base)
    (worktree.files / "b.ipynb").write_text("{}\n")
    assert show(run, snap(worktree, base).commit, "b.ipynb") == "{}"


@pytest.mark.parametrize("is_there", [True, False])
def test_a_plan_notes_that_lfs_is_not_installed(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_there: bool
) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in ("git", "git-lfs")[: 1 + is_there]:
        (programs / name).symlink_to(shutil.which("git") or "git")
    project.commit("LFS", {".gitattributes": "*.bin filter=lfs diff=lfs merge=lfs -text\n"})
    monkeypatch.setenv("PATH", str(programs))
    notes = open_with(project).notes
    assert any("agents see pointers" in note for note in notes) != is_there


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

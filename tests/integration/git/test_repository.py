"""The user's repository and the run's own are used with real git."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from concertmaster.errors import EnvironmentFault, GitFault, UsageError
from concertmaster.git.command import OUR_EMAIL, Git
from concertmaster.git.commit_files import CommitFiles
from concertmaster.git.landed_prompts import find_landed
from concertmaster.git.merge_conflict import Conflict, Merged
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.model import PathChange
from tests.conftest import Project

AT = 1_700_000_000


@pytest.fixture
def run(project: Project, tmp_path: Path) -> RunRepository:
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


def change(run: RunRepository, project: Project, base: str, files: dict[str, str]) -> str:
    """Return a commit of ours on `base`, made with an index of its own."""
    index = run.path.with_name("scratch-index")
    git = Git(project.root, git_dir=run.path, index=index, private=True)
    git.run("read-tree", base)
    for name, content in files.items():
        blob = run.write_blob(content.encode())
        git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
    return run.commit(git.run("write-tree"), parents=(base,), message="change", at=AT)


def file_at(run: RunRepository, commit: str, path: str) -> str:
    return run.git.run("cat-file", "blob", f"{commit}:{path}")


def test_a_repository_is_opened_from_any_folder_in_it(project: Project) -> None:
    repository = Repository.open(project.root / "folder")
    assert repository.root == project.root
    assert repository.git_dir == project.root / ".git"
    assert repository.object_format == "sha1"
    assert repository.is_main


def test_a_linked_worktree_shares_the_git_folder(project: Project, tmp_path: Path) -> None:
    project.git("worktree", "add", "--quiet", "-b", "other", str(tmp_path / "other"))
    repository = Repository.open(tmp_path / "other")
    assert (repository.root, repository.git_dir) == (tmp_path / "other", project.root / ".git")
    assert repository.current_branch() == "other"
    assert not repository.is_main


def test_a_bare_repository_is_fine(project: Project, tmp_path: Path) -> None:
    project.git("clone", "--quiet", "--bare", ".", str(tmp_path / "bare.git"))
    repository = Repository.open(tmp_path / "bare.git")
    assert repository.root == repository.git_dir == tmp_path / "bare.git"
    assert repository.is_main
    assert repository.branch_tip("main") == project.git("rev-parse", "main")


def test_a_folder_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="not a git repository") as caught:
        Repository.open(tmp_path)
    assert caught.value.next_step


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault):
        Repository.open(tmp_path / "nowhere")


def test_a_repository_without_a_commit_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(EnvironmentFault, match="no commit yet"):
        Repository.open(tmp_path)


def test_a_path_with_a_line_break_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path / "two\nlines")
    with pytest.raises(EnvironmentFault, match="has a line break") as caught:
        project.open()
    assert caught.value.next_step


def test_a_partial_clone_is_refused_with_the_command_that_completes_it(
    project: Project, tmp_path: Path
) -> None:
    project.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    source = f"file://{project.root}"
    project.git("clone", "--quiet", "--filter=blob:none", "--no-checkout", source, str(clone))
    with pytest.raises(EnvironmentFault, match="partial clone") as caught:
        Repository.open(clone)
    command = caught.value.next_step.removeprefix("complete it: ")
    subprocess.run(command, shell=True, cwd=clone, check=True, capture_output=True)
    repository = Repository.open(clone)
    assert repository.read_file(repository.resolve("HEAD"), "a.txt") == b"a\n"


def test_without_git_the_error_says_so(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(EnvironmentFault, match="git was not found"):
        Git(project.root, private=False).run("version")


def test_a_failing_command_names_itself_its_exit_code_and_its_last_words(project: Project) -> None:
    with pytest.raises(GitFault, match="git cat-file failed") as caught:
        project.open().git.run("cat-file", "blob", "nonsense")
    assert "128" in caught.value.why
    assert "nonsense" in caught.value.why


@pytest.mark.parametrize("revision", ["missing", "--all", "-x", "", "HEAD:a.txt", "a\0b", "$(id)"])
def test_a_base_that_does_not_exist_is_a_usage_error(project: Project, revision: str) -> None:
    with pytest.raises(UsageError):
        project.open().resolve(revision)


def test_revisions_become_commit_ids(project: Project) -> None:
    project.git("tag", "--annotate", "--message=one", "v1")
    head = project.git("rev-parse", "HEAD")
    repository = project.open()
    assert {repository.resolve(name) for name in ("HEAD", "v1", "main", head[:12])} == {head}
    with pytest.raises(UsageError):
        repository.branch_tip("v1")


def test_a_detached_head_is_no_branch(project: Project) -> None:
    assert project.open().current_branch() == "main"
    project.git("checkout", "--quiet", "--detach")
    assert project.open().current_branch() is None


def test_names_that_are_no_text_survive(project: Project) -> None:
    strange = os.fsdecode(b"new\nline-\xff.txt")
    head = project.commit("Strange", {strange: "1"})
    repository = project.open()
    assert strange in repository.paths(head)
    assert repository.read_file(head, strange) == b"1"
    assert repository.read_file(head, "missing") is None
    assert repository.read_file(head, "folder") is None


def test_the_requester_is_what_git_would_write_as_author(project: Project) -> None:
    assert project.open().requester() == "Ada <ada@example.org>"
    project.git("config", "user.name", "Eve\n<x>")
    assert project.open().requester() == "Evex <ada@example.org>"
    project.git("config", "--unset", "user.email")
    assert project.open().requester() == ""


def test_a_pin_comes_and_goes(project: Project) -> None:
    repository = project.open()
    head = repository.resolve("HEAD")
    for _ in range(2):
        repository.pin("refs/concertmaster/r1/base", head)
    assert project.git("rev-parse", "refs/concertmaster/r1/base") == head
    for _ in range(2):
        repository.unpin("refs/concertmaster/r1/base")
    assert "refs/concertmaster" not in project.git("for-each-ref")


def test_making_the_repository_twice_keeps_the_first(project: Project, run: RunRepository) -> None:
    blob = run.write_blob(b"kept\0\xff")
    again = RunRepository.create(run.path, user=project.open())
    assert again.git.ask("cat-file", "blob", blob).out == b"kept\0\xff"
    with pytest.raises(EnvironmentFault):
        RunRepository.open(run.path / "missing")


@pytest.mark.parametrize(
    "name", ['quote".git', "#hash", "ünï", "back\\slash", os.fsdecode(b"\xff")]
)
def test_the_users_objects_are_found_wherever_they_lie(tmp_path: Path, name: str) -> None:
    project = Project(tmp_path / name)
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())
    assert run.tree(project.git("rev-parse", "HEAD")) == project.git("rev-parse", "HEAD^{tree}")


def test_the_tree_of_a_commit_just_made_is_known_without_asking_git(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())
    head = project.git("rev-parse", "HEAD")
    made = run.commit(run.tree(head), parents=(head,), message="m", at=AT)
    assert run.tree(made) == RunRepository.open(run.path).tree(made)


def test_what_a_commit_contains_is_said_alike_by_who_made_it_and_by_git(
    project: Project, run: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    one = change(run, project, base, {"one.txt": "1\n"})
    two = change(run, project, base, {"two.txt": "2\n"})
    three = change(run, project, one, {"three.txt": "3\n"})
    merged = run.merge(three, two, message="m", at=AT)
    assert isinstance(merged, Merged)
    commits = (base, one, two, three, merged.commit)
    pairs = [(commit, to) for to in commits for commit in commits]

    told = [run.is_foreign(*pair) for pair in pairs * 2]
    asked = [RunRepository.open(run.path).is_foreign(*pair) for pair in pairs]

    assert told == asked * 2
    assert (told.count(True), told.count(False)) == (24, 26)


def test_a_file_of_a_commit_is_read_once(project: Project) -> None:
    repository = project.open()
    files = CommitFiles(repository, project.git("rev-parse", "HEAD"))
    first = files.read("a.txt"), files.read("none.txt")
    shutil.rmtree(repository.git_dir / "objects")

    assert first == (b"a\n", None)
    assert (files.read("a.txt"), files.read("none.txt")) == first


def test_sha256_repositories_work(tmp_path: Path) -> None:
    root = tmp_path / "big"
    subprocess.run(["git", "init", "--quiet", "--object-format=sha256", str(root)], check=True)
    identity = ("-c", "user.name=a", "-c", "user.email=b")
    command = ["git", *identity, "commit", "--quiet", "--allow-empty", "--message=x"]
    subprocess.run(command, cwd=root, check=True)
    user = Repository.open(root)
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user)
    head = user.resolve("HEAD")
    made = run.commit(run.tree(head), parents=(head,), message="m", at=AT)
    user.fetch(run.path, made, ref="refs/heads/concertmaster/r/t")
    assert user.branch_tip("concertmaster/r/t") == made


def test_a_commit_is_ours_and_the_same_everywhere(project: Project, tmp_path: Path) -> None:
    project.git("config", "commit.gpgSign", "true")
    project.git("config", "i18n.commitEncoding", "latin1")
    head = project.git("rev-parse", "HEAD")
    made = []
    for name in ("one", "two"):
        run = RunRepository.create(tmp_path / name / "repository.git", user=project.open())
        made.append(run.commit(run.tree(head), parents=(head,), message="Täsk\n\nbody", at=AT))
    assert made[0] == made[1]
    lines = run.git.run("cat-file", "commit", made[0]).splitlines()
    assert lines[2:] == [
        f"author Concertmaster <{OUR_EMAIL}> {AT} +0000",
        f"committer Concertmaster <{OUR_EMAIL}> {AT} +0000",
        *("", "Täsk", "", "body"),
    ]


def test_what_does_not_overlap_merges_the_same_whoever_repeats_it(
    project: Project, tmp_path: Path
) -> None:
    base = project.git("rev-parse", "HEAD")
    merges = []
    for name in ("one", "two"):
        run = RunRepository.create(tmp_path / name / "repository.git", user=project.open())
        ours = change(run, project, base, {"a.txt": "changed\n"})
        theirs = change(run, project, base, {"b.txt": "changed\n"})
        merges.append(run.merge(ours, theirs, message="Merge", at=AT))
        # A setting of the user between the two must not matter.
        project.git("config", "merge.renames", "false")
    assert merges[0] == merges[1]
    assert isinstance(merges[0], Merged)
    assert run.tree(merges[0].commit) == merges[0].tree
    assert run.git.run("rev-parse", f"{merges[0].commit}^@").split() == [ours, theirs]
    assert file_at(run, merges[0].commit, "a.txt") == "changed"
    assert file_at(run, merges[0].commit, "b.txt") == "changed"


def test_what_overlaps_is_a_conflict_that_names_the_paths(
    project: Project, run: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    ours = change(run, project, base, {"a.txt": "1\n", "b.txt": "x\n"})
    theirs = change(run, project, base, {"a.txt": "2\n", "b.txt": "x\n"})
    assert run.merge(ours, theirs, message="m", at=AT) == Conflict(paths=("a.txt",))


def test_a_file_that_meets_a_folder_is_named_without_the_id_of_a_commit(
    project: Project, run: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    ours = change(run, project, base, {"lib": "a file\n"})
    theirs = change(run, project, base, {"lib/a.txt": "in a folder\n"})
    assert run.merge(ours, theirs, message="m", at=AT) == Conflict(paths=("lib",))
    told = run.reapply(ours, base=base, head=theirs, at=AT)
    assert told == Conflict(paths=("lib",))


def test_what_cannot_be_merged_at_all_is_a_fault(project: Project, run: RunRepository) -> None:
    base = project.git("rev-parse", "HEAD")
    stranger = run.commit(run.tree(base), parents=(), message="m", at=AT)
    with pytest.raises(GitFault):
        run.merge(base, stranger, message="m", at=AT)
    with pytest.raises(GitFault):
        run.merge("--help", base, message="m", at=AT)


def test_reapplying_brings_the_change_alone(project: Project, run: RunRepository) -> None:
    base = project.git("rev-parse", "HEAD")
    left_out = change(run, project, base, {"a.txt": "left out\n", "left-out.txt": "x\n"})
    head = change(run, project, left_out, {"b.txt": "wanted\n"})
    tip = change(run, project, base, {"folder/c.txt": "landed\n"})
    result = run.reapply(tip, base=left_out, head=head, at=AT)
    assert isinstance(result, Merged)
    assert run.git.run("rev-parse", f"{result.commit}^@").split() == [tip]
    assert [entry.path for entry in run.changes(tip, result.commit)] == ["b.txt"]
    history = run.git.run("rev-list", result.commit).split()
    assert left_out not in history
    assert head not in history
    assert result == run.reapply(tip, base=left_out, head=head, at=AT)


def test_a_change_that_needs_what_was_left_out_is_a_conflict(
    project: Project, run: RunRepository
) -> None:
    base = project.git("rev-parse", "HEAD")
    left_out = change(run, project, base, {"a.txt": "left out\n"})
    head = change(run, project, left_out, {"a.txt": "on top\n"})
    result = run.reapply(base, base=left_out, head=head, at=AT)
    assert result == Conflict(paths=("a.txt",))


def test_changes_tell_modes_and_where_new_links_point(project: Project, run: RunRepository) -> None:
    old = project.git("rev-parse", "HEAD")
    (project.root / "link").symlink_to("../outside\n")
    (project.root / "same").symlink_to("../outside\n")
    (project.root / "a.txt").unlink()
    (project.root / "b.txt").chmod(0o755)
    strange = os.fsdecode(b"\xff\n")
    new = project.commit("Change", {strange: "s"})
    changes = {entry.path: entry for entry in run.changes(old, new)}
    assert set(changes) == {"link", "same", "a.txt", "b.txt", strange}
    blob = project.git("rev-parse", f"{old}:a.txt")
    gone = PathChange(path="a.txt", old_mode="100644", new_mode="000000", old_blob=blob)
    assert changes["a.txt"] == gone
    assert changes["b.txt"].new_mode == "100755"
    assert {changes["link"].link_target, changes["same"].link_target} == {"../outside\n"}
    assert changes[strange].link_target == ""
    assert run.git.ask("cat-file", "blob", changes[strange].blob).out == b"s"
    assert run.changes(run.tree(old), run.tree(old)) == ()


def test_a_result_is_brought_to_the_user_and_moved_only_with_the_lease(
    project: Project, run: RunRepository
) -> None:
    user = project.open()
    base = user.resolve("HEAD")
    first = change(run, project, base, {"a.txt": "1\n"})
    second = change(run, project, base, {"a.txt": "2\n"})
    ref = "refs/heads/concertmaster/r1/task"
    before = {
        path: path.read_bytes() for path in (project.root / ".git").glob("*") if path.is_file()
    }
    for _ in range(2):
        user.fetch(run.path, first, ref=ref)
    assert user.branch_tip("concertmaster/r1/task") == first
    with pytest.raises(GitFault):
        user.fetch(run.path, second, ref=ref)
    with pytest.raises(GitFault):
        user.fetch(run.path, second, ref=ref, old=base)
    user.fetch(run.path, second, ref=ref, old=first)
    assert project.git("cat-file", "blob", f"{second}:a.txt") == "2"
    after = {
        path: path.read_bytes() for path in (project.root / ".git").glob("*") if path.is_file()
    }
    assert before == after


def test_shallow_clones_work(project: Project, tmp_path: Path) -> None:
    project.commit("Second", {"a.txt": "2\n"})
    project.git(
        "clone", "--quiet", "--depth=1", f"file://{project.root}", str(tmp_path / "shallow")
    )
    user = Repository.open(tmp_path / "shallow")
    run = RunRepository.create(tmp_path / "run" / "repository.git", user=user)
    head = user.resolve("HEAD")
    made = run.commit(run.tree(head), parents=(head,), message="m", at=AT)
    user.fetch(run.path, made, ref="refs/heads/x")
    assert run.git.run("rev-list", made).split() == [made, head]
    assert user.git.run("rev-list", "x").split() == [made, head]


def test_a_users_hook_never_runs(project: Project, run: RunRepository, tmp_path: Path) -> None:
    for name in ("reference-transaction", "post-merge", "post-checkout"):
        hook = project.root / ".git" / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        hook.chmod(0o755)
    user = project.open()
    base = user.resolve("HEAD")
    user.fetch(run.path, change(run, project, base, {"a.txt": "1\n"}), ref="refs/heads/x")
    user.pin("refs/concertmaster/r1/base", base)
    assert not (tmp_path / "ran").exists()


def test_a_program_that_checks_signatures_never_runs(project: Project, tmp_path: Path) -> None:
    program = tmp_path / "gpg"
    program.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    program.chmod(0o755)
    base, tip = project.git("rev-parse", "HEAD").strip(), signed(project)
    project.git("config", "log.showSignature", "true")
    project.git("config", "gpg.program", str(program))
    user = project.open()

    find_landed(user, tip, {"a": "0" * 40})
    user.git.run("update-ref", "refs/heads/x", tip)
    assert user.history(base, "x")
    assert not (tmp_path / "ran").exists()
    project.git("log", tip)
    assert (tmp_path / "ran").exists()


def signed(project: Project) -> str:
    """Return a commit on HEAD with a signature, which no branch has."""
    head, _, _ = project.git("cat-file", "commit", "HEAD").partition("\n\n")
    tree, people = head.split("\n")[0], [line for line in head.split("\n") if " <" in line]
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n abcd\n -----END PGP SIGNATURE-----"
    parent = f"parent {project.git('rev-parse', 'HEAD').strip()}"
    file = project.root.with_name("signed-commit")
    file.write_text("\n".join([tree, parent, *people, signature, "", "Signed\n"]))
    return project.git("hash-object", "-w", "-t", "commit", str(file)).strip()

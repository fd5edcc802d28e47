"""Reads the user's repository and sets refs in it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from concertmaster.errors import EnvironmentFault, UsageError
from concertmaster.git.command import (
    OUR_EMAIL,
    OUR_NAME,
    STDERR_TAIL,
    Git,
    GitAnswer,
    check_version,
    decode,
    git_fault,
    parse_object_id,
    split_records,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The user's repository.

    `git_dir` is the common git folder, whichever worktree `root` is. `is_main` says whether `root`
    is the main worktree.
    """

    root: Path
    git_dir: Path
    is_main: bool
    object_format: str
    git: Git
    config: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> Repository:
        """Return the repository around `path`. Raises EnvironmentFault when no run can use it."""
        check_version()
        git = Git(path, private=False)
        questions = ("--git-common-dir", "--show-object-format", "--git-dir", "--show-toplevel")
        answer = git.ask("rev-parse", "--path-format=absolute", *questions)
        found = decode(answer.out).removesuffix("\n").split("\n") if answer.out else []
        check_path(path.resolve())
        _check_found(path, found, answer)
        if not _has_commit(git):
            raise _no_commit_yet(path)
        git_dir, object_format, own, root = (*found, found[0])[:4]
        config = _read_config(git)
        _check_complete(config)
        return cls(
            root=Path(root),
            git_dir=Path(git_dir),
            is_main=Path(own).resolve() == Path(git_dir).resolve(),
            object_format=object_format,
            git=Git(Path(root), private=False),
            config=config,
        )

    @property
    def name(self) -> str:
        """The name of the folder that people know the repository by."""
        is_hidden = self.root == self.git_dir and self.root.name.startswith(".")  # hub/.bare
        folder = self.root.parent if is_hidden else self.root
        return folder.name.removesuffix(".git") or "repository"

    def resolve(self, revision: str) -> str:
        """Return the commit id of a revision. Raises UsageError when it names no commit."""
        return self._commit(revision, what=f"there is no commit {revision!r}")

    def branch_tip(self, branch: str) -> str:
        """Return the commit id of a local branch. Raises UsageError when it does not exist."""
        return self._commit(f"refs/heads/{branch}", what=f"there is no branch {branch!r}")

    def _commit(self, revision: str, *, what: str) -> str:
        arguments = ("--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        answer = self.git.ask("rev-parse", *arguments) if "\0" not in revision else None
        if answer is None or answer.code != 0:
            raise UsageError(
                what,
                why=f"looked in {self.root}",
                next_step="`git branch --all` lists what there is",
            )
        return parse_object_id(decode(answer.out).strip())

    def current_branch(self) -> str | None:
        """Return the branch checked out in `root`, or None when HEAD is detached."""
        answer = self.git.ask("symbolic-ref", "--quiet", "HEAD")
        return decode(answer.out).strip().removeprefix("refs/heads/") or None

    def detach(self) -> None:
        """Detach HEAD, so that it stays on its commit when the branch moves; touch no file."""
        tip = self.git.run("rev-parse", "--verify", "HEAD")
        self.git.run("update-ref", "--no-deref", "HEAD", parse_object_id(tip))

    def paths(self, commit: str) -> tuple[str, ...]:
        """Return the path of every file, symlink and submodule of the commit."""
        return tuple(
            split_records(
                self.git.run("ls-tree", "-r", "-z", "--name-only", parse_object_id(commit))
            )
        )

    def modes(self, commit: str) -> dict[str, str]:
        """Return the mode of every file, symlink (120000) and submodule (160000), by path."""
        lines = split_records(self.git.run("ls-tree", "-r", "-z", parse_object_id(commit)))
        pairs = (line.partition("\t") for line in lines)
        return {path: facts.partition(" ")[0] for facts, _, path in pairs}

    def read_file(self, commit: str, path: str) -> bytes | None:
        """Return the content of the commit's file at `path`, or None if there is none."""
        answer = self.git.ask("cat-file", "blob", f"{parse_object_id(commit)}:{path}")
        return answer.out if answer.code == 0 else None

    def read_blobs(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Return the content of blobs by id; those that are missing are left out."""
        wanted = "".join(f"{parse_object_id(sha)}\n" for sha in ids).encode()
        out = self.git.ask("cat-file", "--batch", stdin=wanted).out if ids else b""
        found, at = {}, 0
        while at < len(out):
            start = out.index(b"\n", at) + 1
            words = out[at:start].decode().split()
            at = start
            if len(words) == 3:
                at = start + int(words[2]) + 1
                found[words[0]] = out[start : at - 1]
        return found

    def requester(self) -> str:
        """Return `Name <email>` from the user's configuration, or "" if one is not set."""
        name, email = (
            re.sub(r"[\x00-\x1f\x7f<>]", "", self.config.get(key, "")).strip()
            for key in ("user.name", "user.email")
        )
        return f"{name} <{email}>" if name and email else ""

    def excludes(self) -> bytes:
        """Return the user's ignore rules from outside the tree, weakest first."""
        personal = self.config.get("core.excludesfile", "~/.config/git/ignore")
        files = (Path(personal).expanduser(), self.git_dir / "info" / "exclude")
        return b"".join(file.read_bytes() + b"\n" for file in files if file.is_file())

    def pin(self, ref: str, commit: str) -> None:
        """Set `ref` to the commit, which keeps it from being garbage-collected."""
        self.git.run("update-ref", ref, parse_object_id(commit))

    def unpin(self, ref: str) -> None:
        """Delete `ref`. Safe to repeat."""
        self.git.run("update-ref", "-d", ref)

    def fetch(self, source: Path, commit: str, *, ref: str = "", old: str | None = None) -> None:
        """Fetch a commit of `source` and set `ref`, if one is given, to it.

        The ref is created, or moved from exactly `old`. Raises GitFault when it holds another
        commit.
        """
        options = "--quiet --no-tags --no-write-fetch-head --no-auto-maintenance --no-prune"
        options += " --no-recurse-submodules --no-write-commit-graph --no-show-forced-updates"
        self.git.run(
            *("-c", "protocol.file.allow=always", "fetch", *options.split()),
            *("--end-of-options", str(source), parse_object_id(commit)),
        )
        if not ref:
            return
        expected = parse_object_id(old) if old else "0" * len(commit)
        answer = self.git.ask("update-ref", ref, commit, expected)
        if answer.code != 0:
            holds = self.git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
            if decode(holds.out).strip() != commit:
                raise git_fault("update-ref", answer)

    def history(self, since: str, branch: str) -> list[str]:
        """Return the branch's first-parent history after `since`, as the lines of git's graph."""
        span = f"{parse_object_id(since)}..refs/heads/{branch}"
        options = ("--graph", "--first-parent", "--format=%h %s")
        return self.git.run("log", *options, "--end-of-options", span).split("\n")


def check_path(path: Path) -> None:
    """Raise EnvironmentFault when the path has a line break.

    The files of git that list other repositories have one path a line.
    """
    if "\n" in str(path):
        raise EnvironmentFault(
            f"the path {str(path)!r} has a line break",
            why="git tools cannot find the objects of a repository at such a path",
            next_step="move the repository to a path without one",
        )


def _check_found(path: Path, found: list[str], answer: GitAnswer) -> None:
    if not found:
        raise EnvironmentFault(
            f"{path} is not a git repository that can be used",
            why=answer.err.strip()[-STDERR_TAIL:],
            next_step="run inside a git repository, or name one with --repo",
        )


def _has_commit(git: Git) -> bool:
    """Return whether HEAD or any branch has a commit; the branch checked out may be a new one."""
    if git.ask("rev-parse", "--verify", "--quiet", "HEAD^{commit}").code == 0:
        return True
    return bool(git.ask("for-each-ref", "--count=1", "refs/heads", "refs/remotes").out)


def _no_commit_yet(path: Path) -> EnvironmentFault:
    return EnvironmentFault(
        f"the repository {path} has no commit yet",
        why="every task starts from a commit",
        next_step='make one: git add --all && git commit -m "Start"',
    )


def _read_config(git: Git) -> Mapping[str, str]:
    """Return the settings that we honour, by lower-case key; the last value counts, as in git."""
    keys = r"^(user\.(name|email)|core\.excludesfile|lfs\.storage|remote\..*\.promisor)$"
    entries = split_records(git.ask("config", "-z", "--get-regexp", keys).out)
    pairs = (entry.partition("\n") for entry in entries)
    return {key: value if newline else "true" for key, newline, value in pairs}


def _check_complete(config: Mapping[str, str]) -> None:
    for key, value in config.items():
        if key.endswith(".promisor") and value.lower() in ("true", "yes", "on", "1"):
            remote = key.removeprefix("remote.").removesuffix(".promisor")
            raise EnvironmentFault(
                "this is a partial clone",
                why="its missing files would be fetched one by one, from within the tasks",
                next_step=f"complete it: git fetch --refetch --no-filter {remote}"
                f" && git config --unset-all {key}",
            )


def make_repository(folder: Path, *, branch: str, message: str) -> None:
    """Make the folder a repository with all its files in one commit of ours."""
    git = Git(folder, private=True)
    git.run("init", "--quiet", "--template=", f"--initial-branch={branch}")
    git.run("add", "--all")
    who = ("-c", f"user.name={OUR_NAME}", "-c", f"user.email={OUR_EMAIL}")
    git.run(*who, "commit", "--quiet", f"--message={message}")

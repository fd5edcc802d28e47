"""Git, behind one door, and the user's repository.

Every git command of ours goes through `Git`; GitPython is its runner and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from git.cmd import Git as Runner
from git.exc import GitCommandNotFound

from concertmaster.errors import EnvironmentFault, GitFault, UsageError

OUR_NAME = "Concertmaster"
OUR_EMAIL = "concertmaster@users.noreply.github.com"
OLDEST_GIT = (2, 39)
ABSENT = "000000"
SYMLINK = "120000"

OWNER = "CONCERTMASTER_OWNER"  # says in the environment of git which process of ours started it
_PIPE = -1  # what the standard library calls subprocess.PIPE
_STDERR_TAIL = 2000
_OBJECT_ID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")

_ALWAYS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "submodule.recurse=false",
)
# Attributes and excludes of the machine must not change what a snapshot or a merge gives.
_PRIVATE = (
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.excludesFile=/dev/null",
    "i18n.commitEncoding=UTF-8",
)
_ENVIRONMENT = {"GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
_PRIVATE_ENVIRONMENT = {
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_DEFAULT_REF_FORMAT": "files",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a git command gave: exit code, stdout as bytes, stderr as text."""

    code: int
    out: bytes
    err: str


class Git:
    """The one door to git. `private` = a repository of ours: no configuration of the machine."""

    def __init__(
        self,
        directory: Path,
        *,
        git_dir: Path | None = None,
        work_tree: Path | None = None,
        index: Path | None = None,
        private: bool,
    ) -> None:
        places = {"GIT_DIR": git_dir, "GIT_WORK_TREE": work_tree, "GIT_INDEX_FILE": index}
        settings = _ALWAYS + (_PRIVATE if private else ())
        self._command = ["git", "-C", str(directory)]
        self._command += [word for setting in settings for word in ("-c", setting)]
        self._environment = _ENVIRONMENT | (_PRIVATE_ENVIRONMENT if private else {})
        self._environment |= {name: str(path) for name, path in places.items() if path}
        self._environment |= {OWNER: str(os.getpid())}

    def run(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> str:
        """Stdout without its last newline; GitFault when git exits non-zero."""
        answer = self.ask(*args, stdin=stdin, env=env)
        if answer.code != 0:
            raise fault(args[0], answer)
        return text(answer.out).removesuffix("\n")

    def ask(
        self, *args: str, stdin: bytes | None = None, env: Mapping[str, str] | None = None
    ) -> Answer:
        """The answer whatever the exit code is; EnvironmentFault when there is no git."""
        try:
            # A session of its own: Ctrl-C must not end git halfway through the user's files.
            process = Runner().execute(
                [*self._command, *args],
                as_process=True,
                istream=_PIPE,  # type: ignore[call-overload, unused-ignore]
                env={**self._environment, **(env or {})},
                start_new_session=True,
            )
        except GitCommandNotFound as error:
            raise EnvironmentFault(
                "git was not found", why=str(error), next_step="install git 2.39 or later"
            ) from error
        out, err = process.communicate(stdin or b"")
        return Answer(code=process.returncode, out=out, err=text(err))


def fault(command: str, answer: Answer) -> GitFault:
    """The error for an exit code that nobody expected."""
    why = f"exit code {answer.code}: {answer.err.strip()[-_STDERR_TAIL:]}"
    return GitFault(f"git {command} failed", why=why)


def text(data: bytes) -> str:
    """File names and messages are bytes to git; what is not UTF-8 survives a round trip."""
    return data.decode("utf-8", "surrogateescape")


def records(data: bytes | str) -> list[str]:
    """The entries of a `-z` output."""
    whole = text(data) if isinstance(data, bytes) else data
    return [entry for entry in whole.split("\0") if entry]


def object_id(value: str) -> str:
    """The value itself; GitFault when it is not a full object id."""
    if not _OBJECT_ID.fullmatch(value):
        raise GitFault(f"not an object id: {value[:80]!r}")
    return value


@cache
def check_version() -> None:
    """EnvironmentFault when git is too old for `merge-tree --write-tree` as we use it."""
    words = f"git {git_version()}"
    found = re.search(r"(\d+)\.(\d+)", words)
    if found is None or (int(found[1]), int(found[2])) < OLDEST_GIT:
        raise EnvironmentFault(
            f"{words} is too old",
            why="Concertmaster merges in memory, which git can do since 2.39",
            next_step="install git 2.39 or later",
        )


@cache
def git_version() -> str:
    """As git says it; another version may merge in another way."""
    return Git(Path("/"), private=True).run("version").removeprefix("git version ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """The user's repository. `git_dir` is the common one, whichever worktree `root` is."""

    root: Path
    git_dir: Path
    object_format: str
    git: Git
    config: Mapping[str, str]

    @classmethod
    def open(cls, path: Path) -> Repository:
        """EnvironmentFault when no run can be made from what lies at `path`."""
        check_version()
        git = Git(path, private=False)
        questions = ("--git-common-dir", "--show-object-format", "--is-bare-repository")
        answer = git.ask(
            *("rev-parse", "--path-format=absolute", *questions, "HEAD^{commit}", "--show-toplevel")
        )
        found = text(answer.out).removesuffix("\n").split("\n") if answer.out else []
        _check_found(path, found, answer)
        git_dir, object_format, _bare, _head, root = (*found, found[0])[:5]
        config = _read_config(git)
        _check_complete(config)
        return cls(
            root=Path(root),
            git_dir=Path(git_dir),
            object_format=object_format,
            git=Git(Path(root), private=False),
            config=config,
        )

    def resolve(self, revision: str) -> str:
        """The commit id; UsageError when the revision names no commit."""
        return self._commit(revision, what=f"there is no commit {revision!r}")

    def branch_tip(self, branch: str) -> str:
        """The commit id; UsageError when the branch does not exist."""
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
        return object_id(text(answer.out).strip())

    def current_branch(self) -> str | None:
        """The branch that is checked out in `root`; None when HEAD is detached."""
        answer = self.git.ask("symbolic-ref", "--quiet", "HEAD")
        return text(answer.out).strip().removeprefix("refs/heads/") or None

    def detach(self) -> None:
        """HEAD stays on its commit when the branch moves on; no file is touched."""
        tip = self.git.run("rev-parse", "--verify", "HEAD")
        self.git.run("update-ref", "--no-deref", "HEAD", object_id(tip))

    def paths(self, commit: str) -> tuple[str, ...]:
        """Every file, symlink and submodule of the commit."""
        return tuple(records(self.git.run("ls-tree", "-r", "-z", "--name-only", object_id(commit))))

    def modes(self, commit: str) -> dict[str, str]:
        """The mode of every file, symlink (120000) and submodule (160000), by path."""
        lines = records(self.git.run("ls-tree", "-r", "-z", object_id(commit)))
        pairs = (line.partition("\t") for line in lines)
        return {path: facts.partition(" ")[0] for facts, _, path in pairs}

    def read_file(self, commit: str, path: str) -> bytes | None:
        """The bytes that the commit holds at `path`; None where there is no file."""
        answer = self.git.ask("cat-file", "blob", f"{object_id(commit)}:{path}")
        return answer.out if answer.code == 0 else None

    def requester(self) -> str:
        """`Name <email>` from the user's configuration, or ""."""
        name, email = (
            re.sub(r"[\x00-\x1f\x7f<>]", "", self.config.get(key, "")).strip()
            for key in ("user.name", "user.email")
        )
        return f"{name} <{email}>" if name and email else ""

    def excludes(self) -> bytes:
        """The user's ignore rules that lie outside the tree, weakest first."""
        personal = self.config.get("core.excludesfile", "~/.config/git/ignore")
        files = (Path(personal).expanduser(), self.git_dir / "info" / "exclude")
        return b"".join(file.read_bytes() + b"\n" for file in files if file.is_file())

    def pin(self, ref: str, commit: str) -> None:
        """Keep the commit from being collected."""
        self.git.run("update-ref", ref, object_id(commit))

    def unpin(self, ref: str) -> None:
        """Safe to repeat."""
        self.git.run("update-ref", "-d", ref)

    def fetch(self, source: Path, commit: str, *, ref: str = "", old: str | None = None) -> None:
        """Bring a commit of `source` here and set `ref`, where one is named, to it.

        The ref is created, or moved from exactly `old`; GitFault when it holds anything else.
        """
        options = "--quiet --no-tags --no-write-fetch-head --no-auto-maintenance --no-prune"
        options += " --no-recurse-submodules --no-write-commit-graph --no-show-forced-updates"
        self.git.run(
            *("-c", "protocol.file.allow=always", "fetch", *options.split()),
            *("--end-of-options", str(source), object_id(commit)),
        )
        if not ref:
            return
        expected = object_id(old) if old else "0" * len(commit)
        answer = self.git.ask("update-ref", ref, commit, expected)
        if answer.code != 0:
            holds = self.git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", ref)
            if text(holds.out).strip() != commit:
                raise fault("update-ref", answer)

    def history(self, since: str, branch: str) -> list[str]:
        """The branch's commits after `since`, line by line as git draws them."""
        span = f"{object_id(since)}..refs/heads/{branch}"
        options = ("--graph", "--first-parent", "--format=%h %s")
        return self.git.run("log", *options, "--end-of-options", span).split("\n")


def _check_found(path: Path, found: list[str], answer: Answer) -> None:
    if not found:
        raise EnvironmentFault(
            f"{path} is not a git repository that can be used",
            why=answer.err.strip()[-_STDERR_TAIL:],
            next_step="run inside a git repository, or name one with --repo",
        )
    if len(found) < 4 or not _OBJECT_ID.fullmatch(found[3]):
        raise EnvironmentFault(
            f"the repository {path} has no commit yet",
            why="every task starts from a commit",
            next_step='make one: git add --all && git commit -m "Start"',
        )


def _read_config(git: Git) -> Mapping[str, str]:
    """The settings that we honour, by lower-case key; the last value counts, as in git."""
    keys = r"^(user\.(name|email)|core\.excludesfile|lfs\.storage|remote\..*\.promisor)$"
    entries = records(git.ask("config", "-z", "--get-regexp", keys).out)
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
    """Make what lies in the folder a repository with one commit of ours."""
    git = Git(folder, private=True)
    git.run("init", "--quiet", "--template=", f"--initial-branch={branch}")
    git.run("add", "--all")
    who = ("-c", f"user.name={OUR_NAME}", "-c", f"user.email={OUR_EMAIL}")
    git.run(*who, "commit", "--quiet", f"--message={message}")

"""Reads and moves the server's branches; the token is in no file and no command line."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from concertmaster.errors import EnvironmentFault, GitFault, UsageError
from concertmaster.git import remote_errors
from concertmaster.git.command import Git, GitAnswer, decode, parse_object_id
from concertmaster.git.our_branches import PREFIX, REFERENCES
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.retry import TransientFault, retry_on_transient
from concertmaster.text.display import display
from concertmaster.text.object_ids import is_object_id

PATIENCE_SECONDS = 60  # until git gives up a connection on which nothing comes
TRIES = 4
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 30.0
T = TypeVar("T")
_NEEDS_WRITE = (
    "If the token lacks that permission, add the line `contents: write` to the job's "
    "`permissions:` in the workflow file."
)

BRANCHES = "refs/heads/"
FETCHED = f"{REFERENCES}fetched/"

_CHECKED = ("-c", "fetch.fsckObjects=true", "-c", "transfer.fsckObjects=true")


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchMove:
    """A move of a branch on the server, from exactly `old` to `new`.

    An empty `old` means that the branch must not exist yet, an empty `new` deletes it.
    """

    branch: str
    old: str
    new: str


class PushState(StrEnum):
    """The result of one branch's move."""

    DONE = "done"  # the server holds `new`
    MOVED = "moved"  # the server did not hold `old`
    FORBIDDEN = "forbidden"  # a rule of the server, or a permission that the token lacks


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """The result of one branch's move, with the server's reason unless it is done."""

    state: PushState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A repository on the server, and the token that git sends it.

    A call that fails for the moment is made again, up to TRIES times.
    """

    url: str
    token: str = field(repr=False)

    def clone(self, folder: Path, *, branch: str = "") -> Repository:
        """Clone one branch without its files and check out `branch`, or the default one, by name.

        The folder is empty or missing. Raises EnvironmentFault when the clone fails or the server
        has no default branch.
        """
        folder.mkdir(parents=True, exist_ok=True)
        named = ("--branch", branch) if branch else ()
        options = ("--quiet", "--no-checkout", "--single-branch", "--no-tags", "--template=")
        command = ("clone", *options, *named, "--", self.url, str(folder))
        answer = self._ask_patiently(Git(folder.parent, private=True), *command)
        if answer.code != 0:
            raise _fault(f"the repository {self.url} could not be cloned", answer)
        if Git(folder, private=True).ask("rev-parse", "--verify", "--quiet", "HEAD").code != 0:
            raise EnvironmentFault(
                f"there is no default branch in {self.url}",
                why="the repository is empty, or somebody removed or renamed the branch",
                next_step="put the branch back, and run this job again",
            )
        return Repository.open(folder)

    def fetch_branch(self, repository: Repository, branch: str) -> None:
        """Fetch a branch of the server into the branch of the same name in a clone of ours.

        Raises UsageError when the server has no such branch, EnvironmentFault when the fetch fails.
        """
        ref = f"{BRANCHES}{branch}"
        options = ("--quiet", "--no-tags", "--no-write-fetch-head", "--end-of-options")
        answer = self._ask_patiently(_git(repository), "fetch", *options, self.url, f"+{ref}:{ref}")
        if answer.code != 0 and "couldn't find remote ref" in answer.err:
            raise UsageError(
                f"there is no branch {branch!r} to land on",
                why=f"{self.url} has none of this name",
                next_step="push it first, or correct `target` where it is given: in the comment, "
                "the workflow file or concertmaster.yml of the default branch",
            )
        if answer.code != 0:
            raise _fault(f"the branch {branch} of {self.url} could not be fetched", answer)

    def tips(
        self, repository: Repository | RunRepository, *, prefix: str = BRANCHES
    ) -> Mapping[str, str]:
        """Return the commits of the server's branches by name, without `refs/heads/`.

        `prefix` starts with `refs/heads/`. Raises EnvironmentFault when the branches cannot be
        listed.
        """
        return self._tips(_git(repository), prefix)

    def fetch(
        self, repository: Repository | RunRepository, commits_or_branches: Sequence[str]
    ) -> Mapping[str, str]:
        """Fetch to `refs/concertmaster/fetched/` and return the fetched commits by the given names.

        Names that the server does not have are left out. Raises EnvironmentFault when the fetch of
        the others fails or brings broken objects, GitFault when a name cannot be a branch.
        """
        git = _git(repository)
        for name in commits_or_branches:
            _check_name(name)
        branches = {name for name in commits_or_branches if not is_object_id(name)}
        there = self._tips(git, BRANCHES).keys() if branches else set()
        wanted = (set(commits_or_branches) - branches) | (branches & there)
        return self._fetch(git, wanted)

    def push(
        self, repository: Repository | RunRepository, moves: Sequence[BranchMove]
    ) -> Mapping[str, PushResult]:
        """Make each move by its own compare-and-swap and return the results by branch.

        Safe to repeat. Branches outside `concertmaster/` are made or move forward. Raises GitFault,
        before anything is pushed, when one would not, and EnvironmentFault when the server cannot
        be reached.
        """
        git = _git(repository)
        assert len({move.branch for move in moves}) == len(moves), "a branch moves once"
        for move in moves:
            _check_move(git, move)
        pushed = self._push(git, moves) if moves else {}
        if len(moves) > 1:  # one forbidden move makes the server refuse those beside it
            for move in moves:
                if pushed[move.branch].state is PushState.FORBIDDEN:
                    pushed |= self._push(git, [move])
        return pushed

    def push_obstacle(self, repository: Repository) -> str:
        """Return the server's reason if the token may push nothing at all, else "".

        Nothing is sent: git asks what it may push to, and a server refuses that question to a token
        that may not write. Raises EnvironmentFault when the server cannot be reached.
        """
        ref = f"{BRANCHES}{PREFIX}may-push"
        command = ("push", "--dry-run", "--quiet", "--no-verify", "--", self.url, f"HEAD:{ref}")
        answer = self._ask_patiently(_git(repository), *command)
        if answer.code == 0:
            return ""
        if remote_errors.forbids(answer.err):
            return remote_errors.reason(answer)
        raise _fault(f"could not ask {self.url} for the right to push", answer)

    def _tips(self, git: Git, prefix: str) -> dict[str, str]:
        answer = self._ask_patiently(git, "ls-remote", "--quiet", "--heads", "--", self.url)
        if answer.code != 0:
            raise _fault(f"the branches of {self.url} could not be listed", answer)
        pairs = (line.partition("\t") for line in decode(answer.out).splitlines())
        return {
            ref.removeprefix(BRANCHES): parse_object_id(commit)
            for commit, _, ref in pairs
            if ref.startswith(prefix)
        }

    def _fetch(self, git: Git, names: Collection[str]) -> dict[str, str]:
        wanted = set(names)
        while wanted:
            answer = self._fetch_once(git, wanted)
            gone = {
                name.removeprefix(BRANCHES) for name in remote_errors.find_missing(answer)
            } & wanted
            if answer.code == 0:
                break
            if not gone:
                raise _fault(f"{self.url} did not give what was asked for", answer)
            wanted -= gone
        return {name: git.run("rev-parse", "--verify", FETCHED + name) for name in wanted}

    def _fetch_once(self, git: Git, names: Iterable[str]) -> GitAnswer:
        options = "--quiet --atomic --no-tags --no-write-fetch-head --no-auto-maintenance"
        options += " --no-recurse-submodules --no-prune --no-show-forced-updates"
        specs = [f"+{_source(name)}:{FETCHED}{name}" for name in sorted(names)]
        command = (*_CHECKED, "fetch", *options.split(), "--end-of-options", self.url, *specs)
        return self._ask_patiently(git, *command)

    def _push(self, git: Git, moves: Sequence[BranchMove]) -> dict[str, PushResult]:
        return _patiently(f"could not push to {self.url}", lambda: self._push_once(git, moves))

    def _push_once(self, git: Git, moves: Sequence[BranchMove]) -> dict[str, PushResult]:
        """Return the results of one push. Raises TransientFault when a repeat may help."""
        options = "--porcelain --no-verify --no-follow-tags --no-signed --recurse-submodules=no"
        leases = [f"--force-with-lease={BRANCHES}{move.branch}:{move.old}" for move in moves]
        specs = [f"{move.new}:{BRANCHES}{move.branch}" for move in moves]
        answer = self._ask(git, "push", *options.split(), *leases, "--", self.url, *specs)
        said = remote_errors.read_porcelain(answer)
        pushed = {move.branch: PushResult(state=PushState.DONE) for move in moves}
        failed = [move for move in moves if said.get(BRANCHES + move.branch, "?")]
        if failed:
            # The messages give the reason, but only the server's refs give the result.
            now = self._tips(git, BRANCHES)
            for move in failed:
                words = said.get(BRANCHES + move.branch, "")
                pushed[move.branch] = self._judge(move, answer, now=now, words=words)
        return pushed

    def _judge(
        self, move: BranchMove, answer: GitAnswer, *, now: Mapping[str, str], words: str
    ) -> PushResult:
        tip, reason = now.get(move.branch, ""), remote_errors.reason(answer, words)
        if tip == move.new:
            return PushResult(state=PushState.DONE)
        if tip != move.old or remote_errors.tells_of_a_move(words):
            return PushResult(state=PushState.MOVED, reason=reason)
        if remote_errors.may_pass(words or answer.err):
            raise TransientFault(reason)
        if words:
            return PushResult(state=PushState.FORBIDDEN, reason=reason)
        if remote_errors.forbids(answer.err):
            return PushResult(state=PushState.FORBIDDEN, reason=f"{reason} {_NEEDS_WRITE}")
        raise _fault(f"could not push to {self.url}", answer)

    def _ask_patiently(self, git: Git, *args: str) -> GitAnswer:
        def ask() -> GitAnswer:
            answer = self._ask(git, *args)
            if answer.code != 0 and remote_errors.may_pass(answer.err):
                raise TransientFault(remote_errors.reason(answer))
            return answer

        return _patiently(f"{self.url} does not answer", ask)

    def _ask(self, git: Git, *args: str) -> GitAnswer:
        return git.ask("-c", "credential.helper=", *args, env=self._environment())

    def _environment(self) -> Mapping[str, str]:
        """Return the environment in which git sends the token, and sends it to this URL only."""
        plain = {
            "GIT_ASKPASS": "",
            "GIT_HTTP_LOW_SPEED_LIMIT": "1",
            "GIT_HTTP_LOW_SPEED_TIME": str(PATIENCE_SECONDS),
        }
        if not self.token:
            return plain
        secret = b64encode(f"x-access-token:{self.token}".encode()).decode()
        return {
            **plain,
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self.url}.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {secret}",
        }


def origin_url(folder: Path) -> str:
    """Return the URL of `origin` in the repository around `folder`, or "" if there is none."""
    answer = Git(folder, private=False).ask("remote", "get-url", "origin")
    return decode(answer.out).strip() if answer.code == 0 else ""


def _git(repository: Repository | RunRepository) -> Git:
    """Return git in the repository, without the machine's credential helpers and hooks."""
    folder = repository.root if isinstance(repository, Repository) else repository.path
    return Git(folder, private=True)


def _check_move(git: Git, move: BranchMove) -> None:
    _check_name(move.branch)
    for commit in filter(None, (move.old, move.new)):
        parse_object_id(commit)
    if move.branch.startswith(PREFIX):
        return
    sides = (move.old, move.new)
    if move.new and not move.old:
        return  # it is made only where no branch of this name is there
    if not all(sides) or git.ask("merge-base", "--is-ancestor", *sides).code != 0:
        raise GitFault(
            f"the branch {move.branch} would not move forward",
            why=f"{move.new or 'nothing'} does not hold {move.old or 'nothing'} in its history",
        )


def _check_name(name: str) -> None:
    if not remote_errors.is_branch(name):
        raise GitFault(f"{display(name)!r} cannot be the name of a branch")


def _fault(what: str, answer: GitAnswer) -> EnvironmentFault:
    return EnvironmentFault(
        what,
        why=(answer.err.strip() or f"git ended with {answer.code}").splitlines()[-1],
        next_step="run the job again; if that does not help, give it the permission "
        "`contents: read` and check the branch's name",
    )


def _patiently(what: str, call: Callable[[], T]) -> T:
    try:
        return retry_on_transient(
            lambda _: call(),
            tries=TRIES,
            first_wait_seconds=FIRST_WAIT_SECONDS,
            longest_wait_seconds=LONGEST_WAIT_SECONDS,
            sleep=time.sleep,
        )
    except TransientFault as error:
        raise EnvironmentFault(
            f"{what}, {TRIES} times in a row",
            why=str(error),
            next_step="run the job again when the server is well; nothing is done twice",
        ) from error


def _source(name: str) -> str:
    return name if is_object_id(name) else BRANCHES + name

"""Holds the bare repository of a run, where snapshots, merges and results are made."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from pathlib import Path

from concertmaster.errors import EnvironmentFault
from concertmaster.git import tree_entries
from concertmaster.git.alternates import add_alternates, has_alternates
from concertmaster.git.command import (
    ABSENT,
    OUR_EMAIL,
    OUR_NAME,
    SYMLINK,
    Git,
    GitAnswer,
    decode,
    git_fault,
    parse_object_id,
    split_records,
)
from concertmaster.git.conversion import read_conversion, take_over
from concertmaster.git.merge_conflict import (
    Conflict,
    FileVersion,
    Joined,
    Merged,
    Resolve,
    read_conflict,
)
from concertmaster.git.merge_history import MergeHistory
from concertmaster.git.repository import Repository
from concertmaster.model import PathChange

REMEMBERED = 64  # listings of folders and of changes, the newest
# aider leaves this cache beside the files and has no option to put it elsewhere.
_LEFT_BY_AGENTS = b".aider.tags.cache.v*/\n"


class RunRepository:
    """The bare repository of one run.

    It finds the user's objects through alternates. No agent can write to it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.git = Git(path, git_dir=path, private=True)
        # Facts about commits, which never change.
        self._trees: dict[str, str] = {}  # tree id by commit id
        self._history = MergeHistory(self.git)
        self._parents: dict[str, tuple[str, ...]] = {}  # of the commits that were made here
        self._contained: set[tuple[str, str]] = set()  # first commits that second ones contain
        self._messages: dict[str, str] = {}  # of the commits that were made here
        self._list_folders = lru_cache(maxsize=REMEMBERED)(self._read_folders)
        self._list_changes = lru_cache(maxsize=REMEMBERED)(self._read_changes)
        read_attribute = partial(tree_entries.find_attribute, path)
        self._find_attribute = lru_cache(maxsize=REMEMBERED)(read_attribute)

    @classmethod
    def create(cls, path: Path, *, user: Repository, base: str = "") -> RunRepository:
        """Make the repository, or open the one that exists.

        `base` is the commit whose attributes and filters hold; without it, LFS is off. Raises
        EnvironmentFault when a filter cannot be run.
        """
        objects = user.git_dir / "objects"
        if path.exists():
            found = cls.open(path)
            if not has_alternates(path, objects):  # the user has moved the repository
                add_alternates(path, objects)
            return found
        draft = path.with_name(f"{path.name}.new")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        Git(draft, private=True).run(
            *("init", "--quiet", "--bare", "--template=", "--initial-branch=unborn"),
            f"--object-format={user.object_format}",
        )
        add_alternates(draft, objects)
        shallow = user.git_dir / "shallow"
        if shallow.exists():
            shutil.copyfile(shallow, draft / "shallow")
        (draft / "info").mkdir(exist_ok=True)
        (draft / "info" / "exclude").write_bytes(_LEFT_BY_AGENTS + user.excludes())
        with (draft / "config").open("a", encoding="utf-8") as config:
            config.write("[gc]\n\tauto = 0\n[uploadpack]\n\tallowAnySHA1InWant = true\n")
        if base:
            take_over(draft, path, read_conversion(user, base), user)
        draft.rename(path)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunRepository:
        """Return the run's repository. Raises EnvironmentFault when it does not exist."""
        if not (path / "objects").is_dir():
            raise EnvironmentFault(f"The run's repository {path} is gone")
        return cls(path)

    def write_blob(self, data: bytes) -> str:
        """Write a blob and return its id."""
        return self.git.run("hash-object", "-w", "--stdin", stdin=data)

    def pin(self, ref: str, commit: str) -> None:
        """Set `ref` to the commit."""
        self.git.run("update-ref", ref, parse_object_id(commit))

    def pinned(self, prefix: str) -> tuple[str, ...]:
        """Return the commits of all refs below `prefix`."""
        return tuple(self.git.run("for-each-ref", "--format=%(objectname)", prefix).split())

    def bundle(self, path: Path, commit: str, *, ref: str, base: str) -> None:
        """Write everything from `base`, exclusive, to `commit` as a bundle with the ref `ref`.

        The ref is set in this repository as well.
        """
        self.pin(ref, commit)
        path.parent.mkdir(parents=True, exist_ok=True)
        self.git.run("bundle", "create", "--quiet", str(path), ref, f"^{parse_object_id(base)}")

    def tree(self, commit: str) -> str:
        """Return the id of the commit's tree."""
        if commit not in self._trees:
            found = self.git.run("rev-parse", "--verify", f"{parse_object_id(commit)}^{{tree}}")
            self._trees[commit] = found
        return self._trees[commit]

    def folders(self, commit: str) -> Mapping[str, tuple[str, str]]:
        """Return mode and id of each folder and submodule of a commit or tree, by path."""
        return self._list_folders(self._trees.get(commit, commit))

    def _read_folders(self, tree: str) -> Mapping[str, tuple[str, str]]:
        listed = self.git.run("ls-tree", "-r", "-d", "-z", parse_object_id(tree))
        pairs = (record.partition("\t") for record in split_records(listed))
        return {path: (facts[:6], facts.split(" ")[2]) for facts, _, path in pairs}

    def message(self, commit: str) -> str:
        """Return the commit's message with a final newline."""
        if commit in self._messages:
            return self._messages[commit]
        raw = self.git.run("cat-file", "commit", parse_object_id(commit))
        return raw.partition("\n\n")[2] + "\n"

    def is_ancestor(self, commit: str, of: str) -> bool:
        """Return whether `commit` is in the history of `of`."""
        sides = (parse_object_id(commit), parse_object_id(of))
        return self.git.ask("merge-base", "--is-ancestor", *sides).code == 0

    def independent(self, commits: Sequence[str]) -> tuple[str, ...]:
        """Return the commits that are in the history of no other one, in their order."""
        asked = [parse_object_id(commit) for commit in dict.fromkeys(commits)]
        found = self.git.run("merge-base", "--independent", *asked).split() if asked else []
        return tuple(commit for commit in asked if commit in found)

    def holds(self, commit: str) -> bool:
        """Return whether the repository has the commit."""
        return self.git.ask("cat-file", "-e", f"{parse_object_id(commit)}^{{commit}}").code == 0

    def is_foreign(self, commit: str, to: str) -> bool:
        """Return whether the commit's history has non-merge commits that `to` lacks."""
        sides = (parse_object_id(commit), f"^{parse_object_id(to)}")
        nearest = ((commit, one) for one in (to, *self._parents.get(to, ())))
        is_known = commit == to or not self._contained.isdisjoint(nearest)
        if not is_known and self.git.run("rev-list", "--no-merges", "--max-count=1", *sides):
            return True
        self._contained.add((commit, to))
        return False

    def commit(self, tree: str, *, parents: tuple[str, ...], message: str, at: int) -> str:
        """Write a commit of ours and return its id; `at` is its date in epoch seconds.

        The same arguments give the same id on every machine.
        """
        who = {"NAME": OUR_NAME, "EMAIL": OUR_EMAIL, "DATE": f"@{at} +0000"}
        env = {f"GIT_{role}_{key}": who[key] for role in ("AUTHOR", "COMMITTER") for key in who}
        words = [word for parent in parents for word in ("-p", parse_object_id(parent))]
        body = message.replace("\0", "").encode("utf-8", "replace")
        made = self.git.run(
            "commit-tree", parse_object_id(tree), *words, "-F", "-", stdin=body, env=env
        )
        self._trees[made], self._parents[made] = tree, parents
        self._history.add(made, parents)
        text = decode(body)
        self._messages[made] = text if text.endswith("\n") else f"{text}\n"
        return made

    def merge(
        self, ours: str, theirs: str, *, message: str, at: int, resolve: Resolve | None = None
    ) -> Merged | Conflict:
        """Merge two commits in memory and return the merge commit, or the conflict.

        `resolve` may turn a conflict into a tree.
        """
        merged = self._merge_trees(ours, theirs, at=at, resolve=resolve)
        if isinstance(merged, Conflict):
            return merged
        commit = self.commit(merged.tree, parents=(ours, theirs), message=message, at=at)
        return Merged(commit=commit, tree=merged.tree, joined=merged.paths)

    def reapply(
        self, tip: str, *, base: str, head: str, at: int, resolve: Resolve | None = None
    ) -> Merged | Conflict:
        """Return a commit with the change between `base` and `head` on the tip, or the conflict.

        The tip is its only parent, and the message is that of `head`. The merge is made in memory.
        An empty `base` is what the histories of tip and head share. `resolve` may turn a conflict
        into a tree.
        """
        ours, theirs = tip, head
        if base:  # merge-tree takes none before git 2.40, so both sides get a made-up parent
            root = self.commit(self.tree(base), parents=(), message="base", at=at)
            ours, theirs = (
                self.commit(self.tree(side), parents=(root,), message="side", at=at)
                for side in (tip, head)
            )
        merged = self._merge_trees(ours, theirs, at=at, resolve=resolve)
        if isinstance(merged, Conflict):
            return merged
        message = self.message(head)
        commit = self.commit(merged.tree, parents=(tip,), message=message, at=at)
        return Merged(commit=commit, tree=merged.tree, joined=merged.paths)

    def _merge_trees(
        self, ours: str, theirs: str, *, at: int, resolve: Resolve | None
    ) -> Joined | Conflict:
        """Return the merged tree, or the conflict."""
        near = self._stand_in(ours, theirs, at=at)
        answer = self._ask_merge(near, theirs)
        if answer.code == 1 and near != ours:  # the markers in the files name the sides
            answer = self._ask_merge(ours, theirs)
        records = split_records(answer.out) or [""]
        if answer.code == 0:
            return Joined(tree=parse_object_id(records[0]))
        if answer.code == 1:
            conflict = read_conflict(records)
            return resolve(conflict) if resolve else conflict
        raise git_fault("merge-tree", answer)

    def _stand_in(self, ours: str, theirs: str, *, at: int) -> str:
        """Return a commit that merges with `theirs` as `ours` does, but without a long walk."""
        origin = self._history.find_origin(ours, theirs)
        if not origin:
            return ours
        return self.commit(self.tree(ours), parents=(origin,), message="side", at=at)

    def _ask_merge(self, ours: str, theirs: str) -> GitAnswer:
        options = ("--write-tree", "-z", "--no-messages")
        return self.git.ask("merge-tree", *options, parse_object_id(ours), parse_object_id(theirs))

    def put_file(self, commit: str, path: str, data: bytes, *, message: str, at: int) -> str:
        """Return a new commit on top of `commit` that differs only in the file at `path`.

        Raises GitFault when a folder of the path is a file in the commit.
        """
        entry = FileVersion(mode="100644", blob=self.write_blob(data))
        tree = self.put_entries(commit, {path: entry})
        return self.commit(tree, parents=(commit,), message=message, at=at)

    def put_entries(self, tree: str, entries: Mapping[str, FileVersion]) -> str:
        """Return the id of the tree with these files in place of those at the same paths.

        Raises GitFault when a folder of a path is a file in the tree.
        """
        return tree_entries.put_entries(self.git, tree, entries)

    def find_attribute(self, tree: str, name: str, paths: Sequence[str]) -> Mapping[str, str]:
        """Return the value of an attribute by path, as the files of the tree say.

        The value is "unspecified" where nothing says it.
        """
        return self._find_attribute(tree, name, tuple(paths))

    @contextmanager
    def index_of(self, tree: str) -> Iterator[Git]:
        """Yield a git whose index, a temporary one, holds the tree."""
        with tempfile.TemporaryDirectory(dir=self.path) as folder:
            index = Path(folder) / "index"
            git = Git(self.path, git_dir=self.path, index=index, private=True)
            git.run("read-tree", parse_object_id(tree))
            yield git

    def without_files(self, commit: str, paths: Collection[str], *, message: str, at: int) -> str:
        """Return a new commit on top of `commit` that lacks these files."""
        removals = "".join(f"{ABSENT} {'0' * len(commit)}\t{path}\0" for path in paths)
        with self.index_of(commit) as git:
            listed = removals.encode("utf-8", "surrogateescape")
            git.run("update-index", "-z", "--index-info", stdin=listed)
            tree = git.run("write-tree")
        return self.commit(tree, parents=(commit,), message=message, at=at)

    def paths(self, commit: str) -> tuple[str, ...]:
        """Return the path of every file, symlink and submodule of the commit."""
        return tuple(
            split_records(
                self.git.run("ls-tree", "-r", "-z", "--name-only", parse_object_id(commit))
            )
        )

    def show_change(self, old: str, new: str, *, limit: int) -> str:
        """Return the diff of two commits as text, cut off after `limit` characters."""
        options = ("--no-color", "--no-ext-diff", "--no-textconv", "--find-renames")
        shown = self.git.run("diff", *options, parse_object_id(old), parse_object_id(new))
        return shown if len(shown) <= limit else f"{shown[:limit]}\n(there is more)"

    def changes(self, old: str, new: str) -> tuple[PathChange, ...]:
        """Return every path that differs between two commits or trees.

        A rename is a removed and an added path.
        """
        return self._list_changes(old, new)

    def _read_changes(self, old: str, new: str) -> tuple[PathChange, ...]:
        options = ("-r", "-z", "--raw", "--no-renames", "--no-abbrev")
        fields = split_records(
            self.git.run("diff-tree", *options, parse_object_id(old), parse_object_id(new))
        )
        entries = [
            (path, *header.lstrip(":").split(" "))
            for header, path in zip(fields[::2], fields[1::2], strict=True)
        ]
        links = self.read_objects({entry[4] for entry in entries if entry[2] == SYMLINK})
        return tuple(
            PathChange(
                path=path,
                old_mode=old_mode,
                new_mode=new_mode,
                blob="" if new_mode == ABSENT else blob,
                old_blob="" if old_mode == ABSENT else old_blob,
                link_target=decode(links[blob]) if new_mode == SYMLINK else "",
            )
            for path, old_mode, new_mode, old_blob, blob, _status in entries
        )

    def read_objects(self, ids: set[str]) -> dict[str, bytes]:
        """Return the raw content of blobs and trees by id; all of them must exist."""
        wanted = "".join(f"{sha}\n" for sha in sorted(ids)).encode()
        out = self.git.ask("cat-file", "--batch", stdin=wanted).out if ids else b""
        found, at = {}, 0
        while at < len(out):
            start = out.index(b"\n", at) + 1
            sha, _kind, size = out[at:start].decode().split()
            at = start + int(size) + 1
            found[sha] = out[start : at - 1]
        return found

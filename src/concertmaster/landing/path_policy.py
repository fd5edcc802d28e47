"""Decides which paths a task may not change and which a person has to look at."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import dropwhile

from concertmaster.landing.file_sections import judge_sections, mixes
from concertmaster.landing.path_classes import PathClass, classify, fold_path, steers_platform
from concertmaster.model import PathChange
from concertmaster.text import globs

SYMLINK = "120000"
GITLINK = "160000"
ABSENT = "000000"

DOCUMENTS = (
    *("*.md", "*.markdown", "*.rst", "*.adoc", "*.txt", "*.1", "*.pod", "*.texi"),
    *("**/doc/**", "**/docs/**", "**/man/**", "CHANGELOG*", "README*", "CHANGES*"),
)
_KNOWN_DOCUMENTS = ("/README*", "/CHANGE*", "/HISTORY*", "/CONTRIBUTING*", "/LICENSE*")


def is_document(path: str) -> bool:
    """Return whether the path is one of documentation."""
    return globs.match(DOCUMENTS, path)


class RunPlace(StrEnum):
    """The place of a run; on one machine the user wrote the prompts and watches the run."""

    MACHINE = "machine"
    GITHUB = "github"


@dataclass(frozen=True, slots=True, kw_only=True)
class PathVerdict:
    """The verdict on a change's paths.

    `refused` gives the reason for each path that may not land; `sensitive` are plain paths that a
    person has to look at, and `classes` says why, path by path.
    """

    refused: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Return whether the change may not land by itself."""
        return bool(self.refused or self.sensitive)

    @property
    def reason(self) -> str:
        """The reasons to refuse the change, or to leave it to a person; "" if there is none."""
        if self.refused:
            return "; ".join(self.refused)
        pairs = zip(self.sensitive, self.classes, strict=True)
        return "; ".join(f"{path}: {why}" for path, why in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PathRules:
    """The rules of one run, and what its files say.

    `protected` are the globs of concertmaster.yml, `prompts` the paths of prompt files and
    `prompt_globs` what matches more of them. `named` are the files that the commands of the run
    name, `below` the folders that hold something before the change. `contents` holds the blobs of
    files whose sections decide, by id.
    """

    place: RunPlace
    protected: Collection[str] = ()
    prompts: Collection[str] = ()
    prompt_globs: Collection[str] = ()
    named: Collection[str] = ()
    below: Collection[str] = ()
    allows_manifests: bool = False
    contents: Mapping[str, bytes] = field(default_factory=dict)


def judge_paths(
    changes: Sequence[PathChange], rules: PathRules, *, touches: Collection[str] = ()
) -> PathVerdict:
    """Return the verdict of the path policy on one change.

    A path that `touches` names literally is not sensitive; a glob in it has no effect.
    """
    refused: list[str] = []
    held: dict[str, PathClass] = {}
    opened = {glob for glob in touches if globs.is_literal(glob)}
    for change in changes:
        reason = _refusal(change, rules)
        if reason:
            refused.append(f"{change.path}: {reason}")
        elif change.path not in opened and (found := classify_change(change, rules)):
            held[change.path] = found
    classes = tuple(one.value for one in held.values())
    return PathVerdict(refused=tuple(refused), sensitive=tuple(held), classes=classes)


def _refusal(change: PathChange, rules: PathRules) -> str:
    if change.new_mode == GITLINK:
        return "a repository inside the repository (submodules are not accepted from tasks)"
    if change.new_mode == SYMLINK and _leaves_the_tree(change):
        return f"a symbolic link to {change.link_target!r}, outside the repository"
    if globs.match(rules.protected, change.path):
        return "protected by concertmaster.yml"
    if rules.place is RunPlace.GITHUB and _is_platform(change):
        return "steers workflows, ownership or Concertmaster itself"
    return ""


def _is_platform(change: PathChange) -> bool:
    is_folder = fold_path(change.path) == ".github"  # replaced by a file or a link
    return is_folder or steers_platform(change.path)


def classify_change(change: PathChange, rules: PathRules) -> PathClass | None:
    """Return why a person has to look at the change; None if any task may make it."""
    if change.old_mode == GITLINK:
        return PathClass.SUBMODULE
    path = change.path
    found = _classify_by_name(change, rules)
    if found is PathClass.DEPENDENCIES and rules.allows_manifests:
        found = None
    if found:
        return found
    if fold_path(path) in {fold_path(one) for one in rules.named}:
        return None if _is_mixed(change) else PathClass.COMMAND
    return PathClass.PROMPT if _is_prompt(path, rules) else None


def _is_mixed(change: PathChange) -> bool:
    """Return whether the sections of the file have decided already."""
    return mixes(change.path) and SYMLINK not in (change.old_mode, change.new_mode)


def _classify_by_name(change: PathChange, rules: PathRules) -> PathClass | None:
    found = classify(change.path)
    if found not in (PathClass.TOOL, PathClass.DEPENDENCIES):
        return found
    if _is_new_conftest(change, rules):
        return None
    if not _is_mixed(change):
        return found
    old, new = (rules.contents.get(blob, b"") for blob in (change.old_blob, change.blob))
    unread = {change.old_blob, change.blob} - {"", *rules.contents}
    return found if unread else judge_sections(change.path, old, new)


def _is_new_conftest(change: PathChange, rules: PathRules) -> bool:
    """Return whether the file is a conftest of new tests alone."""
    folder, _, name = change.path.rpartition("/")
    is_new = change.old_mode == ABSENT and change.new_mode != SYMLINK
    return name == "conftest.py" and is_new and folder != "" and folder not in rules.below


def _is_prompt(path: str, rules: PathRules) -> bool:
    folded = fold_path(path)
    prompts = [fold_path(one) for one in rules.prompts]
    if folded in prompts or globs.match(rules.prompt_globs, path):
        return True
    folders = {one.rpartition("/")[0] for one in prompts}
    if not folded.endswith((".md", ".markdown")):
        return False
    is_below = any(folder and folded.startswith(f"{folder}/") for folder in folders)
    is_beside = "" in folders and "/" not in folded
    return is_below or (is_beside and not globs.match(_KNOWN_DOCUMENTS, path))


def _leaves_the_tree(change: PathChange) -> bool:
    target = change.link_target
    resolved = posixpath.normpath(posixpath.join(posixpath.dirname(change.path), target))
    parts = resolved.lower().split("/")
    return target.startswith("/") or parts[0] == ".." or ".git" in parts or _climbs_late(target)


def _climbs_late(target: str) -> bool:
    """Return whether `..` follows a name in the link's target.

    The name may be a symbolic link itself, and its parent folder outside the tree.
    """
    rest = dropwhile(lambda part: part in ("", ".", ".."), target.split("/"))
    return ".." in rest

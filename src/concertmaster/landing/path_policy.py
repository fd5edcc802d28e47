"""Decides which paths a task may not change and which a person has to look at."""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import dropwhile

from concertmaster.model import PathChange
from concertmaster.text import globs

SYMLINK = "120000"
GITLINK = "160000"

# What the known agents read from a tree by themselves: instructions, settings, hooks, variables.
AGENT_FILES = (
    *("AGENTS.md", "AGENTS.override.md", "CLAUDE.md", "CLAUDE.local.md", "GEMINI.md", "QWEN.md"),
    *(".agents", ".claude", ".claude-plugin", ".codex", ".copilot", ".gemini", ".opencode", ".pi"),
    *(".qwen", ".mcp.json", "opencode.json", "opencode.jsonc", ".geminiignore", ".aider*"),
    *(".cursor", ".cursorrules", ".windsurfrules", ".clinerules", ".goosehints", ".vscode"),
    *(".env", ".env.*", "/.github/copilot-instructions.md", "/.github/instructions"),
    *("/.github/agents", "/.github/hooks", "/.github/prompts", "/.github/skills"),
    *("/.github/copilot", "/.github/mcp.json"),
)
REFUSED_ON_GITHUB = (
    "/.github/workflows/**",
    "/.github/actions/**",
    "CODEOWNERS",
    "/.github/Memory.md",
    "/concertmaster.yml",
    "/.github/concertmaster.yml",
)
SENSITIVE_PATHS = (
    "Makefile",
    "makefile",
    "GNUmakefile",
    "conftest.py",
    "package.json",
    "Dockerfile",
    "action.yml",
    "action.yaml",
    ".gitattributes",
    *AGENT_FILES,
)


DOCUMENTS = (
    *("*.md", "*.markdown", "*.rst", "*.adoc", "*.txt", "*.1", "*.pod", "*.texi"),
    *("**/doc/**", "**/docs/**", "**/man/**", "CHANGELOG*", "README*", "CHANGES*"),
)


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
    person has to look at.
    """

    refused: tuple[str, ...] = ()
    sensitive: tuple[str, ...] = ()


def judge_paths(
    changes: Sequence[PathChange],
    *,
    place: RunPlace,
    protected: Collection[str] = (),
    prompts: Collection[str] = (),
    touches: Collection[str] = (),
) -> PathVerdict:
    """Return the verdict of the path policy on one change.

    `protected` are the globs of concertmaster.yml, `prompts` the run's prompt files. A path that
    `touches` names literally is not sensitive; a glob in it has no effect.
    """
    refused: list[str] = []
    sensitive: list[str] = []
    opened = {glob for glob in touches if globs.is_literal(glob)}
    for change in changes:
        reason = _refusal(change, place=place, protected=protected)
        if reason:
            refused.append(f"{change.path}: {reason}")
        elif change.path not in opened and _is_sensitive(change.path, prompts=prompts):
            sensitive.append(change.path)
    return PathVerdict(refused=tuple(refused), sensitive=tuple(sensitive))


def _refusal(change: PathChange, *, place: RunPlace, protected: Collection[str]) -> str:
    if change.new_mode == GITLINK:
        return "a repository inside the repository (submodules are not accepted from tasks)"
    if change.new_mode == SYMLINK and _leaves_the_tree(change):
        return f"a symbolic link to {change.link_target!r}, outside the repository"
    if globs.match(protected, change.path):
        return "protected by concertmaster.yml"
    if place is RunPlace.GITHUB and _steers(REFUSED_ON_GITHUB, change.path):
        return "steers workflows, ownership or Concertmaster itself"
    return ""


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


def steers_agents(path: str) -> bool:
    """Return whether an agent reads the file by itself, before it is told to."""
    return _steers(AGENT_FILES, path)


def _is_sensitive(path: str, *, prompts: Collection[str]) -> bool:
    return path in prompts or _steers(REFUSED_ON_GITHUB + SENSITIVE_PATHS, path)


def _steers(patterns: tuple[str, ...], path: str) -> bool:
    """Return whether a pattern matches the path in upper, lower or mixed case.

    Many file systems open the same file under each of these names.
    """
    return globs.match(tuple(pattern.lower() for pattern in patterns), path.lower())

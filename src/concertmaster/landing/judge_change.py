"""Reads what the path policy needs to know of two commits, and judges the change between them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate

from concertmaster.git.blobs import find_sizes, read_file
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.file_sections import MOST_BYTES, mixes
from concertmaster.landing.named_files import find_named_files
from concertmaster.landing.path_policy import (
    GITLINK,
    SYMLINK,
    PathRules,
    PathVerdict,
    RunPlace,
    judge_paths,
)
from concertmaster.model import PathChange, Plan
from concertmaster.settings.choices import Manifests
from concertmaster.settings.declarations import FILE_NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeJudge:
    """The path policy of one run over the run's objects; `prompts` are its prompt files."""

    objects: RunRepository
    plan: Plan
    place: RunPlace
    prompts: Collection[str] = ()

    def judge(self, old: str, new: str, *, touches: Collection[str] = ()) -> PathVerdict:
        """Return the verdict on what lies between two commits.

        What the files of the older one say holds: the change decides nothing about itself.
        """
        changes = self.objects.changes(old, new)
        if not changes:
            return PathVerdict()
        return judge_paths(changes, self._rules(old, changes), touches=touches)

    def judge_merge(self, old: str, new: str, *, touches: Collection[str] = ()) -> PathVerdict:
        """Return the verdict on what a merge brings to the commit `old`.

        The paths may differ from those of the task's own change: a person may have renamed files.
        On one machine only what is refused counts.
        """
        if self.place is RunPlace.GITHUB:
            return self.judge(old, new, touches=touches)
        rules = PathRules(place=self.place, protected=self.plan.settings.protected)
        return PathVerdict(refused=judge_paths(self.objects.changes(old, new), rules).refused)

    def _rules(self, old: str, changes: Sequence[PathChange]) -> PathRules:
        settings = self.plan.settings
        checks = dict.fromkeys(task.check for task in self.plan.tasks)
        commands = (settings.check, settings.setup, settings.agent_command, *checks)
        paths, named = _read_tree(self.objects, old, commands)
        return PathRules(
            place=self.place,
            protected=settings.protected,
            prompts={
                *self.prompts,
                *(one.prompt for one in self.plan.tasks if not one.branch),
                *(one.prompt for one in self.plan.skipped),
            },
            prompt_globs=settings.prompts,
            named=named,
            below=_folders(paths) if any("conftest" in one.path for one in changes) else (),
            allows_manifests=settings.manifests is Manifests.ALLOW,
            contents=_read_contents(self.objects, changes),
        )


def _folders(paths: Collection[str]) -> frozenset[str]:
    return frozenset(folder for path in paths for folder in _above(path))


def _above(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return list(accumulate(parts, lambda above, part: f"{above}/{part}"))


@lru_cache(maxsize=8)
def _read_tree(
    objects: RunRepository, commit: str, commands: tuple[str, ...]
) -> tuple[frozenset[str], frozenset[str]]:
    """Return all paths of the commit, and those that the commands and our settings name."""
    paths = frozenset(objects.paths(commit))
    files = [read_file(objects, commit, name) or b"" for name in FILE_NAMES if name in paths]
    texts = [data.decode(errors="replace") for data in files]
    named = find_named_files(
        commands, texts, paths=paths, read=lambda path: read_file(objects, commit, path)
    )
    return paths, named


def _read_contents(objects: RunRepository, changes: Sequence[PathChange]) -> dict[str, bytes]:
    """Return the blobs of the files whose sections decide; those that are too large are absent."""
    wanted = {
        blob
        for one in changes
        for blob in (one.old_blob, one.blob)
        if blob and mixes(one.path) and not {one.old_mode, one.new_mode} & {SYMLINK, GITLINK}
    }
    small = {blob for blob, size in find_sizes(objects, wanted).items() if size <= MOST_BYTES}
    return objects.read_objects(small)

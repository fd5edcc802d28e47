"""Bundles commits as a work job does, and receives them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from concertmaster.git.command import Git
from concertmaster.git.run_repository import RunRepository
from concertmaster.rounds.bundles import receive_bundle
from concertmaster.rounds.result import Result
from tests.conftest import Project
from tests.integration.rounds.job_documents import AT, FRUIT, RUN, SUCCEEDED, refuses


class Job:
    """The run repositories of a work job and of the job that lands, on the same base."""

    def __init__(self, project: Project, folder: Path) -> None:
        self.base = project.git("rev-parse", "HEAD")
        self.work = RunRepository.create(folder / "work.git", user=project.open())
        self.objects = RunRepository.create(folder / "finalize.git", user=project.open())
        self.folder = folder / "work-0"
        self.index = folder / "index"
        (self.folder / "bundles").mkdir(parents=True)

    def commit(
        self, entries: dict[str, bytes], *, on: str = "", mode: str = "100644", root: bool = False
    ) -> str:
        path = self.work.path
        git = Git(path, git_dir=path, index=self.index, private=True)
        git.run("read-tree", on or self.base)
        for name, data in entries.items():
            line = f"{mode} {self.work.write_blob(data)}\t{name}\0".encode()
            git.run("update-index", "-z", "--add", "--index-info", stdin=line)
        parents = () if root else (on or self.base,)
        return self.work.commit(git.run("write-tree"), parents=parents, message="x", at=AT)

    def bundle(self, commit: str, *, ref: str = "", base: str = "", name: str = FRUIT) -> Result:
        """Bundle the commit and return the result that a work job would report."""
        path = self.folder / "bundles" / f"{name}.bundle"
        ref = ref or f"refs/heads/concertmaster/{RUN}/{name}"
        self.work.bundle(path, commit, ref=ref, base=base or self.base)
        return self.result(commit, name=name)

    def result(self, commit: str, *, name: str = FRUIT) -> Result:
        path = self.folder / "bundles" / f"{name}.bundle"
        return replace(
            SUCCEEDED,
            task=name,
            head=commit,
            base=self.base,
            bundle=f"bundles/{name}.bundle",
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )

    def receive(self, result: Result) -> str:
        return receive_bundle(self.objects, self.folder, result, run=RUN, base=self.base)

    def refuses(self, result: Result) -> str:
        """Return why the bundle is refused; check that it leaves nothing behind."""
        before = {path for path in self.objects.path.rglob("*") if path.is_file()}
        why = refuses(lambda: self.receive(result))
        assert {path for path in self.objects.path.rglob("*") if path.is_file()} == before
        assert self.objects.pinned("refs/") == ()
        return why

    def rewrite(self, result: Result, change: Callable[[bytes], bytes]) -> Result:
        path = self.folder / result.bundle
        path.write_bytes(change(path.read_bytes()))
        return self.result(result.head, name=result.task)

"""Forges the artifacts of work and verify jobs, as somebody does who knows all of our code."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from concertmaster.action.accept_results import ResultChecker, read_shares
from concertmaster.action.plan_artifact import PlanArtifact
from concertmaster.commands import MergeCandidate
from concertmaster.files import run_folder
from concertmaster.git import commit_message
from concertmaster.git.command import Git, git_version
from concertmaster.git.merge_conflict import Conflict
from concertmaster.git.repository import Repository
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.merges import merge_changes
from concertmaster.model import Plan
from concertmaster.rounds.documents import read_history_file
from concertmaster.rounds.history import History
from tests.action.rounds import House, Round
from tests.github.bare import Bare

Document = dict[str, Any]
Entry = tuple[str, bytes]  # mode and content; for a submodule the commit's id


@dataclass(frozen=True)
class Forger:
    """A round after its work jobs, whose artifacts can be replaced."""

    house: House
    held: Round
    folder: Path
    given: dict[str, str] = field(default_factory=dict)  # forged outputs of jobs
    blobs: dict[bytes, str] = field(default_factory=dict)

    @property
    def artifacts(self) -> Path:
        return self.held.artifacts

    @cached_property
    def plan(self) -> Plan:
        return run_folder.read_plan(self.artifacts / "concertmaster-plan")

    @cached_property
    def history(self) -> History:
        return read_history_file(self.artifacts / "concertmaster-plan")

    @property
    def base(self) -> str:
        return self.plan.base

    def id_of(self, name: str) -> str:
        return next(one.task for one in self.history.tasks.values() if one.task.startswith(name))

    @cached_property
    def objects(self) -> RunRepository:
        clone = self.folder / "clone"
        git = Git(self.folder, private=True)
        git.run("clone", "--quiet", "--no-checkout", str(self.house.repository.folder), str(clone))
        user = Repository.open(clone)
        return RunRepository.create(self.folder / "repository.git", user=user, base=self.base)

    def receive(self, name: str) -> str:
        """Fetch the head of an honest result into the forger's objects, and return it."""
        one = self.result(name)
        bundle = self.share_of(name) / one["bundle"]
        git = self.objects.git
        git.run("fetch", "--quiet", str(bundle), f"+{self._ref(name)}:refs/received/{name}")
        return str(one["head"] or one["work"])

    def tree(self, start: str, files: Mapping[str, Entry | str | None]) -> str:
        """Return the tree of the commit `start` with these files; None removes a file."""
        index = self.folder / "index"
        git = Git(self.objects.path, git_dir=self.objects.path, index=index, private=True)
        git.run("read-tree", start)
        lines = "".join(f"{self._entry(one)}\t{path}\0" for path, one in files.items())
        git.run("update-index", "-z", "--index-info", stdin=lines.encode())
        return git.run("write-tree")

    def _entry(self, entry: Entry | str | None) -> str:
        """Return mode and id of the entry, as git lists them."""
        if entry is None:
            return f"0 {'0' * 40}"
        mode, data = ("100644", entry.encode()) if isinstance(entry, str) else entry
        if mode == "160000":
            return f"{mode} {data.decode()}"
        if data not in self.blobs:
            self.blobs[data] = self.objects.write_blob(data)
        return f"{mode} {self.blobs[data]}"

    def commit(self, name: str, tree: str, *, parent: str = "", text: str = "") -> str:
        """Return a commit of the tree, with parent and message as we make them for the task."""
        task = next(one for one in self.plan.tasks if one.id == self.id_of(name))
        ours, made_at = (
            commit_message.task_message(task, plan=self.plan),
            self.plan.settings.made_at,
        )
        parents = (parent or self.base,)
        return self.objects.commit(tree, parents=parents, message=text or ours, at=made_at)

    def share_of(self, name: str) -> Path:
        number = next(n for n, ids in enumerate(self.plan.shares) if self.id_of(name) in ids)
        return self.artifacts / f"concertmaster-work-{number}"

    def results(self, name: str) -> Document:
        """Return the results document of the task's share."""
        found: Document = json.loads((self.share_of(name) / "results.json").read_text())
        return found

    def result(self, name: str) -> Document:
        tasks: list[Document] = self.results(name)["tasks"]
        return next(one for one in tasks if one["task"] == self.id_of(name))

    def bend(self, name: str, change: Callable[[Document], object]) -> None:
        """Change the results document of the task's share."""
        document = self.results(name)
        change(document)
        (self.share_of(name) / "results.json").write_text(json.dumps(document))

    def tell(self, name: str, **fields: Any) -> None:
        """Replace fields of the task's result."""

        def change(document: Document) -> None:
            next(o for o in document["tasks"] if o["task"] == self.id_of(name)).update(fields)

        self.bend(name, change)

    def bundle(self, name: str) -> Path:
        return self.share_of(name) / "bundles" / f"{self.id_of(name)}.bundle"

    def claim(self, name: str, head: str, **fields: Any) -> None:
        """Make the commit the result of the task, with a bundle that holds it."""
        path = self.bundle(name)
        path.parent.mkdir(exist_ok=True)
        self.objects.bundle(path, head, ref=self._ref(name), base=self.base)
        succeeded = {"state": "succeeded", "outcome": "succeeded", "base": self.base, "head": head}
        where = {"bundle": f"bundles/{path.name}", "sha256": self.digest(path)}
        self.tell(name, **{**succeeded, **where, "work": "", "no_op": "", **fields})

    def write(self, name: str, files: Mapping[str, Entry | str | None]) -> str:
        """Make a commit with these files the result of the task; no policy applies."""
        head = self.commit(name, self.tree(self.base, files))
        self.claim(name, head)
        return head

    def _ref(self, name: str) -> str:
        return f"refs/heads/concertmaster/{self.plan.run}/{self.id_of(name)}"

    def step(self, tip: str, *names: str, reapplied: tuple[str, ...] = ()) -> Document:
        """Return the verdict's step that merges these tasks onto `tip`, with its true result."""
        commit = tip
        for name in names:
            one, entry = self.result(name), self.history.task(self.id_of(name))
            candidate = MergeCandidate(
                task=entry.task,
                title=entry.title,
                base=one["base"],
                head=one["head"],
                as_it_is=name not in reapplied,
            )
            joined = merge_changes(self.objects, commit, candidate, plan=self.plan)
            assert not isinstance(joined, Conflict)
            commit = joined.commit
        return {
            "tasks": [*map(self.id_of, names)],
            "tip": tip,
            "commit": commit,
            "tree": self.objects.tree(commit),
            "reapplied": [*map(self.id_of, reapplied)],
        }

    def judge(self, *steps: Document, **fields: Any) -> None:
        """Write a verdict by which all of the steps are green."""
        verdict = {
            "run": self.plan.run,
            "round": self.history.round,
            "target": self.plan.target,
            "tip": steps[0]["tip"] if steps else self.base,
            "git_version": git_version(),
            "base_green": True,
            "steps": steps,
            "finished": True,
            **fields,
        }
        self.hand_over(json.dumps(verdict).encode())

    def hand_over(self, verdict: bytes) -> None:
        """Write the verdict and give its digest as the output of the verify job."""
        path = self.artifacts / "concertmaster-verify" / "verdict.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(verdict)
        self.given["verdict_sha256"] = self.digest(path)

    @staticmethod
    def digest(path: Path) -> str:
        return sha256(path.read_bytes()).hexdigest()

    def copy(self, folder: Path) -> Forger:
        """Return a forger with its own artifacts; tests must only read its repository."""
        workflow = replace(self.held.workflow, folder=folder / "workflow")
        shutil.copytree(self.held.workflow.folder, workflow.folder)
        held = Round(workflow=workflow, inputs=self.held.inputs)
        (folder / "forger").mkdir()
        return Forger(house=self.house, held=held, folder=folder / "forger")

    def accepted(self) -> set[str]:
        """Return the short names of the tasks whose results are accepted."""
        user = Repository.open(self.objects.path.parent / "clone")
        objects = RunRepository.create(self.folder / "gate.git", user=user, base=self.base)
        plan_artifact = PlanArtifact(plan=self.plan, history=self.history, texts={})
        shares = read_shares(self.plan, self.artifacts, round_number=self.history.round)
        checker = ResultChecker(
            plan_artifact=plan_artifact,
            shares=shares,
            artifacts=self.artifacts,
            objects=objects,
            fetched={},
        )
        return {one.task.rpartition("-")[0] for one in checker.accept().events if one.head}

    @property
    def bare(self) -> Bare:
        return self.house.double.git(self.house.repository)

    def finalize(self, **more: Any) -> None:
        self.held.finalize(**{**self.given, **more})

    def landed(self) -> set[str]:
        """Return the short names of the landed tasks, from the output of the job."""
        return {task.rpartition("-")[0] for task in json.loads(self.held.outputs["landed"])}

    def brought(self) -> list[str]:
        """Return the commits that the target got since the base of the run."""
        return self.bare.text("rev-list", self.house.tip(), f"^{self.base}").split()

    def history_of_paths(self) -> set[str]:
        """Return every path that a commit of the run on the target touched."""
        log = ("log", "-m", "-z", "--format=", "--name-only", self.house.tip(), f"^{self.base}")
        return {*filter(None, self.bare.run(*log).decode(errors="surrogateescape").split("\0"))}


def sparse(path: Path, size: int) -> None:
    """Make a file of `size` bytes that takes no room on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with path.open("wb") as file:
        os.truncate(file.fileno(), size)

"""Repeats one finalize job from the same saved moment, and tells what each try leaves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from concertmaster.action.finalize.job import finalize
from concertmaster.errors import Error
from tests.action.plan_tries import is_duplicate, shown_of
from tests.action.rounds import SETTINGS, House, Round
from tests.github.bare import Bare
from tests.github.calls import Call
from tests.github.double import Double
from tests.github.merging import WEB_FLOW
from tests.github.state import Repository

# In this order: a task that lands, one that fails the check with it, one that a person has to
# merge, one that fails.
PROMPTS = {
    "cherry": "# Write cherry\n\nwrite cherry.txt cherry\n",
    "damson": "# Write damson\n\nwrite damson.txt damson\n",
    "quince": "# Write a Makefile\n\nwrite Makefile all:\n",
    "plum": "# Write plum\n\nfail\n",
}
# The check records the id of each tree that passes.
CHECK = """\
test -e cherry.txt && test -e damson.txt && exit 1
GIT_INDEX_FILE=$(mktemp -u) sh -c 'git add --all && git write-tree' >> '{passed}'
"""
MEMORY = ".github/Memory.md"
HOURS = 3 * 3600.0
MEASURED = re.compile(r"(?m)^The round took .*$|\"at\": ?[\d.]+|\d{4}-\d\d-\d\d \d\d:\d\d UTC")


@dataclass(frozen=True)
class Finale:
    """A round whose verify job is over, saved so that its finalize job can run many times."""

    house: House
    held: Round
    passed: Path
    saved: Path
    remembered: Repository

    @classmethod
    def prepare(
        cls,
        double: Double,
        folder: Path,
        *,
        name: str,
        settings: str = "",
        rule: str = "",
        more: tuple[str, ...] = (),
    ) -> Finale:
        """Run the jobs before finalize and save what they left.

        `settings` are further lines of concertmaster.yml, `rule` is a rule of the target, `more`
        are further tasks that land.
        """
        passed = folder / f"passed-{name}"
        further = {short: f"# Write {short}\n\nwrite {short}.txt {short}\n" for short in more}
        prompts = {**PROMPTS, **further}
        house = House.build(
            double,
            folder,
            prompts,
            settings=f"{SETTINGS}attempts: 1\n{settings}",
            files={"check.sh": CHECK.format(passed=passed)},
            name=f"ada/{name}",
        )
        if rule:
            double.add_rule(house.repository, rule)
        held = house.ask(house.open_issue(*prompts), max_parallel=2, slots=2)
        held.plan()
        held.work()
        passed.write_text("")
        held.verify()
        saved = folder / f"saved-{name}"
        shutil.copytree(house.repository.folder, saved / "git")
        shutil.copytree(held.workflow.folder, saved / "workflow")
        return cls(house, held, passed, saved, _copy(double, house.repository))

    @property
    def double(self) -> Double:
        return self.house.double

    @property
    def repository(self) -> Repository:
        return self.house.repository

    @property
    def bare(self) -> Bare:
        return self.double.git(self.repository)

    def rewind(self) -> None:
        """Restore everything but the clock, which moves on so that hourly limits are over."""
        self.double.faults.clear()
        self.double.log.clear()
        self.double.clock.advance(HOURS)
        fresh = _copy(self.double, self.remembered)
        for one in fields(Repository):
            setattr(self.repository, one.name, getattr(fresh, one.name))
        _replace(self.repository.folder, self.saved / "git")
        self.download()

    def download(self) -> None:
        """Restore the folder of the job, as on a new machine that has downloaded the artifacts."""
        _replace(self.held.workflow.folder, self.saved / "workflow")
        self.held.workflow.said.truncate(0)

    def run(self, **inputs: str) -> None:
        try:
            assert finalize(self.held.job("finalize", **inputs)) == 0
        finally:
            self.check_target()

    def run_or_stop(self, **inputs: str) -> Error | None:
        """Run the job; return the error that stopped it, which has to tell everything, or None."""
        try:
            self.run(**inputs)
        except Error as error:
            stop = error
        else:
            return None
        assert all((stop.what, stop.why, stop.next_step))
        return stop

    def run_until_done(self) -> None:
        """Run the job, and once more on a new machine if it stopped."""
        if self.run_or_stop():
            self.download()
            self.run()

    def calls(self) -> list[Call]:
        """Return the calls of a job that nothing disturbs."""
        self.rewind()
        self.run()
        return [*self.double.log]

    def check_target(self) -> None:
        """Assert that the target holds a tree that passed the check, apart from Memory.md."""
        first = self.remembered.default_tip
        assert first
        known = {*self.passed.read_text().split(), self._tree(first)}
        tip = self.house.tip()
        assert self.bare.reaches(tip, first)
        without = self.bare.edited_tree(self._tree(tip), [(MEMORY, "", None)])
        assert {self._tree(tip), without} & known, "nobody has checked what is on the target"

    def _tree(self, commit: str) -> str:
        return self.bare.text("rev-parse", f"{commit}^{{tree}}")

    def check_once(self) -> None:
        """Assert that no issue, comment, pull request or entry of Memory.md exists twice."""
        issues = [*self.repository.issues.values()]
        assert not any(map(is_duplicate, issues))
        heads = [pull.head for _, pull in self.repository.pulls()]
        assert len(heads) == len({*heads}), "two pull requests of one branch"
        marks = [_mark(issue.body) for issue in issues if _mark(issue.body)]
        assert len(marks) == len({*marks}), "two issues of one kind and task"
        said = [_mark(one.body) for issue in issues for one in issue.comments if _mark(one.body)]
        assert len(said) == len({*said}), "two comments of one kind"
        memory = self.house.read(MEMORY) or ""
        assert memory.count(f" {self.held.outputs['run']}") <= 1, "two entries in Memory.md"

    def state(self) -> dict[str, Any]:
        """Return everything that a try has left, without what chance decides."""
        self.check_once()
        mine = f"refs/heads/concertmaster/{self.held.outputs['run']}/"
        branches = self.bare.refs(mine)
        state = branches.pop(f"{mine}state")
        known = {one: self._known(one) for one in self.bare.commits("--first-parent", "main")}
        ids = {old: new for old, new in known.items() if old != new}
        shown = {key: one for key, one in shown_of(self.repository, ids).items() if key != "runs"}
        found = {
            **shown,
            "pulls": sorted(self._pulls()),
            "branches": branches,
            "target": [*known.values()],
            "memory": self.house.read(MEMORY),
            "state": self._files(state),
            "rounds": {tuple(run.inputs.items()) for run in self.house.dispatched},
            "outputs": self.held.outputs,
        }
        return {name: _without_chance(value, ids) for name, value in found.items()}

    def _pulls(self) -> Iterator[tuple[Any, ...]]:
        for issue, pull in self.repository.pulls():
            reviews = [review.body for review in pull.reviews]
            commit = pull.merge_commit and self._known(pull.merge_commit)
            merged = (pull.merged_at is not None, commit, pull.head_commit)
            yield (pull.head, pull.base, issue.title, issue.body, issue.state, merged, reviews)

    def _known(self, commit: str) -> str:
        """Return the commit's id, or the tree of a commit by GitHub, whose id varies with time."""
        found = self.bare.read_commit(commit)
        return found.tree if found.committer.name == WEB_FLOW.name else commit

    def _files(self, commit: str) -> dict[str, str]:
        names = self.bare.text("ls-tree", "-r", "--name-only", commit).splitlines()
        return {name: self.bare.text("cat-file", "blob", f"{commit}:{name}") for name in names}


def _without_chance(value: Any, ids: Mapping[str, str]) -> Any:
    """Return the value without ids of GitHub and without measured times.

    `ids` are the commits that GitHub made, with what stands for them.
    """
    match value:
        case str():
            for old, new in ids.items():
                value = value.replace(old, new).replace(old[:7], new[:7])
            return re.sub(r"(issuecomment-)\d+", r"\1…", MEASURED.sub("…", value))
        case dict():
            return {key: _without_chance(one, ids) for key, one in value.items()}
        case list() | tuple():
            return [_without_chance(one, ids) for one in value]
        case _:
            return value


def _mark(body: str | None) -> str:
    first = (body or "").partition("\n")[0]
    return first if "<!-- concertmaster " in first else ""


def _copy(double: Double, repository: Repository) -> Repository:
    """Return a copy of the repository that shares people and apps with the original."""
    known = [*double.store.users.values(), double.store.actions_app]
    return deepcopy(repository, {id(one): one for one in known})


def _replace(folder: Path, saved: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(saved, folder, symlinks=True)

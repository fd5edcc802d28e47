"""One finalize job, again and again from the same moment, and what each try of it leaves."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
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

# One lands, one fails the check beside it, one is for a person to merge, one fails.
PROMPTS = {
    "cherry": "# Write cherry\n\nwrite cherry.txt cherry\n",
    "damson": "# Write damson\n\nwrite damson.txt damson\n",
    "quince": "# Write a Makefile\n\nwrite Makefile all:\n",
    "plum": "# Write plum\n\nfail\n",
}
# Each tree that passes is written down, by the id that git gives it.
CHECK = """\
test -e cherry.txt && test -e damson.txt && exit 1
GIT_INDEX_FILE=$(mktemp -u) sh -c 'git add --all && git write-tree' >> '{passed}'
"""
MEMORY = ".github/Memory.md"
HOURS = 3 * 3600.0
MEASURED = re.compile(r"(?m)^Agents worked .*$|\"at\": ?[\d.]+|\d{4}-\d\d-\d\d \d\d:\d\d UTC")


@dataclass(frozen=True)
class Finale:
    """The house of a run whose verify job is over, as it was then."""

    house: House
    held: Round
    passed: Path
    saved: Path
    remembered: Repository

    @classmethod
    def prepare(
        cls, double: Double, folder: Path, *, name: str, settings: str = "", rule: str = ""
    ) -> Finale:
        """`settings` are further lines of concertmaster.yml, `rule` one for the target."""
        passed = folder / f"passed-{name}"
        house = House.build(
            double,
            folder,
            PROMPTS,
            settings=f"{SETTINGS}attempts: 1\n{settings}",
            files={"check.sh": CHECK.format(passed=passed)},
            name=f"ada/{name}",
        )
        if rule:
            double.add_rule(house.repository, rule)
        held = house.ask(house.open_issue(*PROMPTS), max_parallel=2, slots=2)
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

    # --- the job -------------------------------------------------------------------------------

    def rewind(self) -> None:
        """All is as it was, but for the time: limits of the hour are over."""
        self.double.faults.clear()
        self.double.log.clear()
        self.double.clock.advance(HOURS)
        fresh = _copy(self.double, self.remembered)
        for one in fields(Repository):
            setattr(self.repository, one.name, getattr(fresh, one.name))
        _replace(self.repository.folder, self.saved / "git")
        self.download()

    def download(self) -> None:
        """A machine that holds only the artifacts and what the jobs before gave."""
        _replace(self.held.workflow.folder, self.saved / "workflow")
        self.held.workflow.said.truncate(0)

    def run(self, **inputs: str) -> None:
        try:
            assert finalize(self.held.job("finalize", **inputs)) == 0
        finally:
            self.check_target()

    def run_or_stop(self, **inputs: str) -> Error | None:
        """A stop is a clear one."""
        try:
            self.run(**inputs)
        except Error as error:
            stop = error
        else:
            return None
        assert all((stop.what, stop.why, stop.next_step))
        return stop

    def run_until_done(self) -> None:
        """The run after a stop completes it."""
        if self.run_or_stop():
            self.download()
            self.run()

    def calls(self) -> list[Call]:
        """Those of a job that nothing disturbs."""
        self.rewind()
        self.run()
        return [*self.double.log]

    # --- what is there afterwards --------------------------------------------------------------

    def check_target(self) -> None:
        """It holds a tree that passed the check, apart from Memory.md."""
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
        """Nothing is there twice."""
        issues = [*self.repository.issues.values()]
        assert not any(map(is_duplicate, issues))
        heads = [pull.head for _, pull in self.repository.pulls()]
        assert len(heads) == len({*heads}), "two pull requests of one branch"
        marks = [_mark(issue.body) for issue in issues if _mark(issue.body)]
        assert len(marks) == len({*marks}), "two issues of one kind and task"
        said = [_mark(one.body) for issue in issues for one in issue.comments if _mark(one.body)]
        assert len(said) == len({*said}), "two comments of one kind"
        memory = self.house.read(MEMORY) or ""
        assert memory.count(self.held.outputs["run"]) <= 1, "two entries in Memory.md"

    def state(self) -> dict[str, Any]:
        """All that a try has left, as far as chance has no part in it."""
        self.check_once()
        mine = f"refs/heads/concertmaster/{self.held.outputs['run']}/"
        branches = self.bare.refs(mine)
        state = branches.pop(f"{mine}state")
        found = {
            **{name: shown for name, shown in shown_of(self.repository).items() if name != "runs"},
            "pulls": sorted(self._pulls()),
            "branches": branches,
            "target": [*map(self._known, self.bare.commits("--first-parent", "main"))],
            "memory": self.house.read(MEMORY),
            "state": self._files(state),
            "rounds": {tuple(run.inputs.items()) for run in self.house.dispatched},
            "outputs": self.held.outputs,
        }
        return {name: _without_chance(value) for name, value in found.items()}

    def _pulls(self) -> Iterator[tuple[Any, ...]]:
        for issue, pull in self.repository.pulls():
            reviews = [review.body for review in pull.reviews]
            commit = pull.merge_commit and self._known(pull.merge_commit)
            merged = (pull.merged_at is not None, commit, pull.head_commit)
            yield (pull.head, pull.base, issue.title, issue.body, issue.state, merged, reviews)

    def _known(self, commit: str) -> str:
        """Its id, but where GitHub has made it and put its time in: its tree."""
        found = self.bare.read_commit(commit)
        return found.tree if found.committer.name == WEB_FLOW.name else commit

    def _files(self, commit: str) -> dict[str, str]:
        names = self.bare.text("ls-tree", "-r", "--name-only", commit).splitlines()
        return {name: self.bare.text("cat-file", "blob", f"{commit}:{name}") for name in names}


def _without_chance(value: Any) -> Any:
    """Without ids of GitHub and what a clock has measured."""
    match value:
        case str():
            return re.sub(r"(issuecomment-)\d+", r"\1…", MEASURED.sub("…", value))
        case dict():
            return {key: _without_chance(one) for key, one in value.items()}
        case list() | tuple():
            return [_without_chance(one) for one in value]
        case _:
            return value


def _mark(body: str | None) -> str:
    first = (body or "").partition("\n")[0]
    return first if "<!-- concertmaster " in first else ""


def _copy(double: Double, repository: Repository) -> Repository:
    """Of all that changes; people and apps stay who they are."""
    known = [*double.store.users.values(), double.store.actions_app]
    return deepcopy(repository, {id(one): one for one in known})


def _replace(folder: Path, saved: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(saved, folder, symlinks=True)

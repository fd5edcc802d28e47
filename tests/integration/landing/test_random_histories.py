"""The results of random runs land by the whole engine with real git, and the rules of landing hold.

A result left out is *justified* by the final target: with it the check fails, or it conflicts, or
what it needs did not land. So nothing that could still land is left out.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from concertmaster.cli.finish import run_home
from concertmaster.engine.find_run import runs_folder
from concertmaster.engine.journal import Journal
from concertmaster.engine.local_run import LocalRun, settle_run
from concertmaster.engine.recorded_run import RecordedRun
from concertmaster.events import BatchChecked, Event, ResultReceived, RunStarted
from concertmaster.files import run_folder
from concertmaster.git import commit_message
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.merges import build_base
from concertmaster.model import Built, Need, Plan, RunSettings, Task, TaskState
from concertmaster.planning.build_plan import new_run
from concertmaster.run.state import RunState
from concertmaster.sandbox.supervisor import Guard
from concertmaster.settings.choices import HistoryShape
from tests.conftest import Project, in_matrix

AT = 1_700_000_000
NAMES = ("t0", "t1", "t2", "t3", "t4", "t5")
THEIRS = "theirs"  # the change of somebody else
LINES = (5, 15, 25)  # of core.txt; they are too far apart to conflict
CORE = "".join(f"line {number}\n" for number in range(30))
LIST = "# List\n\n- old\n"
SHAPES = (HistoryShape.LINEAR, HistoryShape.SQUASH, HistoryShape.MERGE)
# The red sets of one example are those of a check that no result can make green again.
CHECK = """\
echo >> '{counter}'
if test $(wc -l < '{counter}') = {moves_at}; then
  git --git-dir='{git_dir}' update-ref refs/heads/main {theirs} {base} || true
fi
for red in {red}; do
  all=yes
  for name in $(echo $red | tr + ' '); do test -e "$name.txt" || all=; done
  test -z "$all" || {{ echo "FAILED t.py::test_$red"; exit 1; }}
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A task with its result: what it is built on and which of the shared places it changes."""

    task: str
    base: str
    head: str
    built_on: tuple[Built, ...]
    needs: frozenset[str]
    adds_to_list: bool


@dataclass(kw_only=True)
class Workshop:
    """A repository, the results that a seed makes in it, and the sets of results that are red."""

    project: Project
    folder: Path
    chance: random.Random
    plan: Plan
    objects: RunRepository
    made: dict[str, Made] = field(default_factory=dict)
    red: tuple[frozenset[str], ...] = ()

    @classmethod
    def build(cls, project: Project, folder: Path, seed: int) -> Workshop:
        chance = random.Random(seed)
        base = project.commit("Files", {"core.txt": CORE, "list.md": LIST})
        project.git("checkout", "--quiet", "--detach")  # so that others can push to main
        settings = RunSettings(
            agent="", history=chance.choice(SHAPES), made_at=AT, check=f"sh {folder}/check.sh"
        )
        plan = Plan(run=new_run(), base=base, target="main", slots=1, settings=settings, tasks=())
        home = runs_folder(project.open()) / plan.run
        home.mkdir(parents=True)
        objects = RunRepository.create(home / "repository.git", user=project.open(), base=base)
        found = cls(project=project, folder=folder, chance=chance, plan=plan, objects=objects)
        for name in NAMES:
            found.made[name] = found.make(name)
        names = (*NAMES, THEIRS)
        found.red = tuple(
            frozenset(chance.sample(names, size)) - ({THEIRS} if size == 1 else set())
            for size in chance.choices((1, 2, 2, 3), k=chance.randrange(4))
        )
        found.red = tuple(red for red in found.red if red)
        return found

    def make(self, name: str) -> Made:
        """Make a result that is built on some of those before."""
        chance, before = self.chance, list(self.made)
        on = sorted(chance.sample(before, min(len(before), chance.choice((0, 0, 1, 1, 2)))))
        built = tuple(Built(task=one, head=self.made[one].head) for one in on)
        base = build_base(self.objects, self.plan.base, built, task=name, made_at=AT)
        if not isinstance(base, str):  # they conflict
            base, built = self.plan.base, ()
        files = {f"{name}.txt": f"words of {name}\n"}
        if chance.random() < 0.5:
            files["core.txt"] = edit(self.read(base, "core.txt"), chance.choice(LINES), name)
        if adds_to_list := chance.random() < 0.5:
            files["list.md"] = f"{self.read(base, 'list.md')}- {name}\n"
        return Made(
            task=name,
            base=base,
            head=self.change(base, files, name),
            built_on=built,
            needs=frozenset(one.task for one in built if chance.random() < 0.5),
            adds_to_list=adds_to_list,
        )

    def read(self, commit: str, path: str) -> str:
        return self.objects.git.run("show", f"{commit}:{path}") + "\n"

    def change(self, base: str, files: dict[str, str], name: str) -> str:
        with self.objects.index_of(base) as git:
            for path, content in files.items():
                blob = self.objects.write_blob(content.encode())
                git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
            tree = git.run("write-tree")
        message = commit_message.task_message(task_of(name), plan=self.plan)
        return self.objects.commit(tree, parents=(base,), message=message, at=AT)

    def land(self) -> RecordedRun:
        """Land all results by the engine; somebody else may push to the target meanwhile."""
        files = {"theirs.txt": "words of theirs\n"}
        if self.chance.random() < 0.5:
            files["core.txt"] = edit(CORE, self.chance.choice(LINES), THEIRS)
        theirs = self.change(self.plan.base, files, THEIRS)
        self.project.open().fetch(self.objects.path, theirs)
        check = CHECK.format(
            counter=self.folder / "counter",
            moves_at=self.chance.choice((0, 1, 2, 3)),
            git_dir=self.project.root / ".git",
            theirs=theirs,
            base=self.plan.base,
            red=" ".join("+".join(sorted(red)) for red in self.red),
        )
        (self.folder / "check.sh").write_text(check)
        needs = tuple(
            Need(task=one.task, on=on, hard=True, reason="")
            for one in self.made.values()
            for on in sorted(one.needs)
        )
        plan = replace(self.plan, tasks=tuple(map(task_of, NAMES)), needs=needs, order=NAMES)
        return settle(self.project, plan, [received(one) for one in self.made.values()])

    def names_in(self, commit: str) -> frozenset[str]:
        """Return the tasks whose files a commit has, and THEIRS if that is there."""
        listed = self.project.git("ls-tree", "--name-only", commit).split()
        return frozenset(Path(path).stem for path in listed) & {*NAMES, THEIRS}

    def is_red(self, names: Iterable[str]) -> bool:
        return any(red <= {*names} for red in self.red)

    def conflicts(self, name: str, target: str, landed: frozenset[str]) -> bool:
        """Return whether the result may conflict with the target, by the texts alone."""
        made = self.made[name]
        texts = [self.read(one, "core.txt") for one in (made.base, made.head)]
        texts.append(self.project.git("show", f"{target}:core.txt") + "\n")
        base, ours, there = (text.splitlines() for text in texts)
        lines = (base[n] != ours[n] and there[n] not in (base[n], ours[n]) for n in LINES)
        lost = (one for one in self.above(name) if self.made[one].adds_to_list)
        return any(lines) or (made.adds_to_list and any(one not in landed for one in lost))

    def above(self, name: str) -> set[str]:
        """Return all that a task is built on."""
        near = {built.task for built in self.made[name].built_on}
        return near.union(*map(self.above, near))


class Silence:
    """A progress listener that ignores all."""

    def update(self, state: RunState, event: Event) -> None:
        pass

    def activity(self, task: str, text: str) -> None:
        pass

    def notice(self, text: str) -> None:
        pass


def edit(text: str, line: int, name: str) -> str:
    lines = text.splitlines()
    lines[line] = f"words of {name}"
    return "".join(f"{one}\n" for one in lines)


def task_of(name: str) -> Task:
    return Task(id=name, prompt=f"{name}.md", blob="", title=name, estimate_seconds=1.0)


def received(one: Made) -> ResultReceived:
    return ResultReceived(
        task=one.task,
        state=TaskState.SUCCEEDED,
        base=one.base,
        head=one.head,
        built_on=one.built_on,
    )


def settle(project: Project, plan: Plan, results: Sequence[Event]) -> RecordedRun:
    repository = project.open()
    folder = runs_folder(repository) / plan.run
    Journal(folder / "journal.jsonl").append(results)
    run_folder.write_plan(folder, plan)
    run = LocalRun(repository=repository, folder=folder)
    opening = RunStarted(run=plan.run)
    with Guard() as guard:
        return settle_run(run, run_home(), progress=Silence(), guard=guard, opening=opening)


def check_target(workshop: Workshop, run: RecordedRun) -> None:
    """Check that the target only ever held commits that the check passed, or that were there."""
    checked = (event for event in run.events if isinstance(event, BatchChecked))
    passed = {event.commit for event in checked if event.passed}
    held = workshop.project.git("reflog", "show", "--format=%H", "main").split()
    own = [commit for commit in held if workshop.names_in(commit) & {*NAMES}]
    assert {*own} <= passed
    assert not any(workshop.is_red(workshop.names_in(commit)) for commit in own)


def check_left_out(workshop: Workshop, run: RecordedRun, landed: frozenset[str]) -> None:
    """Check that what is left out has its reason, leaves no trace and loses no commit."""
    git, base = workshop.project.git, workshop.plan.base
    history = git("log", "--patch", "-m", "--format=%B", f"{base}..main")
    there = workshop.names_in("main")
    for name in {*NAMES} - landed:
        made, record = workshop.made[name], run.state.tasks[name]
        assert record.reason, name
        is_justified = (
            workshop.is_red(there | {name})
            or workshop.conflicts(name, "main", landed)
            or not made.needs <= landed
        )
        assert is_justified, (name, record.reason)
        traces = (f"words of {name}\n", f"+- {name}\n", f"Concertmaster-Task: {name}\n")
        assert not [trace for trace in traces if trace in history], name
        assert git("rev-parse", f"refs/heads/concertmaster/{workshop.plan.run}/{name}") == made.head


def check_landed(workshop: Workshop, landed: frozenset[str]) -> None:
    """Check that all of each landed result is on the target, and its needs before it."""
    listed = workshop.project.git("show", "main:list.md").splitlines()
    trailers = workshop.project.git("log", "--format=%B", f"{workshop.plan.base}..main")
    assert landed == workshop.names_in("main") & {*NAMES}
    for name in landed:
        made = workshop.made[name]
        assert made.needs <= landed
        assert listed.count(f"- {name}") == made.adds_to_list
        assert f"Concertmaster-Task: {name}\n" in trailers


@pytest.mark.parametrize("seed", [1, *in_matrix(range(2, 41))])
def test_the_rules_of_landing_hold(project: Project, tmp_path: Path, seed: int) -> None:
    workshop = Workshop.build(project, tmp_path, seed)

    run = workshop.land()

    assert run.state.finished
    landed = frozenset(n for n in NAMES if run.state.tasks[n].state is TaskState.LANDED)
    check_target(workshop, run)
    check_landed(workshop, landed)
    check_left_out(workshop, run, landed)

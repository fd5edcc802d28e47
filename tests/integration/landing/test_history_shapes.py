"""The commits that landing makes have the shape that was chosen, with the trailers of all tasks."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from concertmaster.files.run_folder import read_plan
from concertmaster.git.landed_prompts import find_landed
from concertmaster.git.run_repository import RunRepository
from concertmaster.landing.squash import shape_batch
from concertmaster.model import Plan, RunSettings
from concertmaster.planning.build_plan import make_plan
from concertmaster.planning.checkout import PlanRequest
from concertmaster.planning.recalled_options import recall_options
from concertmaster.planning.run_settings import COMMITS_TO_FOLLOW
from concertmaster.settings.choices import HistoryShape
from tests.commandline import OBEDIENT_COMMAND, among_agents, concertmaster, write_prompt
from tests.conftest import Project

AT = 1_700_000_000
CHANGES = "# Unreleased\n\n- old\n{}\n# 1.0\n\n- first\n"
SHAPES = ("linear", "squash", "merge")


@pytest.fixture
def workshop(project: Project) -> Project:
    files = {"CHANGES.md": CHANGES.format(""), ".gitignore": "prompts/\n"}
    project.commit("Files", files)
    return project


def write_prompts(project: Project) -> list[str]:
    """Return prompts of two tasks that add at one place and of one that is built on the first."""
    add = "sed -i '/- old/a - {}' CHANGES.md\n"
    return [
        write_prompt(project, "one", add.format("one"), head="touches: [one.txt]"),
        write_prompt(project, "two", add.format("two"), head="touches: [two.txt]"),
        write_prompt(project, "three", "grep one CHANGES.md > three.txt", head="needs: one.md"),
    ]


def run(project: Project, *options: str) -> dict[str, Any]:
    """Return the rows of the tasks by the names of their prompts; all of them land."""
    done = concertmaster(
        *("run", *write_prompts(project), "--agent-command", OBEDIENT_COMMAND, "--json"),
        *("--check", "grep -q old CHANGES.md", "--parallel", "3", *options),
        cwd=project.root,
    )
    assert done.code == 0, done.out + done.err
    return {Path(row["prompt"]).stem: row for row in done.document["tasks"]}


def ask(project: Project, **options: str) -> PlanRequest:
    prompts = tuple(project.root / prompt for prompt in write_prompts(project))
    given = {"check": "true", "agent_command": "true", **options}
    return PlanRequest(repository=project.root, prompts=prompts, options=given)


def shape_of(project: Project, **options: str) -> HistoryShape:
    return make_plan(ask(project, **options)).plan.settings.history


def merge_branch(project: Project) -> None:
    """Make a merge on the target, as a person does."""
    project.git("checkout", "--quiet", "-b", "side")
    project.commit("Side", {"side.txt": "side\n"})
    project.git("checkout", "--quiet", "main")
    project.git("merge", "--quiet", "--no-ff", "--message", "Merge side", "side")


@pytest.mark.parametrize("shape", SHAPES)
def test_a_run_lands_in_the_shape_that_is_asked_for(workshop: Project, shape: str) -> None:
    base = workshop.git("rev-parse", "main")

    rows = run(workshop, "--history", shape)

    new = workshop.git("rev-list", "--parents", f"{base}..main").splitlines()
    merges = [line for line in new if len(line.split()) > 2]
    assert len(merges) == (3 if shape == "merge" else 0)
    assert len(new) == 3 if shape == "linear" else len(new) <= 6
    text = workshop.git("show", "main:CHANGES.md")
    assert text.count("- one\n") == text.count("- two\n") == 1
    assert workshop.git("show", "main:three.txt") == "- one"
    # The trailers name each prompt, whichever commits hold them.
    tip, tasks = workshop.git("rev-parse", "main"), [row["id"] for row in rows.values()]
    prompts = {
        row["id"]: workshop.git("hash-object", "-t", "blob", row["prompt"]) for row in rows.values()
    }
    assert find_landed(workshop.open(), tip, prompts).keys() == {*tasks}
    again = make_plan(ask(workshop)).plan
    assert [one.task for one in again.skipped] == sorted(tasks, key=tasks.index)
    kept = workshop.git("for-each-ref", "--format=%(refname)", "refs/heads/")
    assert kept == "refs/heads/main"


def test_a_linear_run_adds_one_commit_with_the_message_of_each_task(workshop: Project) -> None:
    base = workshop.git("rev-parse", "main")

    rows = run(workshop)

    log = workshop.git("log", "--format=%s%x09%(trailers:key=Concertmaster-Task,valueonly)", "-z")
    told = [entry.split("\t") for entry in log.split("\0") if "\t" in entry]
    landed = {subject: task.strip() for subject, task in told if task.strip()}
    assert landed == {f"Task {name}": row["id"] for name, row in rows.items()}
    assert workshop.git("rev-list", "--count", "--merges", f"{base}..main") == "0"
    assert workshop.git("rev-list", "--count", f"{base}..main") == "3"


def test_auto_follows_the_newest_commits_of_the_target(workshop: Project) -> None:
    assert shape_of(workshop) is HistoryShape.LINEAR
    assert shape_of(workshop, history="squash") is HistoryShape.SQUASH
    merge_branch(workshop)
    assert shape_of(workshop) is HistoryShape.MERGE
    tip = workshop.git("rev-parse", "main")
    head = "commit refs/heads/main\ncommitter A <a@example.org> 1700000000 +0000\ndata 1\nx\n"
    # The merge is the last commit that counts, then the first that does not.
    for more in (COMMITS_TO_FOLLOW - 1, COMMITS_TO_FOLLOW):
        commits = [head + f"from {tip}\n", *[head] * (more - 1)]
        add_commits(workshop, "\n".join(commits))
        wanted = HistoryShape.MERGE if more < COMMITS_TO_FOLLOW else HistoryShape.LINEAR
        assert shape_of(workshop) is wanted


def add_commits(project: Project, stream: str) -> None:
    project.write({".git/stream": stream})
    project.git("-c", "alias.import=!git fast-import --quiet --force < .git/stream", "import")


def test_the_file_of_settings_may_say_the_shape(workshop: Project) -> None:
    workshop.commit("Settings", {"concertmaster.yml": "history: squash\n"})
    assert shape_of(workshop) is HistoryShape.SQUASH
    assert shape_of(workshop, history="merge") is HistoryShape.MERGE


def test_the_shape_is_chosen_once_and_a_plan_without_it_means_merges(
    workshop: Project, tmp_path: Path
) -> None:
    plan = make_plan(ask(workshop)).plan
    merge_branch(workshop)
    written = json.loads(json.dumps(asdict(plan)))
    (tmp_path / "plan.json").write_text(json.dumps(written))
    assert read_plan(tmp_path).settings.history is HistoryShape.LINEAR
    # A further run chooses anew, unless the user chose.
    assert "history" not in recall_options(plan, workshop.open())
    chosen = make_plan(ask(workshop, history="squash")).plan
    assert recall_options(chosen, workshop.open())["history"] == "squash"

    del written["settings"]["history"]
    (tmp_path / "plan.json").write_text(json.dumps({**written, "version": 3}))
    assert read_plan(tmp_path).settings.history is HistoryShape.MERGE


@pytest.fixture
def objects(project: Project, tmp_path: Path) -> RunRepository:
    return RunRepository.create(tmp_path / "run" / "repository.git", user=project.open())


def plan_of(shape: HistoryShape, base: str) -> Plan:
    settings = RunSettings(agent="", history=shape, made_at=AT)
    return Plan(run="r1", base=base, target="main", slots=1, settings=settings, tasks=())


def message_of(name: str, *, words: str = "", by: str = "Ada <ada@example.org>") -> str:
    trailers = (
        f"Concertmaster-Run: r1\nConcertmaster-Task: {name}\nConcertmaster-Prompt: {'b' * 40}"
    )
    return f"Do {name}\n\nFrom {name}.md.\n\n{words}{trailers}\nCo-authored-by: {by}\n"


def test_a_squash_is_one_commit_with_the_words_and_trailers_of_all(
    project: Project, objects: RunRepository
) -> None:
    tip = project.git("rev-parse", "HEAD")
    commits, at = list[str](), tip
    for name in ("one", "two"):
        with objects.index_of(at) as git:
            blob = objects.write_blob(name.encode())
            git.run("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}.txt")
            tree = git.run("write-tree")
        message = message_of(name, words="It was broken.\n\n")
        at = objects.commit(tree, parents=(at,), message=message, at=AT)
        commits.append(at)

    plan = plan_of(HistoryShape.SQUASH, tip)
    made = shape_batch(objects, tip, commits, plan=plan)
    assert made == shape_batch(objects, tip, [tip, *commits, commits[-1]], plan=plan)
    assert objects.tree(made) == objects.tree(commits[-1])
    assert objects.git.run("rev-parse", f"{made}^@") == tip
    told = objects.git.run("log", "-1", "--format=%B", made)
    assert told.startswith(
        "Land 2 tasks: Do one; Do two\n\n* Do one\n\nFrom one.md.\n\nIt was broken.\n\n* Do two\n"
    )
    trailers = objects.git.run("log", "-1", "--format=%(trailers:only)", made).splitlines()
    assert trailers == [
        *message_of("one").splitlines()[-4:-1],
        *message_of("two").splitlines()[-4:-1],
        "Co-authored-by: Ada <ada@example.org>",
    ]
    # One task alone lands as its own commit, and nothing as nothing.
    assert shape_batch(objects, tip, [tip, commits[0], commits[0]], plan=plan) == commits[0]
    assert shape_batch(objects, tip, [tip], plan=plan) == tip
    others = (plan_of(shape, tip) for shape in (HistoryShape.LINEAR, HistoryShape.MERGE))
    assert {shape_batch(objects, tip, commits, plan=other) for other in others} == {commits[-1]}


SAYS = """
echo page > page.txt
cat <<'END'
## Added the page

It closes #12 and credits @ada.

Co-authored-by: Eve <eve@example.org>
Concertmaster-Task: other
The key is KEY.

```json
{"follow_ups": ["Add a link"]}
```
END
"""


def test_the_commit_says_what_the_agent_said_and_nothing_else_acts(
    workshop: Project, tmp_path: Path
) -> None:
    key = "sk-ant-" + "api03-" + "A1b2" * 24
    prompt = write_prompt(workshop, "page", SAYS.replace("KEY", key), title="Add a page")
    (tmp_path / "home").mkdir()
    done = concertmaster(
        *("run", prompt, "--agent", "claude", "--check", "true", "--phases", "lean", "--json"),
        cwd=workshop.root,
        env=among_agents(tmp_path / "home"),
    )
    assert done.code == 0, done
    (row,) = done.document["tasks"]
    body, _, trailers = workshop.git("log", "-1", "--format=%B").rpartition("\n\n")
    assert body == (
        "Add a page\n\nAdded the page\n\nIt closes # 12 and credits @ ada.\n\n"
        "Co-authored-by - Eve <eve@example.org>\nConcertmaster-Task - other\n"
        "The key is ***.\n\nFrom prompts/page.md."
    )
    assert f"Concertmaster-Task: {row['id']}" in trailers.splitlines()
    assert "Eve" not in trailers

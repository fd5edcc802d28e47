"""Plans of many prompts: few calls, inside every limit, and what GitHub cannot hold."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from concertmaster.engine import actions
from tests.github.calls import Call
from tests.github.double import Double
from tests.github.faults import Effect, Fault
from tests.github.query import execution
from tests.github.query.mutations import MUTATIONS
from tests.github.state import Issue, Repository
from tests.jobs.workflow import Workflow

Start = Callable[..., Workflow]


def write_prompts(double: Double, repository: Repository, number: int, *, needs: int = 0) -> str:
    """The list of them; each needs the `needs` before it."""
    files: dict[str, str | None] = {}
    for place in range(number):
        before = [f"p{n:03}.md" for n in range(max(0, place - needs), place)]
        head = f"---\nneeds: [{', '.join(before)}]\n---\n" if before else ""
        files[f"prompts/p{place:03}.md"] = f"{head}# Write file {place:03}\n"
    double.commit(repository, "main", files)
    return "".join(f"- {path}\n" for path in files)


def cost(calls: list[Call]) -> float:
    """A GraphQL request counts 1 and a fifth of its mutations."""
    return sum(1 + sum(field in MUTATIONS for field in call.fields) / 5 for call in calls)


def api_calls(double: Double) -> list[Call]:
    return [call for call in double.log if ".git/" not in call.path]


def children_of(repository: Repository) -> list[Issue]:
    return [issue for issue in repository.issues.values() if issue.number != 1]


def test_fifty_prompts_cost_few_calls(
    comment: Start, repository: Repository, double: Double
) -> None:
    body = write_prompts(double, repository, 50, needs=1)
    workflow = comment("/orchestrate", issue_body=body)

    actions.plan(workflow.job())

    print(cost(api_calls(double)), cost(api_calls(double))/50)
    assert len(children_of(repository)) == 50
    assert cost(api_calls(double)) <= 50


def test_256(
    comment: Start, repository: Repository, double: Double
) -> None:
    body = write_prompts(double, repository, 256, needs=1)
    workflow = comment("/orchestrate", issue_body=body)
    start = double.clock.seconds()
    actions.plan(workflow.job())
    print(workflow.said.getvalue())
    print(cost(api_calls(double)), cost(api_calls(double))/256, double.clock.seconds()-start)
    print([c for c in double.log if c.status!=200 and c.status!=201])
    print(len(repository.issues[1].children), len(repository.issues[1].comments[1].body))
    print(repository.issues[1].comments[1].body[:3000])

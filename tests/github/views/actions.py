"""Renders workflows, runs and jobs as JSON."""

from __future__ import annotations

from tests.github.bare import Bare
from tests.github.clock import stamp
from tests.github.exchange import Object
from tests.github.state import Job, Repository, Run
from tests.github.store import Store, node_id
from tests.github.views import commits, people


def workflow(store: Store, repository: Repository, *, path: str, workflow_id: int) -> Object:
    page = f"{store.url}/{repository.full_name}"
    name = path.rpartition("/")[2]
    return {
        "id": workflow_id,
        "node_id": node_id("W", workflow_id),
        "name": name.partition(".")[0],
        "path": path,
        "state": "active",
        "created_at": stamp(repository.created_at),
        "updated_at": stamp(repository.created_at),
        "url": f"{people.repository_url(store, repository)}/actions/workflows/{workflow_id}",
        "html_url": f"{page}/blob/{repository.default_branch}/{path}",
        "badge_url": f"{page}/workflows/{name}/badge.svg",
    }


def run_url(store: Store, repository: Repository, run: Run) -> str:
    return f"{people.repository_url(store, repository)}/actions/runs/{run.id}"


def run_page(store: Store, repository: Repository, run: Run) -> str:
    return f"{store.url}/{repository.full_name}/actions/runs/{run.id}"


def run(store: Store, repository: Repository, one: Run) -> Object:
    api = people.repository_url(store, repository)
    url = run_url(store, repository, one)
    commit = Bare(repository.folder).read_commit(one.commit)
    minimal = people.minimal_repository(store, repository)
    actor = people.simple_user(store, one.actor)
    paths = {"jobs_url": "jobs", "logs_url": "logs", "artifacts_url": "artifacts"}
    paths |= {"cancel_url": "cancel", "rerun_url": "rerun"}
    workflow_id = repository.workflow_ids[one.workflow]
    return {name: f"{url}/{path}" for name, path in paths.items()} | {
        "id": one.id,
        "name": one.workflow.rpartition("/")[2].partition(".")[0],
        "node_id": node_id("WFR", one.id),
        "check_suite_id": one.id,
        "check_suite_node_id": node_id("CS", one.id),
        "check_suite_url": f"{api}/check-suites/{one.id}",
        "head_branch": one.branch,
        "head_sha": one.commit,
        "head_commit": commits.short_commit(store, repository, commit),
        "path": one.workflow,
        "display_title": commit.message.partition("\n")[0],
        "run_number": one.number,
        "run_attempt": 1,
        "referenced_workflows": [],
        "event": one.event,
        "status": one.status,
        "conclusion": one.conclusion,
        "workflow_id": workflow_id,
        "workflow_url": f"{api}/actions/workflows/{workflow_id}",
        "url": url,
        "html_url": run_page(store, repository, one),
        "pull_requests": [],
        "created_at": stamp(one.created_at),
        "updated_at": stamp(one.updated_at),
        "run_started_at": stamp(one.created_at),
        "previous_attempt_url": None,
        "actor": actor,
        "triggering_actor": actor,
        "repository": minimal,
        "head_repository": minimal,
    }


def job(store: Store, repository: Repository, *, run: Run, one: Job) -> Object:
    api = people.repository_url(store, repository)
    return {
        "id": one.id,
        "run_id": run.id,
        "run_url": run_url(store, repository, run),
        "run_attempt": 1,
        "node_id": node_id("J", one.id),
        "head_sha": run.commit,
        "head_branch": run.branch,
        "url": f"{api}/actions/jobs/{one.id}",
        "html_url": f"{run_page(store, repository, run)}/job/{one.id}",
        "check_run_url": f"{api}/check-runs/{one.id}",
        "workflow_name": run.workflow.rpartition("/")[2].partition(".")[0],
        "name": one.name,
        "status": one.status,
        "conclusion": one.conclusion,
        "created_at": stamp(one.created_at),
        "started_at": stamp(one.started_at or one.created_at),
        "completed_at": stamp(one.completed_at) if one.completed_at else None,
        "steps": [],
        "labels": ["ubuntu-latest"],
        "runner_id": None,
        "runner_name": None,
        "runner_group_id": None,
        "runner_group_name": None,
    }

"""Handles workflows, runs and jobs."""

from __future__ import annotations

import yaml

from tests.github.bare import WORKFLOWS
from tests.github.exchange import Object, Response, not_found, refuse
from tests.github.rest.call import Call
from tests.github.rest.routes import route
from tests.github.state import Job, Run
from tests.github.views import actions as view

# YAML 1.1 reads the key `on` as true.
ON = True


def workflow_paths(call: Call) -> list[str]:
    """Return the paths of the workflow files on the default branch."""
    tip = call.bare.branch(call.repository.default_branch)
    if tip is None or call.bare.entry(tip, WORKFLOWS.rstrip("/")) is None:
        return []
    names = [entry.path for entry in call.bare.tree(tip, path=WORKFLOWS.rstrip("/"))]
    return [WORKFLOWS + name for name in names if name.endswith((".yml", ".yaml"))]


def workflow_id(call: Call, path: str) -> int:
    known = call.repository.workflow_ids
    if path not in known:
        known[path] = call.store.new_id()
    return known[path]


def show_workflow(call: Call, path: str) -> Object:
    number = workflow_id(call, path)
    return view.workflow(call.store, call.repository, path=path, workflow_id=number)


@route("GET", "/actions/workflows")
def workflows(call: Call) -> Response:
    paths = workflow_paths(call)
    return call.page(paths, lambda path: show_workflow(call, path), key="workflows")


def named_workflow(call: Call) -> str:
    """Return the path of the workflow that the call names by file name or id."""
    wanted = call.params["workflow_id"]
    for path in workflow_paths(call):
        if wanted in {path.rpartition("/")[2], str(workflow_id(call, path))}:
            return path
    raise not_found()


@route("GET", "/actions/workflows/{workflow_id}")
def workflow(call: Call) -> Response:
    return Response(body=show_workflow(call, named_workflow(call)))


@route("POST", "/actions/workflows/{workflow_id}/dispatches")
def dispatch(call: Call) -> Response:
    path = named_workflow(call)
    ref = call.body["ref"].removeprefix("refs/heads/")
    commit = call.bare.branch(ref)
    if commit is None:
        raise refuse(422, f"No ref found for: {ref}")
    entry = call.bare.entry(commit, path)
    text = call.bare.blob(entry.sha).decode() if entry else ""
    check_inputs(text, call.body.get("inputs") or {})
    run = start(call, path=path, branch=ref, commit=commit)
    if not call.body.get("return_run_details"):
        return Response(status=204)
    return Response(
        body={
            "workflow_run_id": run.id,
            "run_url": view.run_url(call.store, call.repository, run),
            "html_url": view.run_page(call.store, call.repository, run),
        }
    )


def check_inputs(text: str, given: Object) -> None:
    """Raise Refused for undeclared inputs and for missing required ones."""
    workflow = yaml.safe_load(text) or {}
    triggers = workflow.get(ON, {})
    if "workflow_dispatch" not in triggers:
        raise refuse(422, "Workflow does not have 'workflow_dispatch' trigger")
    dispatch = triggers["workflow_dispatch"] if isinstance(triggers, dict) else None
    declared = (dispatch or {}).get("inputs") or {}
    if unexpected := sorted(given.keys() - declared):
        raise refuse(422, f"Unexpected inputs provided: {unexpected}")
    for name, options in declared.items():
        needed = options and options.get("required") and "default" not in options
        if needed and name not in given:
            raise refuse(422, f"Required input '{name}' not provided")


def start(call: Call, *, path: str, branch: str, commit: str) -> Run:
    now = call.store.clock.now()
    run = Run(
        id=call.store.new_id(),
        number=sum(one.workflow == path for one in call.repository.runs) + 1,
        workflow=path,
        event="workflow_dispatch",
        actor=call.user,
        branch=branch,
        commit=commit,
        created_at=now,
        updated_at=now,
        inputs=call.body.get("inputs") or {},
    )
    call.repository.runs.append(run)
    return run


def show_run(call: Call, run: Run) -> Object:
    return view.run(call.store, call.repository, run)


def page_of_runs(call: Call, runs: list[Run]) -> Response:
    query = call.request.query
    keys = {"event": "event", "branch": "branch", "head_sha": "commit"}
    found = [
        run
        for run in reversed(runs)
        if all(query.get(name) in {None, getattr(run, field)} for name, field in keys.items())
        and query.get("status") in {None, run.status, run.conclusion}
    ]
    return call.page(found, lambda run: show_run(call, run), key="workflow_runs")


@route("GET", "/actions/runs")
def runs(call: Call) -> Response:
    return page_of_runs(call, call.repository.runs)


@route("GET", "/actions/workflows/{workflow_id}/runs")
def runs_of_workflow(call: Call) -> Response:
    path = named_workflow(call)
    return page_of_runs(call, [run for run in call.repository.runs if run.workflow == path])


def named_run(call: Call) -> Run:
    number = call.number("run_id")
    for run in call.repository.runs:
        if run.id == number:
            return run
    raise not_found()


@route("GET", "/actions/runs/{run_id}")
def run(call: Call) -> Response:
    return Response(body=show_run(call, named_run(call)))


@route("POST", "/actions/runs/{run_id}/cancel")
def cancel(call: Call) -> Response:
    run = named_run(call)
    if run.status == "completed":
        raise refuse(409, "Cannot cancel a workflow run that is completed.")
    now = call.store.clock.now()
    run.status, run.conclusion, run.updated_at = "completed", "cancelled", now
    for job in run.jobs:
        if job.status != "completed":
            job.status, job.conclusion, job.completed_at = "completed", "cancelled", now
    return Response(status=202, body={})


def show_job(call: Call, run: Run, job: Job) -> Object:
    return view.job(call.store, call.repository, run=run, one=job)


@route("GET", "/actions/runs/{run_id}/jobs")
def jobs(call: Call) -> Response:
    run = named_run(call)
    return call.page(run.jobs, lambda job: show_job(call, run, job), key="jobs")


@route("GET", "/actions/jobs/{job_id}")
def job(call: Call) -> Response:
    number = call.number("job_id")
    for run in call.repository.runs:
        for one in run.jobs:
            if one.id == number:
                return Response(body=show_job(call, run, one))
    raise not_found()

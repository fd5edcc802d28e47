"""Handles commit statuses and check runs."""

from __future__ import annotations

from datetime import datetime

from tests.github.exchange import Object, Response, invalid, not_found, refuse
from tests.github.rest.call import Call
from tests.github.rest.contents import commit_named
from tests.github.rest.routes import route
from tests.github.state import CheckRun, Status
from tests.github.views import people
from tests.github.views import pulls as view

LONGEST_DESCRIPTION = 140


@route("POST", "/statuses/{sha}")
def create_status(call: Call) -> Response:
    description = call.body.get("description")
    if len(description or "") > LONGEST_DESCRIPTION:
        raise invalid(f"description is too long (maximum is {LONGEST_DESCRIPTION} characters)")
    status = Status(
        id=call.store.new_id(),
        commit=commit_named(call, call.params["sha"]),
        state=call.body["state"],
        context=call.body.get("context", "default"),
        description=description,
        target_url=call.body.get("target_url"),
        creator=call.user,
        created_at=call.store.clock.now(),
    )
    call.repository.statuses.append(status)
    return Response(status=201, body=view.status(call.store, call.repository, status))


def statuses_of(call: Call) -> list[Status]:
    """Return the statuses of the commit, newest first."""
    commit = commit_named(call, call.params["ref"])
    return [one for one in reversed(call.repository.statuses) if one.commit == commit]


@route("GET", "/commits/{ref}/statuses")
def statuses(call: Call) -> Response:
    found = statuses_of(call)
    return call.page(found, lambda one: view.status(call.store, call.repository, one))


@route("GET", "/commits/{ref}/status")
def combined(call: Call) -> Response:
    latest = {one.context: one for one in reversed(statuses_of(call))}
    states = {one.state for one in latest.values()}
    word = "failure" if states & {"failure", "error"} else "pending"
    commit = commit_named(call, call.params["ref"])
    url = f"{people.repository_url(call.store, call.repository)}/commits/{commit}"
    shown = [view.simple_status(call.store, call.repository, one) for one in latest.values()]
    return Response(
        body={
            "state": "success" if states == {"success"} else word,
            "statuses": shown,
            "sha": commit,
            "total_count": len(shown),
            "repository": people.minimal_repository(call.store, call.repository),
            "commit_url": url,
            "url": f"{url}/status",
        }
    )


def show(call: Call, run: CheckRun) -> Object:
    return view.check_run(call.store, call.repository, run)


@route("POST", "/check-runs")
def create_check_run(call: Call) -> Response:
    """Create a check run; only apps may do so."""
    if call.app is None:
        raise refuse(403, "You must authenticate via a GitHub App.")
    run = CheckRun(
        id=call.store.new_id(),
        commit=commit_named(call, call.body["head_sha"]),
        name=call.body["name"],
        app=call.app,
        status="queued",
        conclusion=None,
        started_at=call.store.clock.now(),
        completed_at=None,
        details_url=call.body.get("details_url"),
        external_id=call.body.get("external_id", ""),
        output={},
    )
    change(call, run)
    call.repository.check_runs.append(run)
    return Response(status=201, body=show(call, run))


def change(call: Call, run: CheckRun) -> None:
    """Update a check run; a conclusion completes it."""
    given = call.body
    run.conclusion = given.get("conclusion", run.conclusion)
    run.status = "completed" if "conclusion" in given else given.get("status", run.status)
    if run.status == "completed":
        text = given.get("completed_at")
        run.completed_at = datetime.fromisoformat(text) if text else call.store.clock.now()
    run.name = given.get("name", run.name)
    run.details_url = given.get("details_url", run.details_url)
    annotations = [
        *run.output.get("annotations", []),
        *given.get("output", {}).get("annotations", []),
    ]
    run.output = run.output | given.get("output", {}) | {"annotations": annotations}


def named(call: Call) -> CheckRun:
    number = call.number("check_run_id")
    for run in call.repository.check_runs:
        if run.id == number:
            return run
    raise not_found()


@route("GET", "/check-runs/{check_run_id}")
def check_run(call: Call) -> Response:
    return Response(body=show(call, named(call)))


@route("PATCH", "/check-runs/{check_run_id}")
def edit_check_run(call: Call) -> Response:
    run = named(call)
    if call.app != run.app:
        raise refuse(
            403,
            "Invalid app_id `check_run` can only be modified by the GitHub App that created it.",
        )
    change(call, run)
    return Response(body=show(call, run))


@route("GET", "/commits/{ref}/check-runs")
def check_runs(call: Call) -> Response:
    commit = commit_named(call, call.params["ref"])
    name = call.request.query.get("check_name")
    newest = {run.name: run for run in call.repository.check_runs if run.commit == commit}
    found = [run for run in newest.values() if name in {None, run.name}]
    return call.page(found, lambda run: show(call, run), key="check_runs")

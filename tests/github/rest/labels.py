"""Handles labels of the repository and of issues."""

from __future__ import annotations

from tests.github import tracker
from tests.github.exchange import Object, Response, not_found, refuse, wrong_field
from tests.github.rest.call import Call
from tests.github.rest.routes import route
from tests.github.state import Issue, Label
from tests.github.views import issues as view


@route("GET", "/labels")
def labels(call: Call) -> Response:
    return call.page(call.repository.labels, lambda one: show_label(call, one))


def show_label(call: Call, one: Label) -> Object:
    return view.label(call.store, call.repository, one)


@route("POST", "/labels")
def create_label(call: Call) -> Response:
    label = tracker.make_label(
        call.store,
        call.repository,
        name=call.body["name"],
        color=call.body.get("color", "ededed"),
        description=call.body.get("description"),
    )
    return Response(status=201, body=show_label(call, label))


@route("GET", "/labels/{name}")
def read_label(call: Call) -> Response:
    return Response(body=show_label(call, named_label(call)))


def named_label(call: Call) -> Label:
    label = call.repository.label(call.params["name"])
    if label is None:
        raise not_found()
    return label


@route("DELETE", "/labels/{name}")
def delete_label(call: Call) -> Response:
    label = named_label(call)
    call.repository.labels.remove(label)
    for issue in call.repository.issues.values():
        issue.labels = [has for has in issue.labels if has != label.id]
    return Response(status=204)


def labels_answer(call: Call, issue: Issue) -> Response:
    issue.updated_at = call.store.clock.now()
    return Response(body=[show_label(call, one) for one in call.repository.labels_of(issue)])


@route("GET", "/issues/{issue_number}/labels")
def labels_of_issue(call: Call) -> Response:
    has = call.repository.labels_of(call.issue())
    return call.page(has, lambda one: show_label(call, one))


def named_labels(call: Call) -> list[int]:
    body = call.request.json()
    named = body if isinstance(body, list) else (body or {}).get("labels", [])
    names = [one if isinstance(one, str) else one["name"] for one in named]
    if any(len(name) > 50 for name in names):
        raise wrong_field("Label", "name")
    return [tracker.find_or_make_label(call.store, call.repository, name).id for name in names]


@route("POST", "/issues/{issue_number}/labels")
def add_labels(call: Call) -> Response:
    issue = call.issue()
    issue.labels += [label for label in named_labels(call) if label not in issue.labels]
    return labels_answer(call, issue)


@route("PUT", "/issues/{issue_number}/labels")
def replace_labels(call: Call) -> Response:
    issue = call.issue()
    issue.labels = named_labels(call)
    return labels_answer(call, issue)


@route("DELETE", "/issues/{issue_number}/labels")
def remove_labels(call: Call) -> Response:
    call.issue().labels.clear()
    return Response(status=204)


@route("DELETE", "/issues/{issue_number}/labels/{name}")
def remove_label(call: Call) -> Response:
    issue = call.issue()
    label = call.repository.label(call.params["name"])
    if label is None or label.id not in issue.labels:
        raise refuse(404, "Label does not exist")
    issue.labels.remove(label.id)
    return labels_answer(call, issue)

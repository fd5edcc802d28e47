from __future__ import annotations

import re
from typing import Any

import pytest
from github import GithubException
from github.Repository import Repository as Client

from tests.github.description import description
from tests.github.double import Double
from tests.github.rest import catalog, routes
from tests.github.views import issues as view


def test_every_route_is_one_of_githubs() -> None:
    assert catalog.MODULES
    paths: dict[str, Any] = description()["paths"]
    described = {(method.upper(), path) for path, item in paths.items() for method in item}

    assert {(route.method, route.template) for route in routes.ROUTES} <= described


def test_the_cut_says_of_which_version_it_is() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", description()["info"]["version"])


def test_an_answer_that_is_not_githubs_is_found_out(
    client: Client, double: Double, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.create_issue("Title")
    shown = view.issue

    def without_user(*args: Any) -> Any:
        return {key: value for key, value in shown(*args).items() if key != "user"}

    monkeypatch.setattr(view, "issue", without_user)
    with pytest.raises(GithubException) as failed:
        [*client.get_issues()]

    assert failed.value.status == 500
    assert "'user' is a required property" in double.violations.pop()


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ({"title": ["no", "text"]}, "title"),
        ({"body": "no title"}, "'title' is a required property"),
    ],
)
def test_a_request_that_github_refuses_is_refused_and_told(
    client: Client, double: Double, body: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(GithubException) as failed:
        client.requester.requestJsonAndCheck("POST", f"{client.url}/issues", input=body)

    assert failed.value.status == 422
    assert complaint in double.violations.pop()


def test_what_github_would_ignore_is_told(client: Client, double: Double) -> None:
    client.requester.requestJsonAndCheck(
        "POST", f"{client.url}/issues", input={"title": "Title", "label": "x"}
    )

    assert double.violations.pop().endswith("GitHub knows no such parameter: body: label")


def test_another_version_is_not_served(client: Client) -> None:
    with pytest.raises(GithubException) as failed:
        client.requester.requestJsonAndCheck(
            "GET", client.url, headers={"X-GitHub-Api-Version": "2026-03-10"}
        )

    assert failed.value.status == 400

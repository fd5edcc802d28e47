"""Processes a call: token, limits, faults, permission, GitHub's description, handler, log."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from tests.github import calls, description, permissions
from tests.github.exchange import Json, Refused, Request, Response, not_found, refuse
from tests.github.faults import Effect, Fault, Faults, struck
from tests.github.limits import Limits
from tests.github.people import Permission, Token
from tests.github.permissions import Need
from tests.github.query.execution import Desk, answer_query
from tests.github.rest import catalog, merges, routes
from tests.github.rest.call import Call
from tests.github.rest.routes import Route
from tests.github.state import Repository
from tests.github.store import Store

VERSION = "2022-11-28"
QUERY_PATH = "/graphql"
FREE_PATH = "/rate_limit"
WRITE_POINTS = 5

assert catalog.MODULES


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer; `lost` is the fault that keeps it from the caller, or None."""

    response: Response
    lost: Effect | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A response before its fault is applied; `fields` are the root fields of a GraphQL call."""

    response: Response
    fault: Fault | None = None
    fields: tuple[str, ...] = ()


@dataclass(kw_only=True)
class Gateway:
    """The entry point of API calls.

    `violations` are the violations of GitHub's description, by callers and by the double.
    """

    store: Store
    limits: Limits
    faults: Faults
    log: calls.Log
    violations: list[str] = field(default_factory=list)

    def answer(self, request: Request) -> Answer:
        request = self.by_name(normalized(request))
        resource = "graphql" if request.path == QUERY_PATH else "core"
        with self.store.lock:
            token = None
            try:
                token = self.authenticate(request)
                self.spend(request, token, resource)
                served = self.serve(request, token)
            except Refused as refused:
                served = Served(response=refused.response)
            return self.sent(request, served, token=token, resource=resource)

    def by_name(self, request: Request) -> Request:
        """Return the request with the repository's name; redirects name it by id."""
        match = re.fullmatch(r"/repositories/(\d+)(.*)", request.path)
        found = self.store.repository_by_id(int(match[1])) if match else None
        if match is None or found is None:
            return request
        return replace(request, path=f"/repos/{found.full_name}{match[2]}")

    def serve(self, request: Request, token: Token | None) -> Served:
        fault = self.faults.of_call(request.method, request.path)
        if fault and not fault.effect.is_after:
            raise struck(fault, self.limits)
        if request.path != QUERY_PATH:
            return Served(response=self.rest(request, token), fault=fault)
        desk = Desk(store=self.store, limits=self.limits, faults=self.faults, token=token)
        response, fields = answer_query(desk, request)
        return Served(response=response, fault=desk.fault or fault, fields=fields)

    def authenticate(self, request: Request) -> Token | None:
        value = token_value(request)
        if not value:
            return None
        if value not in self.store.tokens:
            raise refuse(401, "Bad credentials")
        return self.store.tokens[value]

    def spend(self, request: Request, token: Token | None, resource: str) -> None:
        if request.path == FREE_PATH:
            return
        self.limits.spend(token, resource)
        if resource == "core":
            points = 1 if request.method == "GET" else WRITE_POINTS
            self.limits.spend_points(token, resource, points)

    def rest(self, request: Request, token: Token | None) -> Response:
        if request.headers.get("x-github-api-version", VERSION) != VERSION:
            raise refuse(400, f"The double serves version {VERSION} only.")
        found = routes.find(request.method, request.path)
        if found is None:
            raise not_found()
        route, params = found
        call = Call(
            store=self.store,
            limits=self.limits,
            token=token,
            request=request,
            params=params,
            home=self.repository(params, token) if route.below_repository is not None else None,
        )
        if call.home:
            merges.settle(self.store, call.home)
            permissions.demand(token, call.home, need_of(route, call))
        self.check_request(request, route)
        response = handled(route, call)
        if "full" in request.headers.get("accept", ""):
            response = replace(response, body=with_renderings(response.body))
        return self.checked(request, route, response)

    def repository(self, params: Mapping[str, str], token: Token | None) -> Repository:
        found = self.store.repository(f"{params['owner']}/{params['repo']}")
        if found is None or not permissions.is_visible(token, found):
            raise not_found()
        return found

    def check_request(self, request: Request, route: Route) -> None:
        where = f"{request.method} {route.template}"
        for unknown in description.unknown_in_request(request, route.template):
            self.violations.append(f"{where}: GitHub knows no such parameter: {unknown}")
        wrong = description.wrong_in_request(request, route.template)
        if wrong:
            self.violations += [f"{where}: {one}" for one in wrong]
            raise refuse(422, f"Invalid request.\n\n{wrong[0]}")

    def checked(self, request: Request, route: Route, response: Response) -> Response:
        """Validate the response and add its ETag; return 304 if the caller has it already."""
        wrong = description.wrong_in_response(
            request.method, route.template, status=response.status, body=response.body
        )
        if wrong:
            self.violations += [
                f"our answer to {request.method} {request.path}: {w}" for w in wrong
            ]
            raise refuse(500, f"The double does not answer as GitHub does: {wrong[0]}")
        if request.method != "GET" or response.status != 200:
            return response
        tag = f'W/"{hashlib.sha256(response.content()).hexdigest()}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status=304, headers={"ETag": tag})
        return replace(response, headers={**response.headers, "ETag": tag})

    def sent(
        self, request: Request, served: Served, *, token: Token | None, resource: str
    ) -> Answer:
        """Apply a late fault to the response, log the call and add the rate limit headers."""
        fault, response = served.fault, served.response
        is_free = request.path == FREE_PATH or response.status == 304
        if response.status == 304:
            self.limits.give_back(token, resource)
        if fault and fault.effect.is_after:
            response = struck(fault, self.limits).response
        lost = fault.effect if fault and fault.effect.loses_answer else None
        self.log.add(
            calls.Call(
                method=request.method,
                path=request.path,
                token=token_value(request),
                status=None if lost else response.status,
                cost=0 if is_free else 1,
                fields=served.fields,
            )
        )
        general = self.limits.headers(token, resource) | {"X-GitHub-Media-Type": "github.v3"}
        response = replace(response, headers={**general, **response.headers})
        return Answer(response=response, lost=lost)


def handled(route: Route, call: Call) -> Response:
    try:
        return route.handler(call)
    except Refused as refused:
        return refused.response


def with_renderings(body: Json) -> Json:
    """Add HTML and plain renderings of each body, which github3.py asks for."""
    if isinstance(body, list):
        return [with_renderings(one) for one in body]
    if isinstance(body, dict) and {"body", "author_association"} <= body.keys():
        text = body["body"] or ""
        return body | {"body_text": text, "body_html": f"<p>{html.escape(text)}</p>"}
    return body


def normalized(request: Request) -> Request:
    """Map alternative paths to the usual ones: Enterprise Server's prefix, commit statuses."""
    path = request.path
    for prefix, start in (("/api/v3/", "/"), ("/api/graphql", QUERY_PATH)):
        if path.startswith(prefix):
            path = start + path.removeprefix(prefix)
    if request.method == "GET":
        path = re.sub(r"^(/repos/[^/]+/[^/]+)/statuses/([^/]+)$", r"\1/commits/\2/statuses", path)
    return replace(request, path=path)


def token_value(request: Request) -> str:
    """Return the token from `token …`, `Bearer …` or the password of `Basic …`, or ""."""
    kind, _, value = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        return base64.b64decode(value).decode(errors="replace").partition(":")[2]
    return value.strip()


def need_of(route: Route, call: Call) -> Need:
    """Return the needed permission, `pull_requests` for issues that are pull requests."""
    need = permissions.need_of(route.method, route.below_repository or "")
    if need.permission is Permission.ISSUES and is_about_pull(call):
        return replace(need, permission=Permission.PULL_REQUESTS)
    return need


def is_about_pull(call: Call) -> bool:
    number = call.params.get("issue_number", "")
    comment = call.params.get("comment_id", "")
    if comment.isdecimal():
        found = call.store.find_comment(int(comment))
        return found is not None and found[1].pull is not None
    issue = call.repository.issues.get(int(number)) if number.isdecimal() else None
    return issue is not None and issue.pull is not None

"""Handles repositories, users, branches and their rules."""

from __future__ import annotations

from tests.github.bare import ZERO
from tests.github.clock import stamp
from tests.github.exchange import Object, Response, not_found, refuse
from tests.github.gatekeeper import rules_of
from tests.github.rest.call import Call
from tests.github.rest.routes import anywhere, route
from tests.github.state import Activity
from tests.github.store import node_id
from tests.github.views import commits as view
from tests.github.views import people


@anywhere("GET", "/rate_limit")
def rate_limit(call: Call) -> Response:
    core = call.limits.overview(call.token, "core")
    graphql = call.limits.overview(call.token, "graphql")
    return Response(
        body={"resources": {"core": core, "graphql": graphql, "search": core}, "rate": core}
    )


@anywhere("GET", "/user")
def viewer(call: Call) -> Response:
    if call.app:
        raise refuse(403, "Resource not accessible by integration")
    return Response(body=people.public_user(call.store, call.user))


@anywhere("GET", "/users/{username}")
def user(call: Call) -> Response:
    found = call.store.user(call.params["username"])
    if found is None:
        raise not_found()
    return Response(body=people.public_user(call.store, found))


@route("GET", "")
def read(call: Call) -> Response:
    return Response(body=people.full_repository(call.store, call.repository, token=call.token))


@route("GET", "/collaborators/{username}/permission")
def permission(call: Call) -> Response:
    found = call.store.user(call.params["username"])
    if found is None:
        raise refuse(404, f"{call.params['username']} is not a user")
    role = call.repository.role(found)
    user = people.simple_user(call.store, found)
    user |= {"permissions": people.role_map(role), "role_name": role.value}
    body = {"permission": role.permission, "role_name": role.value, "user": user}
    return Response(body=body)


@route("GET", "/activity")
def activities(call: Call) -> Response:
    ref = call.request.query.get("ref", "")
    names = {ref, f"refs/heads/{ref}"} if ref else set()
    found = [one for one in call.repository.activities if not names or one.ref in names]
    size = int(call.request.query.get("per_page", "30"))
    shown = [activity(call, one) for one in found[::-1][:size]]
    return Response(body=shown)


def activity(call: Call, one: Activity) -> Object:
    kinds = {(True, False): "branch_creation", (False, True): "branch_deletion"}
    kind = kinds.get((one.before == ZERO, one.after == ZERO), "")
    is_forward = not kind and call.bare.reaches(one.after, one.before)
    return {
        "id": one.id,
        "node_id": node_id("PSH", one.id),
        "before": one.before,
        "after": one.after,
        "ref": one.ref,
        "timestamp": stamp(one.timestamp),
        "activity_type": kind or ("push" if is_forward else "force_push"),
        "actor": people.simple_user(call.store, one.actor),
    }


@route("GET", "/branches")
def branches(call: Call) -> Response:
    found = [*call.bare.refs("refs/heads/").items()]
    return call.page(found, lambda pair: short_branch(call, *pair))


def short_branch(call: Call, ref: str, sha: str) -> Object:
    name = ref.removeprefix("refs/heads/")
    return view.branch(call.store, call.repository, name=name, sha=sha)


@route("GET", "/branches/{branch}")
def branch(call: Call) -> Response:
    name = call.params["branch"]
    sha = call.bare.branch(name)
    if sha is None:
        raise refuse(404, "Branch not found")
    url = view.api_url(call.store, call.repository, f"branches/{name}")
    page = f"{call.store.url}/{call.repository.full_name}/tree/{name}"
    shown = short_branch(call, name, sha)
    shown["commit"] = view.commit(call.store, call.repository, call.bare.read_commit(sha))
    shown |= {"_links": {"self": url, "html": page}, "protection": {"enabled": False}}
    return Response(body=shown | {"protection_url": f"{url}/protection"})


@route("GET", "/rules/branches/{branch}")
def rules(call: Call) -> Response:
    source = {"ruleset_source_type": "Repository", "ruleset_source": call.repository.full_name}
    found = rules_of(call.repository, call.params["branch"])
    return call.page(
        found,
        lambda rule: (
            {"type": rule.type, "ruleset_id": rule.id}
            | source
            | ({"parameters": rule.parameters} if rule.parameters else {})
        ),
    )

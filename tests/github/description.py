"""Validates requests and responses against GitHub's OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema.exceptions import best_match
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from tests.github.exchange import Json, Object, Request

FILE = Path(__file__).parent / "openapi" / "github.json"
# Clients send these with every list.
PAGING = {"page", "per_page"}
# Any call may end with this, even if its description does not list it.
ERROR = {"$ref": "#/components/schemas/basic-error"}


@cache
def description() -> Object:
    found: Object = json.loads(FILE.read_text())
    return found


@cache
def validator(*keys: str) -> OAS30Validator | None:
    """Return the validator of the schema below these keys, or None if there is no schema."""
    node: Any = description()
    for key in keys:
        node = resolved(node).get(key)
        if node is None:
            return None
    return validator_of(node)


def validator_of(schema: Object) -> OAS30Validator:
    root = {**schema, "components": description()["components"]}
    return OAS30Validator(root, format_checker=oas30_format_checker)


def resolved(node: Object) -> Object:
    while "$ref" in node:
        reference = node["$ref"].removeprefix("#/").split("/")
        node = description()
        for key in reference:
            node = node[key]
    return node


def operation(method: str, template: str) -> Object:
    found: Object = description()["paths"][template][method.lower()]
    return found


def complaints(checker: OAS30Validator, value: Json) -> list[str]:
    """Return where and why the value is invalid, with the best match only; [] if it is valid."""
    error = best_match(checker.iter_errors(value))
    if error is None:
        return []
    return [f"{'/'.join(map(str, error.absolute_path)) or 'body'}: {error.message[:300]}"]


def wrong_in_request(request: Request, template: str) -> list[str]:
    """Return the errors of the request that GitHub refuses with 422."""
    method = request.method.lower()
    checker = validator(
        "paths", template, method, "requestBody", "content", "application/json", "schema"
    )
    needed = operation(method, template).get("requestBody", {}).get("required", False)
    if checker is None or (not request.content and not needed):
        return []
    return complaints(checker, request.json())


def unknown_in_request(request: Request, template: str) -> list[str]:
    """Return the parameters and keys that GitHub ignores silently."""
    found = operation(request.method, template)
    body = found.get("requestBody", {}).get("content", {}).get("application/json", {})
    properties = body.get("schema", {}).get("properties")
    given = request.json() if request.content else None
    known = query_parameters(found) | PAGING
    unknown = [f"query: {name}" for name in request.query if name not in known]
    if properties is not None and isinstance(given, dict):
        unknown += [f"body: {name}" for name in given if name not in properties]
    return unknown


def query_parameters(found: Object) -> set[str]:
    parameters = map(resolved, found.get("parameters", []))
    return {one["name"] for one in parameters if one["in"] == "query"}


def wrong_in_response(method: str, template: str, *, status: int, body: Json) -> list[str]:
    responses = operation(method, template)["responses"]
    if str(status) not in responses:
        if status < 400:
            return [f"GitHub does not answer with {status} here"]
        return complaints(validator_of(ERROR), body)
    content = resolved(responses[str(status)]).get("content", {})
    schemas = [one["schema"] for one in content.values() if "schema" in one]
    if not schemas:
        return [] if body in (None, {}) else ["GitHub answers without a body here"]
    found = [complaints(checker, body) for checker in schema_validators(method, template, status)]
    return min(found, key=len)


def schema_validators(method: str, template: str, status: int) -> Iterator[OAS30Validator]:
    content = resolved(operation(method, template)["responses"][str(status)])["content"]
    for media_type in content:
        checker = response_validator(method, template, str(status), media_type)
        if checker:
            yield checker


@cache
def response_validator(
    method: str, template: str, status: str, media_type: str
) -> OAS30Validator | None:
    found = resolved(operation(method, template)["responses"][status])["content"][media_type]
    return validator_of(found["schema"]) if "schema" in found else None

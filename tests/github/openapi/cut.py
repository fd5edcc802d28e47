"""Cuts GitHub's OpenAPI description to the paths that the double serves.

Its source is `generated/api.github.com.json` of the npm package `@octokit/openapi`:
    python tests/github/openapi/cut.py node_modules/@octokit/openapi
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
REPOSITORY = "/repos/{owner}/{repo}"
METHODS = ("get", "post", "put", "patch", "delete")
# Prose, keywords without validation, and `discriminator`, which fails for a choice with an array.
DROPPED = frozenset(
    "description summary title example examples externalDocs tags operationId deprecated"
    " discriminator".split()
)
SCHEMA_MAPS = ("properties", "patternProperties")

# Paths below the repository's own, with all methods that GitHub has there.
IN_REPOSITORY = """
/issues
/issues/{issue_number}
/issues/{issue_number}/labels
/issues/{issue_number}/labels/{name}
/issues/{issue_number}/lock
/issues/{issue_number}/comments
/issues/comments
/issues/comments/{comment_id}
/issues/comments/{comment_id}/reactions
/issues/{issue_number}/reactions
/issues/{issue_number}/sub_issues
/issues/{issue_number}/sub_issue
/issues/{issue_number}/parent
/issues/{issue_number}/dependencies/blocked_by
/issues/{issue_number}/dependencies/blocked_by/{issue_id}
/issues/{issue_number}/dependencies/blocking
/labels
/labels/{name}
/activity
/collaborators/{username}/permission
/branches
/branches/{branch}
/rules/branches/{branch}
/commits
/commits/{ref}
/commits/{ref}/check-runs
/commits/{ref}/status
/commits/{ref}/statuses
/compare/{basehead}
/contents/{path}
/git/blobs
/git/blobs/{file_sha}
/git/commits
/git/commits/{commit_sha}
/git/matching-refs/{ref}
/git/ref/{ref}
/git/refs
/git/refs/{ref}
/git/trees
/git/trees/{tree_sha}
/pulls
/pulls/{pull_number}
/pulls/{pull_number}/commits
/pulls/{pull_number}/files
/pulls/{pull_number}/merge
/pulls/{pull_number}/merge-async
/pulls/{pull_number}/merge-async/{uuid}
/pulls/{pull_number}/requested_reviewers
/pulls/{pull_number}/reviews
/pulls/{pull_number}/update-branch
/statuses/{sha}
/check-runs
/check-runs/{check_run_id}
/actions/workflows
/actions/workflows/{workflow_id}
/actions/workflows/{workflow_id}/dispatches
/actions/workflows/{workflow_id}/runs
/actions/runs
/actions/runs/{run_id}
/actions/runs/{run_id}/cancel
/actions/runs/{run_id}/jobs
/actions/jobs/{job_id}
"""
PATHS = (
    "/rate_limit",
    "/user",
    "/users/{username}",
    REPOSITORY,
    *(REPOSITORY + path for path in IN_REPOSITORY.split()),
)


def cut(description: dict[str, Any]) -> dict[str, Any]:
    """Return the description with PATHS only, and the components that they refer to."""
    paths = {path: cut_path(description["paths"][path]) for path in PATHS}
    correct(paths)
    components: dict[str, dict[str, Any]] = {}
    waiting = [*references(paths)]
    while waiting:
        kind, name = waiting.pop()
        if name in components.setdefault(kind, {}):
            continue
        components[kind][name] = strip(description["components"][kind][name])
        waiting += references(components[kind][name])
    return {
        "openapi": description["openapi"],
        "info": {key: description["info"][key] for key in ("title", "version", "license")},
        "paths": dict(sorted(paths.items())),
        "components": {
            kind: dict(sorted(components[kind].items()))
            for kind in ("headers", "parameters", "responses", "schemas")
            if kind in components
        },
    }


def cut_path(item: dict[str, Any]) -> dict[str, Any]:
    return {key: strip(value) for key, value in item.items() if key in (*METHODS, "parameters")}


def strip(node: Any) -> Any:
    """Return the node without keywords that validate nothing."""
    if isinstance(node, list):
        return [strip(part) for part in node]
    if not isinstance(node, dict):
        return node
    return {
        key: {name: strip(schema) for name, schema in value.items()}
        if key in SCHEMA_MAPS and isinstance(value, dict)
        else strip(value)
        for key, value in allowing_null(node).items()
        if key not in DROPPED and not key.startswith("x-")
    }


def allowing_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Add null to the choices or values of a nullable schema.

    The standard demands a `type` beside `nullable`, and null in `enum`; GitHub omits both.
    """
    if not schema.get("nullable"):
        return schema
    if "enum" in schema:
        return {**schema, "enum": [*schema["enum"], None]}
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return {**schema, choice: [*schema[choice], {"enum": [None]}]}
    return schema


def correct(paths: dict[str, Any]) -> None:
    """Add labels as a bare list, which GitHub accepts but does not describe."""
    labels = paths[f"{REPOSITORY}/issues/{{issue_number}}/labels"]
    for method in ("post", "put"):
        schema = labels[method]["requestBody"]["content"]["application/json"]["schema"]
        schema["oneOf"].append({"type": "array", "items": {"type": "string"}})


def references(node: Any) -> list[tuple[str, str]]:
    """Return the kind and name of each component that the node refers to."""
    found = re.findall(r'"\$ref": "#/components/(\w+)/([^"]+)"', json.dumps(node))
    return [(kind, name) for kind, name in found]


def main(package: Path) -> None:
    source = package / "generated" / "api.github.com.json"
    text = json.dumps(cut(json.loads(source.read_text())), separators=(",", ":"))
    (HERE / "github.json").write_text(text + "\n")
    shutil.copyfile(package / "LICENSE", HERE / "LICENSE")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

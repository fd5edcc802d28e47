"""Executes GraphQL documents; answers with partial data and errors have status 200."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLError,
    GraphQLResolveInfo,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from tests.github.exchange import Object, Refused, Request, Response, refuse
from tests.github.faults import Effect, struck
from tests.github.limits import Limits
from tests.github.people import User
from tests.github.query.fields import FIELDS
from tests.github.query.mutations import MUTATIONS
from tests.github.query.reading import account
from tests.github.query.sources import (
    BlobAt,
    CommentAt,
    CommitAt,
    Desk,
    IssueAt,
    LabelAt,
    PullAt,
    QueryError,
    RefAt,
)
from tests.github.state import Repository

__all__ = ["Desk", "answer_query"]

SCHEMA = build_schema((Path(__file__).parent / "schema.graphql").read_text())
TYPES: dict[type, str] = {
    Repository: "Repository",
    IssueAt: "Issue",
    PullAt: "PullRequest",
    CommentAt: "IssueComment",
    LabelAt: "Label",
    RefAt: "Ref",
    CommitAt: "Commit",
    BlobAt: "Blob",
}
MUTATION_POINTS = 5
KINDS = {403: "FORBIDDEN", 404: "NOT_FOUND", 410: "UNPROCESSABLE", 422: "UNPROCESSABLE"}


def answer_query(desk: Desk, request: Request) -> tuple[Response, tuple[str, ...]]:
    """Return the answer and the root fields of the operation."""
    if desk.token is None:
        raise refuse(401, "This endpoint requires you to be authenticated.")
    body = request.json()
    try:
        document = parse(body["query"])
    except GraphQLSyntaxError as error:
        return Response(body={"errors": [shown_error(error)]}), ()
    if errors := validate(SCHEMA, document):
        return Response(body={"errors": [shown_error(error) for error in errors]}), ()
    operation = operation_of(document, body.get("operationName"))
    spend(desk.limits, desk, operation)
    result = execute_sync(
        SCHEMA,
        document,
        context_value=desk,
        variable_values=body.get("variables") or {},
        operation_name=body.get("operationName"),
        field_resolver=read_field,
        type_resolver=type_of,
    )
    raise_own_bugs(result.errors or [])
    if desk.stopped:
        return desk.stopped, root_fields(operation)
    shown: Object = {"data": result.data}
    if result.errors:
        shown["errors"] = [shown_error(error) for error in result.errors]
    return Response(body=shown), root_fields(operation)


def raise_own_bugs(errors: list[GraphQLError]) -> None:
    """Raise the cause of errors that come from a bug of the double."""
    for error in errors:
        cause = error.original_error
        if cause and not isinstance(cause, QueryError | GraphQLError):
            raise cause


def operation_of(document: DocumentNode, name: str | None) -> OperationDefinitionNode:
    found = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    named = [one for one in found if name is None or (one.name and one.name.value == name)]
    if not named:
        raise refuse(400, "No operation of that name.")
    return named[0]


def root_fields(operation: OperationDefinitionNode) -> tuple[str, ...]:
    selections = operation.selection_set.selections
    return tuple(one.name.value for one in selections if isinstance(one, FieldNode))


def spend(limits: Limits, desk: Desk, operation: OperationDefinitionNode) -> None:
    is_mutation = operation.operation is OperationType.MUTATION
    limits.spend_points(desk.token, "graphql", MUTATION_POINTS if is_mutation else 1)


def read_field(source: Any, info: GraphQLResolveInfo[Desk], **args: Any) -> Any:
    desk = info.context
    name, kind = info.field_name, info.parent_type.name
    if kind == "Mutation":
        return mutate(desk, name, args["input"])
    if isinstance(source, User):
        source = account(desk, source)
    if isinstance(source, dict):
        return source.get(name)
    try:
        return FIELDS[kind][name](source, desk, **args)
    except Refused as refused:
        raise translated(refused) from refused


def mutate(desk: Desk, name: str, given: Object) -> Object:
    """Execute a mutation, unless a fault has struck earlier in the batch."""
    if desk.stopped or desk.fault:
        raise QueryError("INTERNAL", "This was not executed")
    fault = desk.faults.of_mutation(name)
    if fault and fault.effect is Effect.FIELD_ERROR:
        raise QueryError("INTERNAL", "Something went wrong while executing your query.")
    if fault and not fault.effect.is_after:
        desk.stopped = struck(fault, desk.limits).response
        raise QueryError("INTERNAL", "This was not executed")
    try:
        payload = MUTATIONS[name](desk, given)
    except Refused as refused:
        if "Retry-After" in refused.response.headers:
            desk.stopped = refused.response
        raise translated(refused) from refused
    finally:
        desk.fault = fault
    return {"clientMutationId": given.get("clientMutationId"), **payload}


def translated(refused: Refused) -> QueryError:
    response = refused.response
    errors = response.body.get("errors") or []
    messages = [error.get("message", error.get("code")) for error in errors]
    return QueryError(
        KINDS.get(response.status, "UNPROCESSABLE"), messages[0] if messages else str(refused)
    )


def type_of(source: Any, _info: GraphQLResolveInfo[Desk], _type: Any) -> str:
    if isinstance(source, dict):
        name: str = source["__typename"]
        return name
    return "User" if isinstance(source, User) else TYPES[type(source)]


def shown_error(error: GraphQLError) -> Object:
    shown: Object = dict(error.formatted)
    if isinstance(error.original_error, QueryError):
        shown = {"type": error.original_error.kind} | shown
    return shown

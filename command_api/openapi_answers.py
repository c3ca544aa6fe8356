"""The description of the three POSTs' answers in `/openapi.json`: every status, header and code, with examples."""

from typing import Any

from command_api.envelopes import CREATE, CommandRoute
from command_api.openapi import Schema
from event_schemas.codes import Code
from infra.http.problems import CORRELATION, RETRY_AFTER, problem_responses


def _header(description: str, **schema: Any) -> Schema:
    return {"description": description, "schema": {"type": "string", **schema}}


_EVERY_ANSWER: Schema = {
    CORRELATION: _header("The client's, else the trace id of `traceparent`, else the command's id") | {"required": True}
}
_PREFERRED: Schema = {
    "Preference-Applied": _header("What was granted of `Prefer`, such as `wait=10, for=visible`"),
    "Vary": _header("`Prefer`"),
}
_REPLAYED: Schema = {"Idempotent-Replayed": _header("The request repeats an earlier one; this is that one's outcome", const="true")}
_AT_THE_DOOR = (
    *(Code.MALFORMED_JSON, Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, Code.VALIDATION_FAILED, Code.BROKER_UNAVAILABLE),
    Code.BACKLOG_TOO_OLD,
    *(Code.READ_MODEL_UNAVAILABLE, Code.READ_MODEL_BEHIND, Code.REBUILDING, Code.INTERNAL_ERROR),
)
_CREATE = (Code.ALREADY_EXISTS, Code.INVALID_COMMAND, Code.IDEMPOTENCY_KEY_REUSED)
_CHANGE = (
    *(Code.ORDER_NOT_FOUND, Code.ALREADY_SHIPPED, Code.ALREADY_CANCELLED, Code.VERSION_CONFLICT),
    *(Code.INVALID_COMMAND, Code.IDEMPOTENCY_KEY_REUSED),
)


def responses(kind: CommandRoute) -> dict[int | str, Schema]:
    """The answers of one of the three POSTs."""
    rejections = _CREATE if kind is CREATE else _CHANGE
    return {**_successes(kind), **problem_responses((*rejections, *_AT_THE_DOOR), {**_EVERY_ANSWER, **_PREFERRED, **_REPLAYED})}


def _link(operation: str, **parameters: str) -> Schema:
    """How a later request is made from an answer: runtime expressions of OpenAPI."""
    return {"operationId": operation, "parameters": {name: f"$response.body#/{member}" for name, member in parameters.items()}}


_COMMAND = _link("get_command_commands__command_id__get", command_id="command_id")
_CHANGES: Schema = {"Ship": _link("ShipOrder", order_id="order_id"), "Cancel": _link("CancelOrder", order_id="order_id")}
_PENDING_LINKS: Schema = {"Command": _COMMAND, **_CHANGES}
_DECIDED_LINKS: Schema = {
    "Order": _link("get_order_orders__order_id__get", order_id="order_id", position="position"),
    "Events": _link("get_order_events_orders__order_id__events_get", order_id="order_id", position="position"),
    "Command": _COMMAND,
    **_CHANGES,
}


def _successes(kind: CommandRoute) -> dict[int | str, Schema]:
    placed = _header("The order, at the position of this write", pattern="^/orders/")
    pending = _header("`/commands/{command_id}?submitted=TOKEN`: TOKEN says where the command stands", pattern="^/commands/")
    known = {**_EVERY_ANSWER, **_PREFERRED, **_REPLAYED, "Location": placed}
    answers: dict[int | str, Schema] = {
        202: {
            "description": "The broker has the command; its outcome is unknown, and stands at `Location` once it is decided",
            "headers": {**_EVERY_ANSWER, **_PREFERRED, **RETRY_AFTER, "Location": {**pending, "required": True}},
            "content": _json("PendingCommand"),
            "links": _PENDING_LINKS,
        }
    }
    if kind is CREATE:
        placing = {"headers": known, "content": _json("AcceptedCommand"), "links": _DECIDED_LINKS}
        answers[201] = {"description": "With `Prefer: wait=N`: the order was placed", **placing}
        answers[200] = {"description": "With `dry_run=true`", "headers": _EVERY_ANSWER, "content": _json("DryRun")}
    else:
        what = "With `Prefer: wait=N`: the order was changed; with `dry_run=true`: what would be decided"
        answers[200] = {"description": what, "headers": known, "content": _json("AcceptedCommand", "DryRun"), "links": _DECIDED_LINKS}
    return answers


def _json(*schemas: str) -> Schema:
    references = [{"$ref": f"#/components/schemas/{name}"} for name in schemas]
    return {"application/json": {"schema": references[0] if len(references) == 1 else {"oneOf": references}}}

"""The description of the three POSTs in `/openapi.json`. Bodies are read by hand for speed, so FastAPI can't derive this by itself."""

from collections.abc import Mapping
from typing import Any

import msgspec
from pydantic.json_schema import models_json_schema

from command_api.answers import EXAMPLES
from command_api.envelopes import CANCEL, CREATE, SHIP, CommandRoute
from command_api.headers import MAX_CORRELATION, MAX_KEY, PRINTABLE, VERSION
from event_schemas.codes import Code
from event_schemas.values import ID

Schema = dict[str, Any]
_REFERENCE = "#/components/schemas/"


def _bodies() -> Mapping[str, Schema]:
    """The bodies of requests, as their models describe them."""
    models = [(route.request, "validation") for route in (CREATE, SHIP, CANCEL)]
    _, found = models_json_schema(models, ref_template=_REFERENCE + "{model}")  # type: ignore[arg-type]  # a list of their own type
    schemas: Mapping[str, Schema] = _plainly(found["$defs"])
    return schemas


def _answers() -> Mapping[str, Schema]:
    """The bodies of answers, as their classes describe them."""
    _, schemas = msgspec.json.schema_components(list(EXAMPLES), ref_template=_REFERENCE + "{name}")
    closed = {
        answer.__name__: schemas[answer.__name__] | {"additionalProperties": False, "examples": [example]}
        for answer, example in EXAMPLES.items()
    }
    answers: Mapping[str, Schema] = _plainly(closed)
    return answers


def _plainly(schema: Any) -> Any:
    """The schema without the titles that libraries make of names, with what an id looks like, and with a type for fixed texts."""
    if isinstance(schema, list):
        return [_plainly(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    # A property may be called `title`; then its value is a schema, and no text.
    made = {name: _plainly(value) for name, value in schema.items() if name != "title" or not isinstance(value, str)}
    if made.get("format") == "uuid":
        made |= ID.schema
    if "enum" in made:
        made = {"type": "string"} | made
        if len(made["enum"]) == 1:
            made["const"] = made.pop("enum")[0]
    return made


_ID = dict(ID.schema)
SCHEMAS: dict[str, Schema] = {
    **_bodies(),
    **_answers(),
    "Problem": {
        "type": "object",
        "description": "Problem details (RFC 9457). Branch on `code`; it never changes its meaning.",
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": [str(code) for code in Code]},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "description": "Everything that is wrong: where (JSON Pointer into the body, empty for a header or parameter) and why",
                "items": {
                    "type": "object",
                    "properties": {name: {"type": "string"} for name in ("pointer", "detail", "header", "parameter")},
                    "required": ["pointer", "detail"],
                },
            },
            "idempotency_key": {"type": "string", "description": "Send the request again under this Idempotency-Key"},
            "correlation_id": {"type": "string", "description": "As in X-Correlation-Id; name it when you report a problem"},
            "command_id": _ID | {"description": "The command that was rejected"},
            "order_id": _ID,
            "version": {"type": "integer", "description": "The order's version when the command was rejected, 0 without an order"},
            "expected_version": {"type": "integer", "description": "The version that If-Match named"},
            "position": {"type": "string", "description": "The position of the rejection"},
            "visible": {"type": "boolean", "description": "With `for=visible`: whether the read models hold the rejection already"},
            "lag_seconds": {"type": "number", "description": "How far the read models are behind"},
            "progress": {"type": "object", "description": "With `rebuilding`: phase, records, total and eta_seconds, where they are known"},
        },
        "required": ["type", "title", "status", "code", "detail"],
    },
}
"""Component schemas that the command routes refer to; `Problem` serves every route."""


def _header(name: str, schema: Schema, description: str) -> Schema:
    return {"name": name, "in": "header", "required": False, "schema": {"type": "string", **schema}, "description": description}


_KEY = _header(
    "Idempotency-Key",
    {"minLength": 1, "maxLength": MAX_KEY, "pattern": f"^{PRINTABLE.pattern}$"},
    "The same key and body is the same command, at any time; another body under the key is rejected `idempotency_key_reused`",
)
_CORRELATION = _header(
    "X-Correlation-Id",
    {"minLength": 1, "maxLength": MAX_CORRELATION, "pattern": f"^{PRINTABLE.pattern}$"},
    "Goes along with the command into its record",
)
_TRACE = _header("traceparent", {}, "W3C Trace Context; without X-Correlation-Id its trace id is the correlation id")
_IF_MATCH = _header("If-Match", {"pattern": f"^{VERSION.pattern}$"}, "The ETag of the order as it must be: its version in quotes")
_PREFER = _header(
    "Prefer",
    {},
    "`wait=N`: wait at most N seconds (30 at most) for the outcome. `for=visible`: until the read models hold it, too. "
    "`respond-async`: 202 is welcome, as without",
)
_DRY_RUN = {
    "name": "dry_run",
    "in": "query",
    "required": False,
    "schema": {"type": "string", "enum": ["true", "false"]},
    "description": "Tell what would be decided now; nothing is appended, and nothing is promised",
}
_PATH_ID = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": _ID,
    "description": "The order; anything but a UUID is answered 404",
}


def operation(kind: CommandRoute) -> Schema:
    """Parameters and body of one of the three POSTs."""
    everywhere = [_KEY, _PREFER, _DRY_RUN, _CORRELATION, _TRACE]
    parameters = everywhere if kind is CREATE else [_PATH_ID, _IF_MATCH, *everywhere]
    schema = {"$ref": _REFERENCE + kind.request.__name__}
    return {"parameters": parameters, "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


DESCRIPTION = (
    "Answered 202 once the broker has the command. With `Prefer: wait=N` answered with the outcome instead: the event, or the "
    "rejection as a problem. A command sent again under its Idempotency-Key is the same command and has the same outcome, for ever; "
    "a wait then says `Idempotent-Replayed: true`."
)
SUMMARIES = {CREATE: "Place an order", SHIP: "Hand an order to a carrier", CANCEL: "Take an order back before it is shipped"}

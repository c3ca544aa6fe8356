"""The description of the three POSTs in `/openapi.json`. Bodies are read by hand for speed, so FastAPI can't derive this by itself."""

from typing import Any

from command_api.dry_run import PROMISE
from command_api.envelopes import CANCEL, CREATE, SHIP, CommandKind
from event_schemas.codes import Code
from event_schemas.values import CURRENCIES, MAX_LINES, MAX_QUANTITY
from infra.http.problems import COMMAND_ID, ORDER_ID, POSITION

Schema = dict[str, Any]

UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": r"^[^\u0000-\u001f\u007f-\u009f]*$"}
_CUSTOMER_ID = _TEXT | {"pattern": r"^[^\u0000-\u001f\u007f-\u009f/]*$", "examples": ["ada"]}
_AMOUNT: Schema = {
    "type": "string",
    "pattern": r"^([0-9]{1,9}(\.[0-9]{1,4})?|0[0-9]{9}(\.[0-9]{1,4})?|1000000000(\.0{1,4})?)$",
    "description": "A decimal string from 0 to 1,000,000,000 with at most 4 decimals; JSON numbers are refused",
    "examples": ["4.50"],
}
_ID: Schema = {"type": "string", "format": "uuid", "pattern": UUID_PATTERN}


def _object(properties: Schema, *optional: str, **more: Any) -> Schema:
    required = [name for name in properties if name not in optional]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False, **more}


SCHEMAS: dict[str, Schema] = {
    "OrderLineRequest": _object(
        {
            "sku": _TEXT | {"examples": ["tea"]},
            "quantity": {"type": "integer", "minimum": 1, "maximum": MAX_QUANTITY},
            "unit_price": _AMOUNT,
        }
    ),
    "CreateOrderRequest": _object(
        {
            "customer_id": _CUSTOMER_ID,
            "currency": {"type": "string", "enum": sorted(CURRENCIES), "description": "ISO 4217"},
            "lines": {"type": "array", "minItems": 1, "maxItems": MAX_LINES, "items": {"$ref": "#/components/schemas/OrderLineRequest"}},
            "ordered_at": {
                "type": ["string", "null"],
                "format": "date-time",
                "description": "With an offset; may be past; more than 60 s ahead is refused; default: now",
            },
            "reference": _TEXT | {"type": ["string", "null"], "description": "The client's own name of the order"},
            "sales_channel": {
                "type": ["string", "null"],
                "pattern": "^[a-z0-9][a-z0-9_-]{0,31}$",
                "description": "Where it was sold, such as web, shop or phone: any name in small letters",
            },
        },
        "ordered_at",
        "reference",
        "sales_channel",
        examples=[{"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}],
    ),
    "ShipOrderRequest": _object({"tracking_number": _TEXT}, examples=[{"tracking_number": "1Z999AA10123456784"}]),
    "CancelOrderRequest": _object({"reason": _TEXT}, examples=[{"reason": "ordered twice"}]),
    "PendingCommand": _object(
        {"command_id": _ID, "order_id": _ID, "status": {"type": "string", "const": "pending"}, "detail": {"type": "string"}},
        "detail",
        examples=[{"command_id": COMMAND_ID, "order_id": ORDER_ID, "status": "pending"}],
    ),
    "AcceptedCommand": _object(
        {
            "command_id": _ID,
            "order_id": _ID,
            "status": {"type": "string", "const": "accepted"},
            "version": {"type": "integer", "description": "The order's version after it"},
            "position": {"type": "string", "description": "Give it to a read as `position=`, and that read sees this write"},
            "visible": {"type": "boolean", "description": "With `for=visible`: whether the read models hold it already"},
        },
        "visible",
        examples=[{"command_id": COMMAND_ID, "order_id": ORDER_ID, "status": "accepted", "version": 1, "position": POSITION}],
    ),
    "DryRun": _object(
        {
            "would": {"type": "string", "enum": ["accept", "reject"]},
            "code": {"type": "string"},
            "detail": {"type": "string"},
            "position": {"type": "string", "description": "Up to here the order's history was looked at"},
            "promise": {"type": "string", "description": "Says that nothing is promised"},
        },
        "code",
        "detail",
        examples=[{"would": "accept", "position": POSITION, "promise": PROMISE}],
    ),
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
    {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "The same key and body is the same command, at any time; another body under the key is rejected `idempotency_key_reused`",
)
_CORRELATION = _header(
    "X-Correlation-Id",
    {"minLength": 1, "maxLength": 200, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "Goes along with the command into its record",
)
_TRACE = _header("traceparent", {}, "W3C Trace Context; without X-Correlation-Id its trace id is the correlation id")
_IF_MATCH = _header("If-Match", {"pattern": '^"(0|[1-9][0-9]{0,8})"$'}, "The ETag of the order as it must be: its version in quotes")
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


def operation(kind: CommandKind) -> Schema:
    """Parameters and body of one of the three POSTs."""
    everywhere = [_KEY, _PREFER, _DRY_RUN, _CORRELATION, _TRACE]
    parameters = everywhere if kind is CREATE else [_PATH_ID, _IF_MATCH, *everywhere]
    schema = {"$ref": f"#/components/schemas/{kind.name}Request"}
    return {"parameters": parameters, "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


DESCRIPTION = (
    "Answered 202 once the broker has the command. With `Prefer: wait=N` answered with the outcome instead: the event, or the "
    "rejection as a problem. A command sent again under its Idempotency-Key is the same command and has the same outcome, for ever; "
    "a wait then says `Idempotent-Replayed: true`."
)
SUMMARIES = {CREATE: "Place an order", SHIP: "Hand an order to a carrier", CANCEL: "Take an order back before it is shipped"}

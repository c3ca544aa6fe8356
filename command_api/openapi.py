"""How the three POSTs stand in `/openapi.json`. Bodies are read by hand for speed, so FastAPI can't derive this by itself."""

from typing import Any

from command_api.envelopes import CANCEL, CREATE, SHIP, CommandKind
from command_api.request_body import MAX_BODY
from event_schemas.codes import STATUS, Code
from event_schemas.values import CURRENCIES, MAX_LINES, MAX_QUANTITY
from infra.problems import Problem

Schema = dict[str, Any]

UUID_PATTERN = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$"
_COMMAND_ID = "0d6a4c64-2f43-5f0c-9a53-6b8b7d1f2f10"
_ORDER_ID = "7c0d9f0e-5f6e-5a6b-8a43-2d1c7e9b3a55"
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
        },
        "ordered_at",
        "reference",
        examples=[{"customer_id": "ada", "currency": "EUR", "lines": [{"sku": "tea", "quantity": 2, "unit_price": "4.50"}]}],
    ),
    "ShipOrderRequest": _object({"tracking_number": _TEXT}, examples=[{"tracking_number": "1Z999AA10123456784"}]),
    "CancelOrderRequest": _object({"reason": _TEXT}, examples=[{"reason": "ordered twice"}]),
    "PendingCommand": _object(
        {"command_id": _ID, "order_id": _ID, "status": {"type": "string", "const": "pending"}},
        examples=[{"command_id": _COMMAND_ID, "order_id": _ORDER_ID, "status": "pending"}],
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
        },
        "required": ["type", "title", "status", "code", "detail"],
    },
}
"""Component schemas that the command routes refer to; `Problem` serves every route."""

_DETAILS: dict[Code, Schema] = {
    Code.MALFORMED_JSON: {"detail": "the body is not JSON: unexpected end of data: line 1 column 2 (char 1)"},
    Code.ORDER_NOT_FOUND: {"detail": "an order id is a UUID in canonical lower-case form"},
    Code.BODY_TOO_LARGE: {"detail": f"a body may have at most {MAX_BODY} bytes"},
    Code.UNSUPPORTED_MEDIA_TYPE: {"detail": "Content-Type must be application/json, in UTF-8"},
    Code.VALIDATION_FAILED: {
        "detail": "/lines/0/quantity: must be greater than or equal to 1",
        "errors": [{"pointer": "/lines/0/quantity", "detail": "must be greater than or equal to 1"}],
    },
    Code.BROKER_UNAVAILABLE: {
        "detail": "outcome unknown, retry with this Idempotency-Key: the broker has not acknowledged the command",
        "idempotency_key": "5b5b2d66-6c11-4f0a-9f5e-0a9d6d6d6a0f",
    },
}


def problem_answer(*codes: Code) -> Schema:
    """The response object of one status, with an example for each code that it may carry."""
    examples = {}
    for code in codes:
        problem = Problem(code, **_DETAILS.get(code, {"detail": "…"}))
        examples[str(code)] = {"value": problem.body()}
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}}
    return {"description": " or ".join(f"`{code}`" for code in codes), "content": content}


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
_PATH_ID = {
    "name": "order_id",
    "in": "path",
    "required": True,
    "schema": _ID,
    "description": "The order; anything but a UUID is answered 404",
}


def responses(kind: CommandKind) -> dict[int | str, Schema]:
    """The answers of one of the three POSTs."""
    accepted = {
        "description": "The broker has the command; what becomes of it stands at `Location`",
        "headers": {
            "Location": {
                "required": True,
                "schema": {"type": "string", "pattern": "^/commands/"},
                "description": "`/commands/{command_id}?submitted=TOKEN`, where TOKEN says where the command stands in the log",
            }
        },
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/PendingCommand"}}},
    }
    answers: dict[int | str, Schema] = {202: accepted}
    codes = [Code.MALFORMED_JSON, Code.BODY_TOO_LARGE, Code.UNSUPPORTED_MEDIA_TYPE, Code.VALIDATION_FAILED, Code.BROKER_UNAVAILABLE]
    if kind is not CREATE:
        codes.append(Code.ORDER_NOT_FOUND)
    return answers | {STATUS[code]: problem_answer(code) for code in codes}


def operation(kind: CommandKind) -> Schema:
    """Parameters and body of one of the three POSTs."""
    parameters = [_KEY, _CORRELATION, _TRACE] if kind is CREATE else [_PATH_ID, _KEY, _IF_MATCH, _CORRELATION, _TRACE]
    schema = {"$ref": f"#/components/schemas/{kind.name}Request"}
    return {"parameters": parameters, "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


SUMMARIES = {CREATE: "Place an order", SHIP: "Hand an order to a carrier", CANCEL: "Take an order back before it is shipped"}

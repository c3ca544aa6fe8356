"""`python -m notifier.asyncapi > docs/asyncapi.json`: the live feed described for programs, made from the models of its frames."""

import json
import sys
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from event_schemas.feed import CaughtUp, EventFrame, FeedError, Heartbeat, Reset, Snapshot, Subscribe, Subscribed, Unsubscribe, Unsubscribed
from event_schemas.feed_codes import SUBPROTOCOL, CloseCode
from event_schemas.registry import RECORD_KINDS
from event_schemas.schema_files import current_schemas
from notifier.client.endings import then_of_close

FROM_CLIENTS: tuple[type[BaseModel], ...] = (Subscribe, Unsubscribe)
FROM_THE_FEED: tuple[type[BaseModel], ...] = (Subscribed, Snapshot, EventFrame, CaughtUp, Heartbeat, Reset, Unsubscribed, FeedError)
CLOSES = {
    1001: "what stands before the feed is going away",
    1002: "a frame of the client broke the protocol",
    1007: "a frame of the client was no UTF-8",
    1009: "a frame of the client was too large",
    1012: "what stands before the feed is being restarted",
    CloseCode.BAD_FRAMES: "too many frames of the client were refused",
    CloseCode.NO_SUBSCRIPTION: "no subscription came in time",
    CloseCode.TOO_MANY_FRAMES: "the client sent more frames than any would need",
    CloseCode.SLOW: "the client did not read; the reason has its last `position` if it fits",
    CloseCode.INTERNAL: "a fault of the feed; it has been logged",
    CloseCode.GOING_AWAY: "the feed is being restarted: resume at any instance after `retry_after_ms` of the reason",
}
"""Why a connection is closed, by code; those below 4000 come from the protocol's library or from a proxy."""

_DESCRIPTION = (
    "Every record of the event log, as it is appended and from any position on. `position` is opaque; it is good on every instance and "
    "over both transports, for as long as the log is the same. A client drops events whose `version` it holds, and rejections whose `id` "
    "it holds. How to write one: docs/feed-clients.md."
)
_SSE = (
    "Server-sent events. Each frame is one event: its `type` is the event's name (`error` frames: `failed`, for browsers have an `error` "
    "of their own), the whole frame its data, and its `position` the event's id. `Last-Event-ID` goes before `from`."
)


def document() -> dict[str, Any]:
    """The AsyncAPI 3 document."""
    messages = {_name(model): _message(model) for model in (*FROM_CLIENTS, *FROM_THE_FEED)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Orders: live feed",
            "version": version("order-service"),
            "description": _DESCRIPTION,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "notifier": {"host": "127.0.0.1:8001", "protocol": "ws", "description": "ORDERS_FEED_PORT"},
            "gateway": {"host": "127.0.0.1:8000", "protocol": "http", "description": "ORDERS_HTTP_PORT"},
        },
        "channels": {"feed": _websocket(), "feedOverHttp": _server_sent_events()},
        "operations": {
            "takeRequests": _operation("receive", "feed", FROM_CLIENTS, "The first frame is a `subscribe`; more may follow at any time."),
            "sendFrames": _operation("send", "feed", FROM_THE_FEED, "Frames of all subscriptions of the connection, by their `id`."),
            "streamFrames": _operation("send", "feedOverHttp", _STREAMED, "One subscription a request."),
        },
        "components": {"messages": messages, "schemas": _schemas()},
    }


_STREAMED = tuple(model for model in FROM_THE_FEED if model is not Unsubscribed)


def _websocket() -> dict[str, Any]:
    return {
        "address": "/feed",
        "servers": [{"$ref": "#/servers/notifier"}],
        "description": f"A websocket of subprotocol `{SUBPROTOCOL}`. Frames are text; a client passes by what it does not know.",
        "messages": _named(*FROM_CLIENTS, *FROM_THE_FEED),
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
        "x-subprotocol": SUBPROTOCOL,
        "x-close-codes": {str(code): {"meaning": CLOSES[code], "client": then_of_close(code).value} for code in sorted(CLOSES)},
    }


def _server_sent_events() -> dict[str, Any]:
    return {"address": "/feed", "servers": [{"$ref": "#/servers/gateway"}], "description": _SSE, "messages": _named(*_STREAMED)}


def _named(*models: type[BaseModel]) -> dict[str, Any]:
    return {_name(model): {"$ref": f"#/components/messages/{_name(model)}"} for model in models}


def _operation(action: str, channel: str, models: tuple[type[BaseModel], ...], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": f"#/channels/{channel}"},
        "summary": summary,
        "messages": [{"$ref": f"#/channels/{channel}/messages/{_name(model)}"} for model in models],
    }


def _message(model: type[BaseModel]) -> dict[str, Any]:
    return {
        "name": _name(model),
        "title": model.__name__,
        "description": model.__doc__,
        "payload": {"$ref": f"#/components/schemas/{model.__name__}"},
    }


def _name(model: type[BaseModel]) -> str:
    return str(model.model_fields["type"].default)


def _schemas() -> dict[str, Any]:
    wanted = [(model, "validation" if model in FROM_CLIENTS else "serialization") for model in (*FROM_CLIENTS, *FROM_THE_FEED)]
    _, found = models_json_schema(wanted, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    for model in FROM_THE_FEED:
        _always_typed(schemas[model.__name__])
    schemas["EventFrame"]["properties"]["event"] = {"oneOf": [{"$ref": f"#/components/schemas/{name}Record"} for name in RECORD_KINDS]}
    return dict(sorted({**schemas, **_records()}.items()))


def _always_typed(schema: dict[str, Any]) -> None:
    """Mark `type` as always present: the feed always writes a frame's type, and leaves out what is not set."""
    schema["properties"]["type"].pop("default", None)
    schema["required"] = ["type", *(name for name in schema.get("required", []) if name != "type")]
    schema["properties"]["id"] = {"type": "string", "description": "The subscription's, if it has one"}


def _records() -> dict[str, Any]:
    """The records as they stand in the log, each with the parts that it is made of."""
    records: dict[str, Any] = {}
    current = current_schemas()
    for name in RECORD_KINDS:
        schema = json.loads(json.dumps(current[name]).replace("#/$defs/", "#/components/schemas/"))
        records |= schema.pop("$defs", {})
        records[f"{name}Record"] = {key: value for key, value in schema.items() if not key.startswith("$")}
    return records


def asyncapi_text() -> str:
    """The whole document, formatted so that a change shows as a few lines."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(asyncapi_text())

"""`docs/asyncapi.json` is what the models of the feed's frames say, and says all of it."""

import inspect
import json
import re
from typing import Any

import jsonschema_rs
import orjson
import pytest
from pydantic import BaseModel

from event_schemas import feed
from event_schemas.feed import EventFrame
from event_schemas.feed_codes import CloseCode
from notifier.asyncapi import CLOSES, FROM_CLIENTS, FROM_THE_FEED, asyncapi_text
from tests.support.house import ROOT
from tests.support.records import cancelled, created, rejected, shipped

_DOCUMENT: dict[str, Any] = json.loads(asyncapi_text())


def test_the_committed_document_is_current():
    page = ROOT / "docs" / "asyncapi.json"

    assert page.read_text(encoding="utf-8") == asyncapi_text(), (
        "docs/asyncapi.json is stale: run `python -m notifier.asyncapi > docs/asyncapi.json`"
    )


def test_every_frame_is_described():
    frames = {
        model
        for _, model in inspect.getmembers(feed, inspect.isclass)
        if issubclass(model, BaseModel) and isinstance(getattr(model.model_fields.get("type"), "default", None), str)
    }

    assert frames == {*FROM_CLIENTS, *FROM_THE_FEED}


def test_every_close_code_is_described():
    assert {code for name, code in vars(CloseCode).items() if name.isupper()} <= CLOSES.keys()


def test_every_reference_leads_somewhere():
    for reference in set(re.findall(r'"\$ref": "#/([^"]+)"', asyncapi_text())):
        found = _DOCUMENT
        for part in reference.split("/"):
            found = found[part]
        assert found


@pytest.mark.parametrize(
    "record", [created(), shipped(created().order_id), cancelled(created().order_id), rejected()], ids=lambda r: r.type
)
def test_the_feed_s_own_frames_are_valid_by_it(record):
    schema = {"$ref": "#/components/schemas/EventFrame", "components": _DOCUMENT["components"]}
    frame = orjson.loads(EventFrame(seq=1, position="e.AAA", event=orjson.loads(record.encoded())).encoded())

    jsonschema_rs.validate(schema, frame)
    with pytest.raises(jsonschema_rs.ValidationError):
        jsonschema_rs.validate(schema, {**frame, "event": {**frame["event"], "version": "1"}})

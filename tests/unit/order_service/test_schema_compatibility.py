"""FULL_TRANSITIVE, with a closed writer and an open reader: what each change of a schema does to those who read and write it."""

import copy

import pytest

from event_schemas.schema_files import FOLDER, released_schemas
from order_service.schema_compatibility import incompatibilities, refusal

_VERSIONS = released_schemas(FOLDER)["OrderCreated"]


def _changed(change):
    """OrderCreated as a third version, with its data changed, beside those that were released."""
    third = copy.deepcopy(_VERSIONS[2])
    change(third["$defs"]["OrderCreated"]["properties"], third["$defs"]["OrderCreated"], third)
    return {"OrderCreated": {**_VERSIONS, 3: third}}


def _channel(of):
    return of["sales_channel"]["anyOf"][0]


COMPATIBLE = {
    "an optional field more": lambda of, *_: of.update(note={"type": "string"}),
    "an optional field less": lambda of, *_: of.pop("reference"),
    "other words": lambda of, data, whole: (whole.update(description="x"), of["units"].update(title="x")),
    "a reader that closes itself": lambda of, data, whole: data.update(additionalProperties=False),
}

BACKWARD, FORWARD = "backward", "forward"
INCOMPATIBLE = {
    "a new field that is required": (
        lambda of, data, _: (of.update(note={"type": "string"}), data["required"].append("note")),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3)},
        "data.note is required by the reader, and is not written",
    ),
    "an optional field that becomes required": (
        lambda of, data, _: data["required"].append("sales_channel"),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3)},
        "data.sales_channel is required by the reader, and may be left out by the writer",
    ),
    "a required field that goes": (
        lambda of, data, _: (of.pop("units"), data["required"].remove("units")),
        {(FORWARD, 3, 1), (FORWARD, 3, 2)},
        "data.units is required by the reader, and is not written",
    ),
    "a required field that may be left out": (
        lambda of, data, _: data["required"].remove("units"),
        {(FORWARD, 3, 1), (FORWARD, 3, 2)},
        "data.units is required by the reader, and may be left out by the writer",
    ),
    "another type": (
        lambda of, *_: of.update(units={"type": "string"}),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3), (FORWARD, 3, 1), (FORWARD, 3, 2)},
        "data.units: the reader takes string, the writer may write integer (maximum 10000000, minimum 1)",
    ),
    "a wider limit": (
        lambda of, *_: of["customer_id"].update(maxLength=300),
        {(FORWARD, 3, 1), (FORWARD, 3, 2)},
        "data.customer_id: the reader takes string (maxLength 200, minLength 1), the writer may write string (maxLength 300, minLength 1)",
    ),
    "a narrower limit": (
        lambda of, *_: of["customer_id"].update(maxLength=100),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3)},
        "data.customer_id: the reader takes string (maxLength 100, minLength 1), the writer may write string (maxLength 200, minLength 1)",
    ),
    "a list of values where any was allowed": (
        lambda of, *_: _channel(of).update(enum=["web"]),
        {(BACKWARD, 2, 3)},
        "data.sales_channel: the reader takes string (enum ['web'], ",
    ),
    "a pattern of which nothing can be proved": (
        lambda of, *_: _channel(of).update(pattern="^[a-z]{1,9}$"),
        {(BACKWARD, 2, 3), (FORWARD, 3, 2)},
        "data.sales_channel: the reader takes string (pattern ^[a-z]{1,9}$) or null",
    ),
    "another format": (
        lambda of, *_: of["ordered_at"].update(format="date"),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3), (FORWARD, 3, 1), (FORWARD, 3, 2)},
        "data.ordered_at: the reader takes string (date), the writer may write string (date-time)",
    ),
    "a limit deep inside": (
        lambda of, data, whole: whole["$defs"]["OrderedLine"]["properties"]["quantity"].update(maximum=5),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3)},
        "data.lines[].quantity: the reader takes integer (maximum 5, minimum 1)",
    ),
    "a name of version 1 with another meaning": (
        lambda of, *_: of.update(reference={"type": "integer"}),
        {(BACKWARD, 1, 3), (BACKWARD, 2, 3), (FORWARD, 3, 1), (FORWARD, 3, 2)},
        "data.reference: the reader takes integer, the writer may write string",
    ),
    "an envelope without its cause": (
        lambda of, data, whole: (whole["properties"].pop("correlation_id"), whole["required"].remove("correlation_id")),
        {(FORWARD, 3, 1), (FORWARD, 3, 2)},
        "correlation_id is required by the reader, and is not written",
    ),
}


@pytest.mark.parametrize("change", COMPATIBLE.values(), ids=COMPATIBLE)
def test_a_compatible_change(change):
    assert not list(incompatibilities(_changed(change)))


@pytest.mark.parametrize(("change", "between", "reason"), INCOMPATIBLE.values(), ids=INCOMPATIBLE)
def test_an_incompatible_change_is_told_with_versions_direction_and_reason(change, between, reason):
    found = list(incompatibilities(_changed(change)))

    assert {(one.direction, one.writer, one.reader) for one in found} == between
    assert all(one.type == "OrderCreated" for one in found)
    assert any(one.reason.startswith(reason) for one in found), found


def test_a_name_that_went_can_not_come_back_as_something_else():
    """Version 2 without the field fits both its neighbours; only version 1 and version 3 contradict each other: TRANSITIVE."""
    third = copy.deepcopy(_VERSIONS[1])
    second = copy.deepcopy(third)
    del second["$defs"]["OrderCreated"]["properties"]["reference"]
    third["$defs"]["OrderCreated"]["properties"]["reference"] = {"type": "integer"}

    found = list(incompatibilities({"OrderCreated": {1: _VERSIONS[1], 2: second, 3: third}}))

    assert {(one.writer, one.reader) for one in found} == {(1, 3), (3, 1)}


def test_a_property_may_be_called_like_a_word_of_json_schema():
    schema = {"type": "object", "properties": {"format": {"type": "string"}, "default": {"type": "integer"}}, "required": ["format"]}
    other = copy.deepcopy(schema)
    other["properties"]["default"] = {"type": "boolean"}

    assert refusal(reader=schema, writer=schema) is None
    assert refusal(reader=schema, writer=other) == "default: the reader takes integer, the writer may write boolean"

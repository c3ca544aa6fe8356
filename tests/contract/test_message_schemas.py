"""The released JSON Schemas stay as they are, byte for byte, and the types say what the current ones say."""

import json
import shutil
from typing import Annotated

import msgspec
import pytest
from jsonschema import Draft202012Validator
from msgspec import Meta, Struct

from event_schemas.commands import CreateOrder, ShipOrder
from event_schemas.events import OrderCreated, OrderedLine
from event_schemas.registry import CommandKind, RecordKind
from event_schemas.schema_files import FOLDER, KINDS, Kind, Released, file_problems, released_schemas, write_new
from event_schemas.values import CURRENCY, SALES_CHANNEL
from order_service.schema_compatibility import incompatibilities


def _changed(base: type[Struct], **fields: object) -> type:
    """The data of a message with these fields in place of its own; a pair is a field that may be left out, and its default."""
    pairs = [(name, *field) if isinstance(field, tuple) else (name, field) for name, field in fields.items()]
    return msgspec.defstruct(base.__name__, pairs, bases=(base,), frozen=True, kw_only=True)


def _without(base: type[Struct], gone: str) -> type:
    kept = {field.name: field for field in msgspec.structs.fields(base) if field.name != gone}
    pairs = [(name, field.type) if field.required else (name, field.type, field.default) for name, field in kept.items()]
    return msgspec.defstruct(base.__name__, pairs, bases=base.__bases__, frozen=True, kw_only=True)


def _created(data: type, version: int = 2) -> dict[str, Kind]:
    """The messages of a release whose OrderCreated holds this."""
    return {**KINDS, "OrderCreated": RecordKind(data, steps=(dict,) * (version - 1))}


_NOTE = {"note": (str | None, None)}


@pytest.fixture
def folder(tmp_path):
    """A copy of the released schemas, to tamper with."""
    shutil.copytree(FOLDER, tmp_path / "schemas")
    return tmp_path / "schemas"


def test_the_files_are_those_that_were_released_and_the_types_say_what_they_say():
    assert not file_problems(FOLDER)


def test_every_version_can_be_read_as_every_other():
    assert not list(incompatibilities(released_schemas(FOLDER)))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_schema_is_valid_itself(path):
    Draft202012Validator.check_schema(json.loads(path.read_bytes()))


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*/*.json")), ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_released_schema_that_was_changed_is_named(folder, path):
    name = path.relative_to(FOLDER)
    (folder / name).write_text(path.read_text().replace('"maxLength": 200', '"maxLength": 201') + "\n")

    assert f"{name} is released, and was changed: restore it, raise the version instead" in file_problems(folder)


@pytest.mark.parametrize("version", [1, 2])
def test_a_released_schema_that_is_gone_is_named(folder, version):
    (folder / "OrderCreated" / f"v{version}.json").unlink()

    assert file_problems(folder) == [f"OrderCreated/v{version}.json is released, and is gone: records of it stand in logs"]


def test_a_schema_that_nobody_lists_is_named(folder):
    (folder / "OrderCreated" / "v3.json").write_text("{}")

    assert [problem.partition(":")[0] for problem in file_problems(folder)] == [
        "OrderCreated/v3.json is not listed in SHA256SUMS",
        "OrderCreated/v3.json is of a version that OrderCreated does not have",
    ]


LEFT = {
    "a field more": (_changed(OrderCreated, **_NOTE), "data.note: the file says nothing, the types say null or string, optional"),
    "a field less": (_without(OrderCreated, "reference"), "data.reference: the file says null or string, optional, the types say nothing"),
    "a field that became required": (
        _changed(OrderCreated, reference=str),
        "data.reference: the file says null or string, optional, the types say string",
    ),
    "a field that may be left out now": (
        _changed(OrderCreated, units=(int, 1)),
        "data.units: the file says integer, the types say integer, optional",
    ),
    "another JSON type": (_changed(OrderCreated, total=int), "data.total: the file says string, the types say integer"),
    "another format": (_changed(OrderCreated, ordered_at=str), "data.ordered_at: the file says string (date-time), the types say string"),
    "a list that became one": (_changed(OrderCreated, lines=OrderedLine), "data.lines: the file says array, the types say object"),
    "a field more in a list": (
        _changed(OrderCreated, lines=tuple[_changed(OrderedLine, gift=bool), ...]),
        "data.lines[].gift: the file says nothing, the types say boolean",
    ),
    "a field less in a list": (
        _changed(OrderCreated, lines=tuple[_without(OrderedLine, "sku"), ...]),
        "data.lines[].sku: the file says string, the types say nothing",
    ),
}


@pytest.mark.parametrize(("data", "told"), LEFT.values(), ids=LEFT)
def test_a_type_that_left_its_released_schema_is_named_and_the_file_not_written(folder, data, told):
    (problem,) = file_problems(folder, _created(data))

    assert problem.startswith("OrderCreated/v2.json is released, and the types say something else: raise the version of OrderCreated")
    assert told in problem
    with pytest.raises(Released, match="raise the version of OrderCreated"):
        write_new(folder, _created(data))
    assert (folder / "OrderCreated" / "v2.json").read_bytes() == (FOLDER / "OrderCreated" / "v2.json").read_bytes()


def test_a_command_that_takes_unknown_fields_is_another_type(folder):
    data = msgspec.defstruct("ShipOrder", [("tracking_number", str)], frozen=True, kw_only=True)

    (problem,) = file_problems(folder, {**KINDS, "ShipOrder": CommandKind(data)})

    assert "data: the file says object, closed, the types say object" in problem


def test_words_for_people_and_limits_may_change_under_a_released_version(folder):
    data = _changed(OrderCreated, customer_id=Annotated[str, Meta(max_length=9, title="Who", description="Said better.")])

    assert not file_problems(folder, _created(data))
    assert not write_new(folder, _created(data))


def test_a_new_version_is_written_once_and_released_with_that(folder):
    kinds = _created(_changed(OrderCreated, **_NOTE), version=3)
    assert [problem.partition(":")[0] for problem in file_problems(folder, kinds)] == ["OrderCreated/v3.json is missing"]

    assert [path.as_posix() for path in write_new(folder, kinds)] == ["OrderCreated/v3.json"]
    assert not write_new(folder, kinds)
    assert not file_problems(folder, kinds)
    assert not list(incompatibilities(released_schemas(folder)))


def test_a_new_version_keeps_what_was_released_of_every_other_field(folder):
    """The types of records have no limits; those that were released stand in the new file, too."""
    write_new(folder, _created(_changed(OrderCreated, **_NOTE), version=3))

    before, after = (released_schemas(folder)["OrderCreated"][version] for version in (2, 3))
    fields = after["$defs"]["OrderCreated"]["properties"]
    assert fields.pop("note") == {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None}
    assert (after["$id"], after["properties"].pop("schema_version")["const"]) == ("urn:orders:schema:OrderCreated:3", 3)
    assert after["properties"].pop("type") == {"const": "OrderCreated", "type": "string"}
    for part in ("schema_version", "type"):
        del before["properties"][part]
    assert after["properties"] == before["properties"]
    assert {name: part["properties"] for name, part in after["$defs"].items()} == {
        name: part["properties"] for name, part in before["$defs"].items()
    }
    assert [after[word] for word in ("title", "description", "required")] == [before[word] for word in ("title", "description", "required")]


def test_a_new_field_of_a_command_has_the_limits_of_its_rules_but_no_list_of_values(folder):
    data = _changed(CreateOrder, origin=(Annotated[str, SALES_CHANNEL] | None, None), paid_in=(Annotated[str, CURRENCY] | None, None))
    kinds = {**KINDS, "CreateOrder": CommandKind(data, steps=(dict, dict), creates=True)}

    write_new(folder, kinds)

    fields = released_schemas(folder)["CreateOrder"][3]["$defs"]["CreateOrder"]["properties"]
    assert fields["origin"]["anyOf"][0] == {"type": "string", **SALES_CHANNEL.schema}
    assert fields["paid_in"]["anyOf"][0]["type"] == "string"
    assert "enum" not in fields["paid_in"]["anyOf"][0]
    assert not list(incompatibilities(released_schemas(folder)))


def test_the_first_version_of_a_message_is_written_from_its_types(folder):
    data = msgspec.defstruct("ReturnOrder", [("why", ShipOrder.__annotations__["tracking_number"])], forbid_unknown_fields=True)

    (path,) = write_new(folder, {**KINDS, "ReturnOrder": CommandKind(data)})

    schema = json.loads((folder / path).read_bytes())
    Draft202012Validator.check_schema(schema)
    assert (schema["$id"], schema["title"], schema["additionalProperties"]) == (
        "urn:orders:schema:ReturnOrder:1",
        "ReturnOrderCommand",
        False,
    )
    assert schema["properties"]["key_hash"]["anyOf"][0] == {"type": "string", "pattern": "^[0-9a-f]{64}$"}
    assert schema["$defs"]["ReturnOrder"]["properties"]["why"]["maxLength"] == 200


def test_a_version_that_was_passed_over_can_not_be_written(folder):
    kinds = _created(_changed(OrderCreated, **_NOTE), version=4)

    assert "OrderCreated/v3.json is missing: release one version at a time" in file_problems(folder, kinds)


@pytest.mark.parametrize(("name", "version"), [(name, version) for name, files in released_schemas(FOLDER).items() for version in files])
def test_a_file_names_its_message(name, version):
    schema = released_schemas(FOLDER)[name][version]

    assert schema["$id"] == f"urn:orders:schema:{name}:{version}"
    assert (schema["properties"]["type"]["const"], schema["properties"]["schema_version"]["const"]) == (name, version)

"""Whether every released version of a message can be read as every other one: FULL_TRANSITIVE. Pure.

A writer is closed: it writes the fields that its schema names and no others. A reader is open: it ignores fields that it does not
know. Readers in other languages have no upcasters of ours, so none are taken into account. `schema_version` itself is left
out of the comparison, because it always differs.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import jsonschema_rs

Schema = dict[str, Any]
_WORDS = {"$defs", "$id", "$schema", "title", "description", "default"}
"""Members that change nothing of what a schema takes; as the name of a property, each has a schema for its value."""


@dataclass(frozen=True, slots=True)
class Incompatible:
    """A reader of version `reader` refuses what version `writer` of this type may write."""

    type: str
    writer: int
    reader: int
    reason: str

    @property
    def direction(self) -> str:
        """backward: the log holds what a later reader refuses. forward: an earlier reader refuses what is written from now on."""
        return "backward" if self.reader > self.writer else "forward"


def incompatibilities(schemas: Mapping[str, Mapping[int, Schema]]) -> Iterator[Incompatible]:
    """Every pair of versions of one type of which one can't be read as the other. `schemas`: by type, then by version."""
    for name, versions in sorted(schemas.items()):
        for writer, written in sorted(versions.items()):
            for reader, read in sorted(versions.items()):
                reason = None if reader == writer else refusal(reader=read, writer=written)
                if reason is not None:
                    yield Incompatible(name, writer, reader, reason)


def refusal(*, reader: Schema, writer: Schema) -> str | None:
    """The first thing that an open reader would refuse of a closed writer, None when it takes everything.

    What can't be proved counts as refused.
    """
    return _refusal(_comparable(reader), _comparable(writer), "")


def _refusal(reader: Schema, writer: Schema, path: str) -> str | None:
    if _covers(reader, writer):
        return None
    where = path or "the message"
    if "properties" in reader and "properties" in writer:
        written = writer["properties"]
        for field in sorted(set(reader.get("required", ())) - set(writer.get("required", ()))):
            left_out = "may be left out by the writer" if field in written else "is not written"
            return f"{_below(path, field)} is required by the reader, and {left_out}"
        for field, wanted in reader["properties"].items():
            inner = _refusal(wanted, written[field], _below(path, field)) if field in written else None
            if inner is not None:
                return inner
    if "items" in reader and "items" in writer:
        inner = _refusal(reader["items"], writer["items"], f"{path}[]")
        if inner is not None:
            return inner
    return f"{where}: the reader takes {_brief(reader)}, the writer may write {_brief(writer)}"


def _covers(reader: Schema, writer: Schema) -> bool:
    return str(jsonschema_rs.canonicalize(reader).covers(jsonschema_rs.canonicalize(_closed(writer)))) == "yes"


def _comparable(schema: Schema) -> Schema:
    """The schema in one piece, open, with formats that count, and without the version."""
    whole: Schema = _resolved(schema, schema.get("$defs", {}))
    properties = {name: value for name, value in whole.get("properties", {}).items() if name != "schema_version"}
    required = [name for name in whole.get("required", ()) if name != "schema_version"]
    return whole | {"properties": properties, "required": required}


def _resolved(schema: Any, definitions: Schema) -> Any:
    if isinstance(schema, list):
        return [_resolved(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(schema.get("$ref"), str):
        return _resolved(definitions[schema["$ref"].removeprefix("#/$defs/")], definitions)
    named = schema.get("properties")
    made = {key: _resolved(value, definitions) for key, value in schema.items() if key not in {*_WORDS, "properties", "format"}}
    if isinstance(named, dict):
        made["properties"] = {name: _resolved(value, definitions) for name, value in named.items()}
        if made.get("additionalProperties") is False:
            del made["additionalProperties"]
    if "format" in schema:
        # A format is a remark to JSON Schema, a promise to us: as a pattern of its own it is compared like any other.
        made["allOf"] = [*made.get("allOf", ()), {"pattern": f"^{schema['format']}$"}]
    return made


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: _closed(value) for key, value in schema.items() if key != "properties"}
    if "properties" in schema:
        made["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
        made.setdefault("additionalProperties", False)
    return made


def _below(path: str, field: str) -> str:
    return f"{path}.{field}" if path else field


def _brief(schema: Schema) -> str:
    """What a schema takes, for people."""
    choices = schema.get("anyOf")
    if choices:
        return " or ".join(_brief(choice) for choice in choices)
    shape = schema.get("type", "anything")
    formats = [part["pattern"].strip("^$") for part in schema.get("allOf", ()) if "pattern" in part]
    limits = {key: value for key, value in schema.items() if key not in {"type", "properties", "required", "items", "allOf"}}
    told = [*formats, *(f"{key} {value}" for key, value in sorted(limits.items()))]
    return f"{shape} ({', '.join(told)})" if told else str(shape)

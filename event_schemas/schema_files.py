"""The JSON Schemas of all messages, as files for readers in any language: `python -m event_schemas.schema_files` writes new ones.

`event_schemas/schemas/<Type>/v<N>.json` describes a message as it stands in its topic. A file that `SHA256SUMS` lists is released
and stays as it is, byte for byte: a change is a new `schema_version`, and so a new file. The file is the promise, and the types are
held against it: fields, JSON types, formats, and what is required agree in both directions. Limits need not. Records are read by
shape alone, so their types are wider than the file, and the file stays when a rule on commands changes.
"""

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from inspect import cleandoc
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Struct

from event_schemas.commands import Command
from event_schemas.events import Record
from event_schemas.messages import Pattern
from event_schemas.registry import COMMAND_KINDS, RECORD_KINDS, CommandKind, RecordKind
from event_schemas.values import Rule

Schema = dict[str, Any]
Kind = CommandKind | RecordKind
FOLDER = Path(__file__).parent / "schemas"
KINDS: Mapping[str, Kind] = {**COMMAND_KINDS, **RECORD_KINDS}
"""Every message of this release, by type."""
_SUMS = "SHA256SUMS"
_WRITE = "run `python -m event_schemas.schema_files`"
_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_REFERENCE = "#/$defs/"
_STRUCTURE = {"type", "format", "$ref", "anyOf", "items"}
_NULL = {"type": "null"}
_NEVER_GROWS = {"enum"}
"""Left out of files: earlier readers would refuse a value more (docs/schemas.md)."""


class Released(Exception):
    """A released schema would have to change; the text says what to do instead."""


def current_schemas(folder: Path = FOLDER, kinds: Mapping[str, Kind] = KINDS) -> dict[str, Schema]:
    """The current version's schema of every message, by type: its file, or what the file will say as long as there is none."""
    files = released_schemas(folder)
    return {name: files.get(name, {}).get(kind.version) or _new(kind, files) for name, kind in kinds.items()}


def released_sums(folder: Path) -> dict[Path, str]:
    """The SHA-256 (hex) of every released file, by path below the folder. The list is one that `sha256sum -c` reads."""
    lines = (folder / _SUMS).read_text(encoding="utf-8").splitlines()
    return {Path(name): digest for digest, name in (line.split("  ", 1) for line in lines)}


def released_schemas(folder: Path) -> dict[str, dict[int, Schema]]:
    """Every file in the folder, read: by type, then by version."""
    found: dict[str, dict[int, Schema]] = {}
    for path in sorted(folder.glob("*/v*.json")):
        found.setdefault(path.parent.name, {})[int(path.stem[1:])] = json.loads(path.read_bytes())
    return found


def file_problems(folder: Path, kinds: Mapping[str, Kind] = KINDS) -> list[str]:
    """What is wrong with the files: released ones that changed or are gone, versions without a file, files without a line; and types
    that say something else than the file of their version."""
    sums, found = released_sums(folder), {path.relative_to(folder) for path in folder.glob("*/*")}
    problems = [f"{path} is released, and is gone: records of it stand in logs" for path in sums.keys() - found]
    problems += [f"{path} is released, and was changed: restore it, raise the version instead" for path in _changed(sums, found, folder)]
    problems += [f"{path} is not listed in {_SUMS}: {_WRITE}" for path in found - sums.keys()]
    for name, kind in kinds.items():
        wanted = {_path(name, version) for version in range(1, kind.version + 1)}
        problems += [f"{path} is missing: {_how_to_write(kind, path)}" for path in wanted - found - sums.keys()]
        problems += [f"{path} is of a version that {name} does not have" for path in found - wanted if path.parent.name == name]
    problems += [f"{path} is of a message that is unknown" for path in found if path.parent.name not in kinds]
    return sorted([*problems, *type_problems(folder, kinds)])


def type_problems(folder: Path, kinds: Mapping[str, Kind] = KINDS) -> list[str]:
    """Types that say something else than the released file of their version, in either direction; what a limit is does not count."""
    sums, files = released_sums(folder), released_schemas(folder)
    problems = []
    for name, kind in kinds.items():
        path, file = _path(name, kind.version), files.get(name, {}).get(kind.version)
        found = list(differences(file, kind)) if file is not None and path in sums else []
        if found:
            instead = f"raise the version of {name}, and add an upcaster (docs/schemas.md)"
            problems.append(f"{path} is released, and the types say something else: {instead}. {'; '.join(found)}")
    return problems


def _changed(sums: dict[Path, str], found: set[Path], folder: Path) -> Iterable[Path]:
    return [path for path, digest in sums.items() if path in found and _sum(folder / path) != digest]


def _path(name: str, version: int) -> Path:
    return Path(name) / f"v{version}.json"


def _sum(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _how_to_write(kind: Kind, path: Path) -> str:
    return _WRITE if path == _path(kind.name, kind.version) else "release one version at a time"


def _new(kind: Kind, files: Mapping[str, Mapping[int, Schema]]) -> Schema:
    return new_schema(kind, files.get(kind.name, {}).get(kind.version - 1, {}))


def write_new(folder: Path, kinds: Mapping[str, Kind] = KINDS) -> list[Path]:
    """Write the files that are missing and list them. Raises Released, and writes nothing, when a released one would change."""
    sums, files = released_sums(folder), released_schemas(folder)
    if refused := type_problems(folder, kinds):
        raise Released("\n".join(refused))
    new = {_path(name, kind.version): _new(kind, files) for name, kind in kinds.items() if _path(name, kind.version) not in sums}
    for path, schema in new.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(json.dumps(schema, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        sums[path] = _sum(folder / path)
    listed = "".join(f"{digest}  {path.as_posix()}\n" for path, digest in sorted(sums.items()))
    (folder / _SUMS).write_text(listed, encoding="utf-8")
    return sorted(new)


def differences(file: Schema, kind: Kind) -> Iterator[str]:
    """Where the file and the types of its version say different things, and what each says."""
    released, typed = _places(file), _places(new_schema(kind, {}))
    for place in sorted(released.keys() | typed.keys()):
        said, says = released.get(place, "nothing"), typed.get(place, "nothing")
        if said != says:
            yield f"{place or 'the message'}: the file says {said}, the types say {says}"


def new_schema(kind: Kind, before: Schema) -> Schema:
    """The schema of the kind's current version. Of a field that the version `before` had, words and limits stay as they were released."""
    envelope: Any = Command if isinstance(kind, CommandKind) else Record
    _, made = msgspec.json.schema_components([envelope[kind.data]], ref_template=_REFERENCE + "{name}")
    parts = dict.fromkeys(_structs(kind.data))
    definitions = {part.__name__: _object(part, made[part.__name__], before.get("$defs", {}).get(part.__name__, {})) for part in parts}
    (whole,) = (schema for name, schema in made.items() if name not in definitions)
    message = _object(envelope, whole, before)
    message["title"] = kind.name + envelope.__name__
    message["description"] = f"`{kind.name}` as it stands in the {'topic' if envelope is Command else 'log'}."
    message["properties"]["type"] = {"const": kind.name, "type": "string"}
    message["properties"]["schema_version"] = {"const": kind.version, "type": "integer"}
    return {"$schema": _DRAFT, "$id": f"urn:orders:schema:{kind.name}:{kind.version}", "$defs": definitions, **message}


def _structs(part: type[Struct]) -> Iterator[type[Struct]]:
    """The struct, and those of which its fields are made."""
    yield part
    for hint in get_type_hints(part).values():
        for inner in _inside(hint):
            if isinstance(inner, type) and issubclass(inner, Struct):
                yield from _structs(inner)


def _inside(hint: Any) -> Iterator[Any]:
    yield hint
    for inner in get_args(hint):
        yield from _inside(inner)


def _object(part: type[Struct], made: Schema, before: Schema) -> Schema:
    hints, released = get_type_hints(part, include_extras=True), before.get("properties", {})
    properties = {name: _kept(_ruled(schema, hints[name]), released.get(name, {})) for name, schema in made["properties"].items()}
    words = {"description": cleandoc(made["description"])} if "description" in made else {}
    return dict(sorted({**made, **words, "properties": properties}.items()))


def _kept(now: Schema, released: Schema) -> Schema:
    """What was released of a field, unless its structure is another one now: then the comparison of versions has to judge it."""
    return released if released and _structure(released) == _structure(now) else dict(sorted(now.items()))


def _structure(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_structure(choice) for choice in schema]
    if isinstance(schema, dict):
        return {key: _structure(value) for key, value in schema.items() if key in _STRUCTURE}
    return schema


def _ruled(schema: Schema, hint: Any) -> Schema:
    """The field's schema with what its pattern and its rules say."""
    if get_origin(hint) is Annotated:
        patterns = [{"pattern": f"^{note.expression}$"} for note in hint.__metadata__ if isinstance(note, Pattern)]
        rules = [note.schema for note in hint.__metadata__ if isinstance(note, Rule)]
        said = {key: value for note in (*patterns, *rules) for key, value in note.items() if key not in _NEVER_GROWS}
        return _ruled(schema | said, get_args(hint)[0])
    if get_origin(hint) in {Union, UnionType} and "anyOf" in schema:
        inner = [one for one in get_args(hint) if one is not NoneType]
        return schema | {"anyOf": [choice if choice == _NULL or len(inner) > 1 else _ruled(choice, inner[0]) for choice in schema["anyOf"]]}
    if get_origin(hint) is tuple and "items" in schema:
        return schema | {"items": _ruled(schema["items"], get_args(hint)[0])}
    return schema


def _places(schema: Schema) -> Mapping[str, str]:
    """Every place in a message and what may stand there: `data.lines[].sku` and `string`."""
    found: dict[str, str] = {}
    _look_at(schema, "", schema.get("$defs", {}), found)
    return found


def _look_at(schema: Schema, place: str, definitions: Schema, found: dict[str, str]) -> None:
    choices = [definitions[one["$ref"].removeprefix(_REFERENCE)] if "$ref" in one else one for one in schema.get("anyOf", [schema])]
    found[place] = " or ".join(sorted(_said(choice) for choice in choices))
    for choice in choices:
        if "items" in choice:
            _look_at(choice["items"], f"{place}[]", definitions, found)
        for name, field in choice.get("properties", {}).items():
            below = f"{place}.{name}" if place else name
            _look_at(field, below, definitions, found)
            if name not in choice.get("required", ()):
                found[below] += ", optional"


def _said(choice: Schema) -> str:
    """The JSON type, with a format if it has one, and whether other members are refused."""
    form = f" ({choice['format']})" if "format" in choice else ""
    closed = ", closed" if choice.get("additionalProperties") is False else ""
    return f"{choice.get('type', 'anything')}{form}{closed}"


def main() -> int:
    """Write the files of versions that are new; those that are released stay untouched."""
    try:
        written = write_new(FOLDER)
    except Released as refusal:
        sys.stderr.write(f"{refusal}\n")
        return 1
    sys.stdout.write("".join(f"{path}: written, and released with this commit\n" for path in written))
    return 0


if __name__ == "__main__":
    sys.exit(main())

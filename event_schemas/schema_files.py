"""The JSON Schemas of all messages, as files for readers in any language: `python -m event_schemas.schema_files` writes them.

`event_schemas/schemas/<Type>/v<N>.json` describes a message as it stands in its topic. Once released, a file stays as it is:
a change of meaning is a new `schema_version` and a new file.
"""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from event_schemas.commands import COMMAND_SCHEMA_VERSION, COMMAND_TYPES
from event_schemas.events import EVENT_SCHEMA_VERSION, RECORD_TYPES

FOLDER = Path(__file__).parent / "schemas"


def schema_files() -> dict[Path, str]:
    """What the files must hold, by path below `FOLDER`: the current version of every command and every record."""
    commands = {str(model.model_fields["type"].default): (model, COMMAND_SCHEMA_VERSION) for model in COMMAND_TYPES}
    records = {name: (model, EVENT_SCHEMA_VERSION) for name, model in RECORD_TYPES.items()}
    return {
        Path(name) / f"v{version}.json": json.dumps(message_schema(name, version, model), indent=2, ensure_ascii=False) + "\n"
        for name, (model, version) in (commands | records).items()
    }


def message_schema(name: str, version: int, model: type[BaseModel]) -> dict[str, Any]:
    """The schema of one message as it is written: its type and its version are fixed and always there."""
    schema = model.model_json_schema(mode="serialization")
    schema["properties"]["schema_version"] = {"const": version, "title": "Schema Version", "type": "integer"}
    # A command's model fills its type in when it is built; every message in the topic has it.
    schema["properties"]["type"].pop("default", None)
    schema["required"] = [field for field in schema["properties"] if field in {*schema["required"], "type"}]
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:orders:schema:{name}:{version}"} | schema


def main() -> None:
    """Write the files; those of earlier versions stay untouched."""
    for path, text in schema_files().items():
        (FOLDER / path).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

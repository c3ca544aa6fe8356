"""The committed JSON Schemas say what the models say."""

import json

import pytest
from jsonschema import Draft202012Validator

from event_schemas.schema_files import FOLDER, schema_files

_REFRESH = "run `python -m event_schemas.schema_files` and commit event_schemas/schemas"


@pytest.mark.parametrize("path", schema_files(), ids=str)
def test_a_schema_file_is_current(path):
    committed = FOLDER / path

    assert committed.exists(), f"{path} is missing: {_REFRESH}"
    assert committed.read_text(encoding="utf-8") == schema_files()[path], (
        f"{path} is stale. If the change only adds an optional field to an unreleased version: {_REFRESH}. Else raise schema_version."
    )


def test_every_committed_schema_is_a_schema_of_a_known_message():
    known = {path.parent.name for path in schema_files()}

    for committed in FOLDER.rglob("*"):
        if committed.is_file():
            assert committed.suffix == ".json"
            assert committed.parent.name in known, f"{committed.parent.name} is no message any more: records of it may stand in a log"


@pytest.mark.parametrize("schema", schema_files().values(), ids=map(str, schema_files()))
def test_a_schema_is_valid_itself(schema):
    Draft202012Validator.check_schema(json.loads(schema))

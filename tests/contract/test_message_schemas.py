"""The committed JSON Schemas say what the models say, and those that were released stay as they are, byte for byte."""

import json
import shutil

import pytest
from jsonschema import Draft202012Validator

from event_schemas import schema_files
from event_schemas.schema_files import FOLDER, Released, file_problems, released_schemas, write_new
from order_service.schema_compatibility import incompatibilities


@pytest.fixture
def folder(tmp_path):
    """A copy of the released schemas, to tamper with."""
    shutil.copytree(FOLDER, tmp_path / "schemas")
    return tmp_path / "schemas"


@pytest.fixture
def a_field_more(monkeypatch):
    """OrderCreated with a field that nobody released."""
    now = schema_files.current_schemas()
    now["OrderCreated"]["$defs"]["OrderCreated"]["properties"]["note"] = {"type": "string"}
    monkeypatch.setattr(schema_files, "current_schemas", lambda: now)


def test_the_files_are_those_that_were_released_and_say_what_the_models_say():
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


def test_a_model_that_changed_under_a_released_version_is_named_and_its_file_not_written(folder, a_field_more):
    (problem,) = file_problems(folder)

    assert problem.startswith("OrderCreated/v2.json is released, and the models say something else: raise the version")
    with pytest.raises(Released, match="raise the version of OrderCreated"):
        write_new(folder)
    assert (folder / "OrderCreated" / "v2.json").read_bytes() == (FOLDER / "OrderCreated" / "v2.json").read_bytes()


def test_a_models_words_for_people_may_change(folder, monkeypatch):
    now = schema_files.current_schemas()
    now["OrderCreated"]["description"] = "Said better."
    monkeypatch.setattr(schema_files, "current_schemas", lambda: now)

    assert not file_problems(folder)
    assert not write_new(folder)


def test_a_new_version_is_written_once_and_released_with_that(folder, a_field_more, monkeypatch):
    monkeypatch.setattr(schema_files, "CURRENT_VERSIONS", schema_files.CURRENT_VERSIONS | {"OrderCreated": 3})
    assert [problem.partition(":")[0] for problem in file_problems(folder)] == ["OrderCreated/v3.json is missing"]

    assert [path.as_posix() for path in write_new(folder)] == ["OrderCreated/v3.json"]
    assert not write_new(folder)
    assert not file_problems(folder)
    assert set(released_schemas(folder)["OrderCreated"]) == {1, 2, 3}

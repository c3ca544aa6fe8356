"""`./orders schemas`: exit 1, and a line for everything that does not fit."""

import shutil

import msgspec
import pytest

from event_schemas.events import OrderShipped
from event_schemas.registry import RecordKind
from event_schemas.schema_files import FOLDER, KINDS
from order_service.commands import schemas
from tests.unit.order_service.test_cli import orders


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The released schemas as the command finds them."""
    shutil.copytree(FOLDER, tmp_path / "schemas")
    monkeypatch.setattr(schemas, "FOLDER", tmp_path / "schemas")
    return tmp_path / "schemas"


def test_what_is_committed_fits(capsys):
    assert orders("schemas", "check") == 0
    assert capsys.readouterr().out == "7 messages, 9 versions: files as released, types as their files, FULL_TRANSITIVE compatible\n"


def test_every_version_is_listed(capsys):
    assert orders("schemas", "list") == 0

    lines = [line.split()[:4] for line in capsys.readouterr().out.splitlines()]
    assert ["OrderCreated", "record", "2", "current"] in lines
    assert ["OrderCreated", "record", "1", "upcast"] in lines
    assert len(lines) == 1 + 9


def test_a_released_schema_that_was_changed(folder, capsys):
    (folder / "OrderShipped" / "v1.json").write_text("{}")

    assert orders("schemas", "check") == 1
    assert "wrong: OrderShipped/v1.json is released, and was changed" in capsys.readouterr().err


def _shipped_as_a_number(version: int) -> dict:
    """The messages of a release in which `shipped_at` is a number."""
    data = msgspec.defstruct("OrderShipped", [("shipped_at", int)], bases=(OrderShipped,), frozen=True, kw_only=True)
    return {**KINDS, "OrderShipped": RecordKind(data, steps=(dict,) * (version - 1))}


def test_an_incompatible_change_is_named_before_its_file_is_written(folder, capsys, monkeypatch):
    monkeypatch.setattr(schemas, "KINDS", _shipped_as_a_number(version=2))

    assert orders("schemas", "check") == 1
    told = "data.shipped_at: the reader takes integer, the writer may write string (date-time)"
    assert f"wrong: OrderShipped: version 2 can't read version 1 (backward): {told}\n" in capsys.readouterr().err


def test_a_type_that_left_its_released_schema(capsys, monkeypatch):
    monkeypatch.setattr(schemas, "KINDS", _shipped_as_a_number(version=1))

    assert orders("schemas", "check") == 1
    error = capsys.readouterr().err
    assert "wrong: OrderShipped/v1.json is released, and the types say something else: raise the version of OrderShipped" in error
    assert "data.shipped_at: the file says string (date-time), the types say integer\n" in error

"""The tables of this fold version are a promise: a changed column or fold needs a new FOLD_VERSION, so that old rows are not continued.

To renew the file after raising FOLD_VERSION: `python -m tests.contract.projections.test_tables`.
"""

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from projections.tables.registry import FOLD_VERSION, TABLES
from tests.support.fetched import counted_run
from tests.support.records import Record, cancelled, created, rejected, shipped

GOLDEN = Path(__file__).parent / f"fold_version_{FOLD_VERSION}.json"


def _in_version_1(order: Record) -> bytes:
    return order.encoded().replace(b'"schema_version":2', b'"schema_version":1')


def _log() -> list[Record | bytes]:
    kept, taken_back = UUID(int=1), UUID(int=2)
    return [
        _in_version_1(created(kept, command_id=UUID(int=11))),
        created(taken_back, command_id=UUID(int=12), customer_id="bob", sales_channel="web"),
        shipped(kept, command_id=UUID(int=13)),
        cancelled(taken_back, command_id=UUID(int=14), customer_id="bob"),
        rejected(kept, version=2, command_id=UUID(int=15)),
    ]


def described() -> dict[str, Any]:
    """Every table's columns, key and indexes, and its rows for one small log."""
    tables = {}
    for table in TABLES:
        rows: dict[Any, Any] = {}
        for counted in counted_run(_log()):
            key = table.key_of(counted)
            if key is not None:
                rows[key] = table.evolve(rows.get(key), counted)
        tables[table.name] = {
            "columns": dict(table.columns),
            "key": list(table.key),
            "indexes": [list(index) for index in table.indexes],
            "rows": [row._asdict() for row in rows.values()],
        }
    made: dict[str, Any] = json.loads(json.dumps(tables, default=str))
    return made


def test_tables_and_folds_are_those_of_this_fold_version():
    assert described() == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_each_row_class_has_its_tables_columns_and_depends_on_one_partition():
    for table in TABLES:
        assert list(table.row._fields) == list(table.columns)
        assert "partition" in table.columns


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(described(), indent=2) + "\n", encoding="utf-8")

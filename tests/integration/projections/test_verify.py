"""`verify`: it names every row that was changed, added or deleted by hand, and nothing else; `--repair` rewrites just those."""

import asyncio

import pytest
from psycopg import sql

from projections.tables.registry import TABLES
from tests.integration.projections.conftest import FIRST
from tests.integration.projections.rebuild_kit import some_records

BEYOND = {
    "uuid": "'00000000-0000-4000-8000-00000000dead'",
    "integer": "{0} + 1000",
    "bigint": "{0} + 1000000",
    "text": "coalesce({0}, '') || 'x'",
    "numeric": "{0} + 0.01",
    "timestamptz": "coalesce({0}, now()) + interval '1 second'",
    "date": "{0} + 1000",
    "jsonb": """'[{{"made": "up"}}]'""",
}
SUBTLE = [
    ("order_details", "total", "total::text::numeric(30,6)"),
    ("order_details", "ordered_at", "'infinity'"),
    ("order_details", "lines", "jsonb_set(lines, '{0,quantity}', (lines->0->>'quantity' || '.0')::jsonb)"),
    ("daily_sales", "revenue", "'NaN'"),
    ("order_details", "units", "null"),
    ("order_history", "envelope", "envelope || ' '"),
    ("order_history", "partition", "99"),
    ("command_outcomes", "partition", "(partition + 1) % 4"),
]


def tampered(stand, table, column, value):
    """Change this column in one row; the row's key as text."""
    definition = next(one for one in TABLES if one.name == table)
    where = sql.SQL("ctid = (select min(ctid) from {})").format(sql.Identifier(FIRST, table))
    key = sql.SQL(", ").join(sql.SQL("{}::text").format(sql.Identifier(name)) for name in definition.key)
    before = stand.database.connection.execute(
        sql.SQL("select {} from {} where {}").format(key, sql.Identifier(FIRST, table), where)
    ).fetchone()
    statement = sql.SQL("update {} set {} = {} where {}").format(
        sql.Identifier(FIRST, table), sql.Identifier(column), sql.SQL(value), where
    )
    assert stand.database.connection.execute(statement).rowcount == 1
    return before


async def found(stand, **options):
    findings, _ = await stand.verify(**options)
    return findings.drifts


@pytest.fixture
async def followed(stand):
    await stand.append(some_records(40))
    await stand.follow()
    return stand


async def test_all_is_as_the_log_says(followed):
    findings, _ = await followed.verify()
    assert findings.drifts == []
    assert findings.rows == sum(len(followed.database.rows(table.name)) for table in TABLES)


async def test_any_field_of_any_table_that_was_changed_is_named_and_repaired(followed):
    right = followed.database.everything()
    for table in TABLES:
        for column, kind in table.columns.items():
            key = tampered(followed, table.name, column, BEYOND[kind].format(column))
            drifts = await found(followed)
            if column in table.key:
                assert sorted(one.kind for one in drifts) == ["extra", "missing"], (table.name, column)
                assert key in {one.key for one in drifts}
            else:
                assert [(one.table, one.key, [field.name for field in one.fields]) for one in drifts] == [(table.name, key, [column])]
            await followed.verify(repair=True)
            assert followed.database.everything() == right, (table.name, column)


@pytest.mark.parametrize(("table", "column", "value"), SUBTLE)
async def test_what_postgresql_calls_equal_or_python_can_not_read_is_found_too(followed, table, column, value):
    right = followed.database.everything()
    followed.database.run(f"alter table {FIRST}.{table} alter column {column} drop not null")
    key = tampered(followed, table, column, value)
    drifts = await found(followed)
    assert [(one.key, [field.name for field in one.fields]) for one in drifts] == [(key, [column])]
    assert drifts[0].fields[0].there != drifts[0].fields[0].should
    await followed.verify(repair=True)
    assert followed.database.everything() == right


async def test_rows_added_and_deleted_are_named_and_repaired(followed):
    right = followed.database.everything()
    copies = {
        "order_details": ("order_id", "gen_random_uuid()"),
        "order_history": ("record_offset", "record_offset + 100000"),
        "customer_summaries": ("customer_id", "'nobody'"),
        "daily_sales": ("currency", "'XTS'"),
        "command_outcomes": ("command_id", "gen_random_uuid()"),
    }
    for table in TABLES:
        column, value = copies[table.name]
        names = ", ".join(table.columns)
        chosen = ", ".join(value if name == column else name for name in table.columns)
        followed.database.run(f"insert into {FIRST}.{table.name} ({names}) select {chosen} from {FIRST}.{table.name} limit 1")
        assert [(one.table, one.kind) for one in await found(followed)] == [(table.name, "extra")]
        followed.database.run(f"delete from {FIRST}.{table.name} where ctid = (select min(ctid) from {FIRST}.{table.name})")
        assert sorted((one.table, one.kind) for one in await found(followed)) == [(table.name, "extra"), (table.name, "missing")]
        _, repaired = await followed.verify(repair=True)
        assert repaired.rows == 2
        assert followed.database.everything() == right


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ("next_offset = next_offset - 1", "next_offset"),
        ("next_offset = next_offset - 5", "next_offset"),
        ("next_offset = next_offset + 1000", "next_offset"),
        ("last_record_offset = last_record_offset - 1", "last_record_offset"),
        ("last_record_id = gen_random_uuid()", "last_record_id"),
        ("last_record_id = null", "last_record_id"),
        ("first_record = 'x'", "first_record"),
    ],
)
async def test_a_checkpoint_that_was_changed_is_named_and_repaired(followed, change, field):
    right = followed.database.everything()
    followed.database.run(f"update {FIRST}.checkpoints set {change} where partition = 2")
    assert [(one.table, one.key, [f.name for f in one.fields]) for one in await found(followed)] == [("checkpoints", ("2",), [field])]
    await followed.verify(repair=True)
    assert followed.database.everything() == right


async def test_a_checkpoint_that_was_moved_up_within_the_log_is_named(followed):
    await followed.append(some_records(60)[44:])
    right = followed.database.everything()
    followed.database.run(f"update {FIRST}.checkpoints set next_offset = next_offset + 1 where partition = 2")
    drifts = await found(followed)
    assert [(one.table, [f.name for f in one.fields]) for one in drifts] == [("checkpoints", ["next_offset"])]
    await followed.verify(repair=True)
    assert followed.database.everything() == right


async def test_missing_and_extra_checkpoints_are_named_and_repaired(followed):
    right = followed.database.everything()
    followed.database.run(f"delete from {FIRST}.checkpoints where partition = 1")
    followed.database.run(f"insert into {FIRST}.checkpoints (partition, next_offset) values (77, 5)")
    assert sorted((one.kind, one.key) for one in await found(followed)) == [("extra", ("77",)), ("missing", ("1",))]
    await followed.verify(repair=True)
    assert followed.database.everything() == right


async def test_one_order_and_a_sample_are_looked_at(followed):
    order_id = followed.database.rows("order_details")[0][0]
    followed.database.run(f"update {FIRST}.order_details set status = 'lost' where order_id = '{order_id}'")
    followed.database.run(f"delete from {FIRST}.order_history where order_id = '{order_id}'")
    followed.database.run(f"update {FIRST}.daily_sales set orders = 0")

    named = {(one.table, one.kind) for one in await found(followed, order_id=order_id)}
    assert named == {("order_details", "changed"), ("order_history", "missing")}
    other = followed.database.rows("order_details")[1][0]
    assert await found(followed, order_id=other) == []
    assert {one.table for one in await found(followed, sample=10_000)} == {"order_details", "order_history"}
    await followed.verify(order_id=order_id, repair=True)
    assert await found(followed, sample=10_000) == []


async def test_an_order_that_was_never_placed_is_extra(followed):
    followed.database.run(
        f"insert into {FIRST}.order_history select '00000000-0000-4000-8000-000000000001', record_offset, partition, envelope "
        f"from {FIRST}.order_history limit 1"
    )
    from uuid import UUID

    drifts = await found(followed, order_id=UUID("00000000-0000-4000-8000-000000000001"))
    assert [(one.table, one.kind) for one in drifts] == [("order_history", "extra")]


async def test_while_writes_go_on_nothing_false_is_found_and_a_repair_keeps_what_came_since(stand):
    records = some_records(600)
    await stand.append(records[:300])
    await stand.follow()
    writing = asyncio.create_task(_write(stand, records[300:]))
    looks = 0
    while not writing.done():
        tampered(stand, "customer_summaries", "orders", "orders + 7")
        findings, _ = await stand.verify(repair=True)
        assert [(one.table, [field.name for field in one.fields]) for one in findings.drifts] == [("customer_summaries", ["orders"])]
        looks += 1
    await writing
    assert looks >= 2
    assert await found(stand) == []


async def _write(stand, records) -> None:
    for start in range(0, len(records), 20):
        await stand.append(records[start : start + 20])
        await stand.follow()

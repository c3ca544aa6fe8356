"""Folding a run of records into the rows of one table: the one loop that follows the log live, rebuilds and verifies. Pure.

A record that a fold cannot take is refused together with every later record of the same order that the table would take, so
that no row is folded past a gap; the records of other orders go on.
"""

from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from event_schemas.recorded import RecordedMessage
from infra.postgres.table_definition import Key, RowT, TableDefinition

_REASON = 500
"""Most characters of a reason that are kept."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that was not folded. `reason`: what the fold raised, or None: an earlier record of the same order was refused."""

    counted: RecordedMessage
    reason: str | None


Keyed = tuple[Key | None, RecordedMessage, str | None]
"""A record with the row that it touches; or without a row, and why the row could not be told."""


def keyed(definition: TableDefinition[Any], records: Sequence[RecordedMessage]) -> list[Keyed]:
    """The records that touch the table, in order."""
    key_of = definition.key_of
    try:
        return [(key, counted, None) for counted in records if (key := key_of(counted)) is not None]
    except Exception:  # noqa: BLE001 - whatever a fold raises parks its record: one by one, to see which
        return _keyed_one_by_one(key_of, records)


def _keyed_one_by_one(key_of: Callable[[RecordedMessage], Key | None], records: Iterable[RecordedMessage]) -> list[Keyed]:
    touching: list[Keyed] = []
    for counted in records:
        try:
            key = key_of(counted)
        except Exception as error:  # noqa: BLE001 - as above
            touching.append((None, counted, _told(error)))
        else:
            if key is not None:
                touching.append((key, counted, None))
    return touching


def fold(  # noqa: PLR0913 - rows are looked up and kept in different ways by those who fold
    definition: TableDefinition[RowT],
    touching: Iterable[Keyed],
    *,
    get: Callable[[Key], RowT | None],
    put: Callable[[Key, RowT], None],
    held: Iterable[UUID] = (),
    discarded: Container[int] = (),
) -> Sequence[Refused]:
    """Fold these records in order. `held`: orders of which records wait already; further records of these orders wait behind them.

    Returns what was not folded, in order. `get` and `put` look rows up and keep them. `discarded`: offsets of the one partition
    at hand that were given up: when the fold still can't take them, nothing waits behind them.
    """
    evolve = definition.evolve
    waiting = set(held)
    refused: list[Refused] = []
    for key, counted, problem in touching:
        if waiting and counted.record.order_id in waiting:
            refused.append(Refused(counted, None))
            continue
        reason = problem
        if key is not None:
            try:
                row = evolve(get(key), counted)
            except Exception as error:  # noqa: BLE001 - as above
                reason = _told(error)
            else:
                if row is not None:
                    put(key, row)
        if reason is not None:
            refused.append(Refused(counted, reason))
            if counted.offset not in discarded:
                waiting.add(counted.record.order_id)
    return refused


def fold_each(definition: TableDefinition[RowT], records: Iterable[RecordedMessage]) -> list[RowT] | None:
    """The rows of a table that takes one record a row, if its fold takes all of these records, else None (`fold` says why)."""
    evolve = definition.evolve
    try:
        return [row for counted in records if (row := evolve(None, counted)) is not None]
    except Exception:  # noqa: BLE001 - as above
        return None


def _told(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}"
    return "".join(character if character.isprintable() else "?" for character in text)[:_REASON]

"""`./orders dead-letters list|show|retry|discard`: what could not be read, and what to do with it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import aclosing, asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, TypeVar

import orjson
import typer
from aiokafka import AIOKafkaProducer
from aiokafka.partitioner import DefaultPartitioner

from event_schemas.topics import COMMANDS, EVENTS
from infra.errors import Away
from infra.event_log.dead_letters import DeadLetter, DeadLetters, Place, Resolution, Settled, append_bytes, read_dead_letters
from infra.kafka.clients import broker_errors, new_producer
from infra.process.settings import Settings
from order_service.stack.running import stack_settings
from order_service.terminal import fail, printable, table

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)
_Id = Annotated[str, typer.Argument(metavar="ID", help="TOPIC/PARTITION/OFFSET, as `list` shows it")]
_PREVIEW = 512
_ROW = 16


class _NoSuchLetter(Exception):
    """There is no dead letter of that id."""


@app.command("list")
def list_letters(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line")] = False,
    every: Annotated[bool, typer.Option("--all", help="Those too that were retried or discarded")] = False,
) -> None:
    """Show what could not be read, oldest first."""
    found = [one for one in _asked(_summaries(stack_settings())) if every or one["resolution"] is None]
    if as_json:
        sys.stdout.writelines(orjson.dumps(one).decode() + "\n" for one in found)
    elif found:
        sys.stdout.write(table([["id", "found", "size", "state", "reason"], *(as_row(one) for one in found)]))
    else:
        sys.stdout.write("no dead letters\n")


@app.command()
def show(letter_id: _Id, *, raw: Annotated[bool, typer.Option("--raw", help="Only the value's bytes, unchanged")] = False) -> None:
    """Show one: reason, key, headers and bytes."""
    letter, resolution = _asked(_find(stack_settings(), _place(letter_id)))
    if raw:
        sys.stdout.buffer.write(letter.original.value or b"")
    else:
        sys.stdout.write(as_page(letter, resolution))


@app.command()
def retry(letter_id: _Id) -> None:
    """Append a command's bytes, unchanged, to its topic again: when a fault of ours was mended, it is decided now."""
    place = _place(letter_id)
    if place.topic == EVENTS:
        fail(f"{EVENTS} is the log, and only the aggregate writes it: a record appended by hand would be void. Discard it instead", 1)
    if place.topic != COMMANDS:
        fail(f"only records of {COMMANDS} can be retried", 1)
    sys.stdout.write(_asked(_retry(stack_settings(), place)))


@app.command()
def discard(letter_id: _Id) -> None:
    """Mark one as settled: `list` hides it from now on. Its bytes stay until the topic lets go of them."""
    place = _place(letter_id)
    _asked(_discard(stack_settings(), place))
    sys.stdout.write(f"{place} is discarded\n")


async def _summaries(settings: Settings) -> list[dict[str, Any]]:
    """All dead letters without their bytes, which may be many."""
    letters: list[dict[str, Any]] = []
    settled: dict[str, Resolution] = {}
    async with aclosing(read_dead_letters(settings)) as found:
        async for one in found:
            if isinstance(one, Settled):
                settled[str(one.place)] = one.resolution
            else:
                letters.append(summary(one))
    for letter in letters:
        letter["resolution"] = settled.get(letter["id"])
    return sorted(letters, key=lambda letter: (letter["found_at"], letter["id"]))


async def _find(settings: Settings, place: Place) -> tuple[DeadLetter, Resolution | None]:
    letter: DeadLetter | None = None
    resolution: Resolution | None = None
    async with aclosing(read_dead_letters(settings)) as found:
        async for one in found:
            if one.place != place:
                continue
            if isinstance(one, Settled):
                resolution = one.resolution
            else:
                letter = one
    if letter is None:
        raise _NoSuchLetter(f"there is no dead letter {place}: `./orders dead-letters list --all` shows what there is")
    return letter, resolution


async def _retry(settings: Settings, place: Place) -> str:
    letter, _ = await _find(settings, place)
    async with _producer(settings) as producer:
        # The partition is that of the key, which mends a misrouted command; without a key it is the one where the command was.
        partitions = sorted(await producer.partitions_for(place.topic))
        key = letter.original.key
        partition = place.partition if key is None else DefaultPartitioner()(key, partitions, partitions)
        appended = await append_bytes(producer, place.topic, partition, letter.original)
        await DeadLetters(producer, "cli").settle(place, "retried")
        return what_became(place, appended.partition, appended.offset)


async def _discard(settings: Settings, place: Place) -> None:
    await _find(settings, place)
    async with _producer(settings) as producer:
        await DeadLetters(producer, "cli").settle(place, "discarded")


@asynccontextmanager
async def _producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = new_producer(settings, "dead-letters")
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


def _place(letter_id: str) -> Place:
    try:
        return Place.parse(letter_id)
    except ValueError as error:
        fail(str(error), 2)


def _asked(question: Coroutine[Any, Any, T]) -> T:
    try:
        with broker_errors():
            return asyncio.run(question)
    except _NoSuchLetter as error:
        fail(str(error), 1)
    except Away as error:
        fail(f"the dead letters can't be read ({error}): is the stack up? `./orders status`", 1)


def summary(letter: DeadLetter) -> dict[str, Any]:
    """A dead letter without its bytes, as `--json` shows it."""
    return {
        "id": str(letter.place),
        "topic": letter.place.topic,
        "partition": letter.place.partition,
        "offset": letter.place.offset,
        "found_at": letter.found_at.isoformat(timespec="milliseconds"),
        "by": letter.by,
        "reason": letter.reason,
        "size": len(letter.original.value or b""),
        "resolution": None,
    }


def as_row(one: dict[str, Any]) -> list[str]:
    """A summary as one line of the list."""
    when = datetime.fromisoformat(one["found_at"]).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    return [one["id"], when, f"{one['size']} B", one["resolution"] or "open", printable(one["reason"])[:120]]


def as_page(letter: DeadLetter, resolution: Resolution | None) -> str:
    """Everything about one, its first 512 bytes in hexadecimal and as text."""
    original = letter.original
    lines = [
        f"dead letter  {letter.place}",
        f"reason       {printable(letter.reason)}",
        f"found        {letter.found_at.astimezone().isoformat(timespec='seconds')} by {printable(letter.by)}",
        f"state        {resolution or 'open'}",
        f"key          {_shown(original.key)}",
        *(f"header       {printable(name)} = {_shown(value)}" for name, value in original.headers),
        f"value        {_size(original.value)}",
        *_hex_rows((original.value or b"")[:_PREVIEW]),
    ]
    return "\n".join(lines) + "\n"


def what_became(place: Place, partition: int, offset: int) -> str:
    """The one line that tells what a retry did."""
    return (
        f"{place} was appended again, unchanged, as {place.topic}/{partition}/{offset}: it is read like any new record; "
        "if it still can't be read, it comes back as a dead letter of that place\n"
    )


def _shown(raw: bytes | None) -> str:
    if raw is None:
        return "none"
    return printable(raw[:200].decode(errors="replace")) + ("…" if len(raw) > 200 else "")


def _size(value: bytes | None) -> str:
    if value is None:
        return "none"
    return f"{len(value)} bytes" + (f", the first {_PREVIEW}:" if len(value) > _PREVIEW else "")


def _hex_rows(raw: bytes) -> list[str]:
    rows = [raw[begin : begin + _ROW] for begin in range(0, len(raw), _ROW)]
    return [f"  {begin * _ROW:06x}  {row.hex(' '):47}  {_as_text(row)}" for begin, row in enumerate(rows)]


def _as_text(row: bytes) -> str:
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)

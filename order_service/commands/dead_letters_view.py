"""Dead letters as people read them. Pure."""

from datetime import datetime
from typing import Any

from infra.event_log.dead_letters import DeadLetter, Place, Resolution

_PREVIEW = 512
_ROW = 16


def printable(text: str) -> str:
    """The text with everything that a terminal would obey replaced."""
    return "".join(character if character.isprintable() else "?" for character in text)


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
    """What a retry did."""
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

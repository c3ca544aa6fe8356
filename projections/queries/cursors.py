"""Cursors of `GET /orders`: where the next page begins, opaque to clients, good as long as the order exists."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from struct import Struct, error
from typing import Self
from uuid import UUID

_PACKED = Struct(">q16s")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NoCursor(ValueError):
    """The text is no cursor."""


@dataclass(frozen=True)
class Cursor:
    """The last order of a page; the next page has those that come after it."""

    ordered_at: datetime
    order_id: UUID

    def token(self) -> str:
        """The cursor as clients see it."""
        since = self.ordered_at - _EPOCH
        microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
        return urlsafe_b64encode(_PACKED.pack(microseconds, self.order_id.bytes)).decode()

    @classmethod
    def parse(cls, token: str) -> Self:
        """Read a cursor. Raises NoCursor when the text is none."""
        try:
            microseconds, raw = _PACKED.unpack(urlsafe_b64decode(token.encode("ascii")))
            cursor = cls(_EPOCH + timedelta(microseconds=microseconds), UUID(bytes=raw))
        except (ValueError, OverflowError, error) as problem:
            raise NoCursor("is no cursor: take it from `next_cursor` as it is") from problem
        if cursor.token() != token:
            raise NoCursor("is no cursor: take it from `next_cursor` as it is")
        return cursor

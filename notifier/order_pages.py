"""The orders as they stand, asked of the query API over HTTP: what a subscription with `snapshot` begins with."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import aiohttp
import orjson

from event_schemas.feed import FeedFilter, Subscribe
from event_schemas.feed_codes import FeedCode
from notifier.requests import Refused

PIECE_BYTES = 64 * 1024
"""A frame holds so many bytes of orders, or one order."""
_PAGE = 100
_AT_ONCE = 4
_ANSWER_S = 8.0
_POSITION = "Orders-Position"


@dataclass(frozen=True)
class Page:
    """Some of the orders, each as JSON, none older than `position`."""

    position: str
    orders: Sequence[bytes]
    last: bool


class Snapshots:
    """Reads the query API at `url`, four pages at once for all clients together."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._http: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        """End the reads that are under way."""
        if self._http is not None:
            await self._http.close()

    async def pages(self, request: Subscribe) -> AsyncGenerator[Page, None]:
        """The matching orders; all pages have the first one's position, and none is older. Raises Refused when they can't be read."""
        wanted = request.filter
        if wanted.order_id is not None:
            yield await self._one(request)
            return
        query = {"customer_id": str(wanted.customer_id), "limit": str(_PAGE)}
        while True:
            status, position, body = await self._get(request, "/orders", query)
            if status != HTTPStatus.OK:
                raise _unavailable(request, f"{status} {body.get('code')}")
            query["position"] = query.get("position") or position
            cursor = body["next_cursor"]
            yield Page(query["position"], [orjson.dumps(order) for order in body["items"]], last=cursor is None)
            if cursor is None:
                return
            query["cursor"] = cursor

    async def _one(self, request: Subscribe) -> Page:
        status, position, body = await self._get(request, f"/orders/{request.filter.order_id}", {})
        if status == HTTPStatus.NOT_FOUND and body.get("code") == "order_not_found":
            return Page(position, [], last=True)
        if status != HTTPStatus.OK:
            raise _unavailable(request, f"{status} {body.get('code')}")
        return Page(position, [orjson.dumps(body)] if _is_wanted(request.filter, body) else [], last=True)

    async def _get(self, request: Subscribe, path: str, query: Mapping[str, str]) -> tuple[int, str, dict[str, Any]]:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=_AT_ONCE), timeout=aiohttp.ClientTimeout(total=_ANSWER_S), trust_env=False
            )
        try:
            async with self._http.get(self._url + path, params=query) as response:
                body = orjson.loads(await response.read())
                position = response.headers.get(_POSITION)
        except (aiohttp.ClientError, TimeoutError, OSError, orjson.JSONDecodeError, RuntimeError) as error:
            raise _unavailable(request, f"no answer at {self._url}: {str(error) or type(error).__name__}") from error
        if not isinstance(body, dict) or (position is None and response.status in {HTTPStatus.OK, HTTPStatus.NOT_FOUND}):
            raise _unavailable(request, f"what answers at {self._url} is not the HTTP API")
        return response.status, position or "", body


def pieces(page: Page, subscription_id: str | None) -> Iterator[bytes]:
    """The page as `snapshot` frames of bounded size; at least one if it is the last, so that the client learns of the end."""
    head = b'{"type":"snapshot",'
    if subscription_id is not None:
        head += b'"id":%b,' % orjson.dumps(subscription_id)
    head += b'"position":%b,"orders":[' % orjson.dumps(page.position)
    groups = list(_groups(page.orders)) or [[]]
    for number, group in enumerate(groups, 1):
        more = not page.last or number < len(groups)
        yield b'%b%b],"more":%b}' % (head, b",".join(group), b"true" if more else b"false")


def _groups(orders: Sequence[bytes]) -> Iterator[list[bytes]]:
    group: list[bytes] = []
    size = 0
    for order in orders:
        if group and size + len(order) > PIECE_BYTES:
            yield group
            group, size = [], 0
        group.append(order)
        size += len(order)
    if group:
        yield group


def _is_wanted(wanted: FeedFilter, order: Mapping[str, Any]) -> bool:
    return wanted.customer_id is None or order.get("customer_id") == wanted.customer_id


def _unavailable(request: Subscribe, why: str) -> Refused:
    detail = f"snapshot: the orders can't be read now ({why}): subscribe again in a few seconds"
    return Refused(FeedCode.SNAPSHOT_UNAVAILABLE, detail, request.id)

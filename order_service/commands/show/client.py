"""An order's history and its past states, from the gateway: the folding is done there, once for all who ask."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import aiohttp
import orjson

Json = dict[str, Any]
_ANSWER_S = 15.0


class NotShown(Exception):
    """There is no such order, or no gateway that could say so; the text tells which."""


@dataclass(frozen=True, slots=True)
class History:
    """What is known of an order up to a moment.

    `items`: its records, rejections too, in the order of the log. `states`: the order after each of its versions, by version;
    only the last one unless all were asked for, none when it was never placed.
    """

    items: Sequence[Json]
    states: Mapping[int, Json]

    @property
    def order(self) -> Json | None:
        """The order as it is shown."""
        return self.states[max(self.states)] if self.states else None


async def read_history(url: str, order_id: UUID, *, version: int | None, as_of: datetime | None, every_state: bool) -> History:
    """Read what the gateway at `url` knows of the order, up to `version` or up to what had occurred `as_of` a time.

    Raises NotShown.
    """
    path = f"{url.rstrip('/')}/orders/{order_id}"
    timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout, raise_for_status=False) as session:
            last, position = version, None
            if as_of is not None:
                past, position = await _get(session, path, {"as_of": as_of.isoformat()})
                last = past["version"]
            found, position = await _get(session, f"{path}/events", _at(position))
            items: list[Json] = found["items"]
            last = max(item["version"] for item in items) if last is None else last
            # A version never changes, so that reading them one by one shows no mixture.
            wanted = range(1 if every_state else last, last + 1) if last or version is not None else range(0)
            answers = await asyncio.gather(*(_get(session, path, {"version": str(number), **_at(position)}) for number in wanted))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise NotShown(f"{url} does not answer ({type(error).__name__}): is the stack up? `./orders status`") from error
    shown = [item for item in items if item["version"] <= last and not _later_refusal(item, as_of)]
    return History(shown, {number: state for number, (state, _) in zip(wanted, answers, strict=True)})


def _at(position: str | None) -> dict[str, str]:
    return {"position": position} if position else {}


def _later_refusal(item: Json, as_of: datetime | None) -> bool:
    # The events end with the version; a refused command leaves it as it was.
    return as_of is not None and item["type"] == "CommandRejected" and datetime.fromisoformat(item["occurred_at"]) > as_of


async def _get(session: aiohttp.ClientSession, path: str, parameters: Mapping[str, str]) -> tuple[Json, str | None]:
    async with session.get(path, params=parameters) as response:
        content = await response.read()
        try:
            body = orjson.loads(content)
        except orjson.JSONDecodeError:
            body = {}
        if response.status != 200:
            raise NotShown(str(body.get("detail", f"the gateway answers {response.status}")))
        return body, response.headers.get("Orders-Position")

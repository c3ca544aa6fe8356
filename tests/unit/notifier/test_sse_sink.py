"""What a stream holds for its client: in order, whole, and never more than the bound beside one run."""

import asyncio

import orjson
import pytest

from event_schemas.feed import Heartbeat, Reset
from event_schemas.feed_codes import ResetReason
from notifier.sink import ClientGone
from notifier.sse.sink import PARK_BYTES, RESUME_BYTES, SseFrames, SseSink

FRAME = Heartbeat(position="e." + "A" * 1_000).encoded()


class Told:
    """A session that remembers what it was told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def paused(self) -> None:
        self.said.append("paused")

    def resumed(self) -> None:
        self.said.append("resumed")

    def close(self) -> None:
        self.said.append("close")


def a_sink(session: Told, aborted: list[bool] | None = None) -> SseSink:
    """A new one, which asks clients to come back after 7 ms."""
    return SseSink(SseFrames(), session, retry_ms=lambda: 7, abort=lambda: (aborted or []).append(True))


async def all_of(sink: SseSink) -> bytes:
    """Everything up to the stream's end."""
    pieces = []
    while (piece := await sink.piece()) is not None:
        pieces.append(piece)
    return b"".join(pieces)


async def test_a_slow_client_is_parked_and_goes_on_when_most_has_left() -> None:
    session = Told()
    sink = a_sink(session)
    while not session.said:
        sink.queue(FRAME)
        sink.flush()
    assert session.said == ["paused"]
    assert PARK_BYTES < sink.buffered < PARK_BYTES + 2 * len(FRAME) + 100
    drained = asyncio.create_task(sink.drained())
    while session.said == ["paused"]:
        before = sink.buffered
        assert not drained.done()
        piece = await sink.piece()
        assert piece is not None
        assert len(piece) <= 64 * 1024 + 2 * len(FRAME)
        await asyncio.sleep(0)
    assert before <= RESUME_BYTES + 66 * 1024
    assert session.said == ["paused", "resumed"]
    await drained


async def test_everything_leaves_in_order_and_the_reason_last() -> None:
    sink = a_sink(Told())
    sink.queue(FRAME)
    sink.end(4100, {"code": "slow", "position": "e.A"})
    sink.queue(FRAME)
    sink.flush()
    told = (await all_of(sink)).split(b"\n\n")
    assert told[0] == b"retry: 7"
    assert told[1].startswith(b"event: heartbeat\nid: e.AAAA")
    assert told[2] == b"retry: 7"
    assert told[3].startswith(b"event: closing\ndata: ")
    assert orjson.loads(told[3].partition(b"data: ")[2]) == {"type": "closing", "close": 4100, "code": "slow", "position": "e.A"}
    assert told[4:] == [b""]
    assert sink.closed_with == 4100
    sink.gone()


async def test_the_server_s_wish_goes_before_the_usual_pause() -> None:
    sink = a_sink(Told())
    sink.end(4200, {"code": "going_away", "retry_after_ms": 345})
    assert b"retry: 345\n\nevent: closing" in await all_of(sink)
    sink.gone()


async def test_a_frame_that_ends_the_subscription_ends_the_stream() -> None:
    sink = a_sink(Told())
    sink.queue(Reset(reason=ResetReason.OTHER_LOG, position="e.A").encoded())
    sink.flush()
    assert (await all_of(sink)).endswith(b"retry: 7\n\n")
    assert sink.closed_with == 1000
    sink.gone()


async def test_who_does_not_even_read_why_is_cut_off_and_who_has_gone_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("notifier.sse.sink._FAREWELL_S", 0.01)
    aborted: list[bool] = [False]
    stalled, left = a_sink(Told(), aborted), a_sink(Told(), aborted)
    left.end(4200, {"code": "going_away"})
    left.gone()
    await asyncio.sleep(0.05)
    assert aborted == [False]
    stalled.end(4100, {"code": "slow"})
    await asyncio.sleep(0.05)
    assert aborted == [False, True]


async def test_who_waits_for_a_client_that_leaves_is_told() -> None:
    session = Told()
    sink = a_sink(session)
    while not session.said:
        sink.queue(FRAME)
        sink.flush()
    waiting = asyncio.create_task(sink.drained())
    await asyncio.sleep(0)
    sink.gone()
    with pytest.raises(ClientGone):
        await waiting
    assert await sink.piece() is None
    assert sink.buffered == 0

"""The websocket protocol at the wire, case by case as the Autobahn suite has it, with frames written past the library."""

import asyncio
from itertools import pairwise

import pytest

from notifier.admission import Limits
from tests.support.records import created
from tests.unit.notifier.memory_feed import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, MemoryFeed, RawClient, frame

SUBSCRIBE = b'{"type":"subscribe"}'
ZOE = '{"type":"subscribe","id":"zoë €𝄞"}'.encode()
MOST = Limits().frame_bytes


async def is_answered(raw: RawClient, kind: str = "error") -> None:
    """The next frame is the feed's, whole and unmasked."""
    assert (await raw.next()).json()["type"] == kind


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 128, 65_535, MOST])
async def test_messages_of_every_length(raw: RawClient, opcode: int, length: int) -> None:
    await raw.send(frame(opcode, b"x" * length))
    await is_answered(raw)


@pytest.mark.parametrize("length", [MOST + 1, 1 << 20])
async def test_messages_that_are_too_long(raw: RawClient, length: int) -> None:
    await raw.send(frame(TEXT, b"x" * length))
    assert await raw.close_code() in {1009, -1}  # the bytes that nobody read may break the connection before the reason is read


async def test_a_message_that_is_too_long_in_fragments(raw: RawClient) -> None:
    await raw.send(frame(TEXT, b"x" * (MOST - 10), fin=False))
    await raw.send(frame(CONTINUATION, b"x" * 11))
    assert await raw.close_code() == 1009


async def test_a_length_is_believed_only_up_to_the_limit(raw: RawClient) -> None:
    await raw.send(b"\x81\xff" + (1 << 62).to_bytes(8))
    assert await raw.close_code() == 1009


@pytest.mark.parametrize("payload", [b"", b"hello", b"\x00\xff\xfe", b"x" * 125])
async def test_pings_are_answered_with_what_they_hold(raw: RawClient, payload: bytes) -> None:
    await raw.send(frame(PING, payload))
    pong = await raw.next()
    assert (pong.first, pong.payload) == (0x80 | PONG, payload)


async def test_ten_pings_have_ten_answers_in_order(raw: RawClient) -> None:
    await raw.send(b"".join(frame(PING, b"%d" % number) for number in range(10)))
    assert [(await raw.next()).payload for _ in range(10)] == [b"%d" % number for number in range(10)]


async def test_pongs_that_nobody_asked_for_are_passed_by(raw: RawClient) -> None:
    await raw.send(frame(PONG) + frame(PONG, b"x" * 125) + frame(TEXT, SUBSCRIBE))
    await is_answered(raw, "subscribed")


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
async def test_control_frames_are_short_and_whole(memory_feed: MemoryFeed, opcode: int) -> None:
    for data in (frame(opcode, b"\x03\xe8" + b"x" * 124), frame(opcode, fin=False)):
        raw = await RawClient.connect(memory_feed.port)
        await raw.send(data)
        assert await raw.close_code() == 1002


@pytest.mark.parametrize("rsv", range(1, 8))
async def test_reserved_bits_are_refused(raw: RawClient, rsv: int) -> None:
    await raw.send(frame((TEXT, PING, CLOSE)[rsv % 3], rsv=rsv))
    assert await raw.close_code() == 1002


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
async def test_reserved_opcodes_are_refused(raw: RawClient, opcode: int) -> None:
    await raw.send(frame(opcode, b"x"))
    assert await raw.close_code() == 1002


async def test_frames_of_a_client_are_masked(raw: RawClient) -> None:
    await raw.send(frame(TEXT, SUBSCRIBE, masked=False))
    assert await raw.close_code() == 1002


@pytest.mark.parametrize("cuts", [[0], [1], [5, 5], [0, 0, 3], list(range(1, len(SUBSCRIBE)))])
async def test_fragments_make_one_message_also_with_pings_between(raw: RawClient, cuts: list[int]) -> None:
    edges = [0, *cuts, len(SUBSCRIBE)]
    for number, (begin, end) in enumerate(pairwise(edges)):
        await raw.send(frame(TEXT if number == 0 else CONTINUATION, SUBSCRIBE[begin:end], fin=number == len(edges) - 2))
        await raw.send(frame(PING, b"%d" % number))
    frames = [await raw.next() for _ in range(len(edges) - 1 + 2)]
    assert [found.opcode for found in frames].count(PONG) == len(edges) - 1
    assert [found.json()["type"] for found in frames if found.opcode == TEXT] == ["subscribed", "caught_up"]


async def test_fragments_out_of_place_are_refused(memory_feed: MemoryFeed) -> None:
    for data in (
        frame(CONTINUATION, SUBSCRIBE),
        frame(CONTINUATION, SUBSCRIBE, fin=False),
        frame(TEXT, b"{", fin=False) + frame(TEXT, b"}"),
        frame(TEXT, b"{", fin=False) + frame(BINARY, b"}"),
    ):
        raw = await RawClient.connect(memory_feed.port)
        await raw.send(data)
        assert await raw.close_code() == 1002


@pytest.mark.parametrize("cut", range(1, len(ZOE)))
async def test_characters_may_be_cut_anywhere(raw: RawClient, cut: int) -> None:
    await raw.send(frame(TEXT, ZOE[:cut], fin=False) + frame(CONTINUATION, ZOE[cut:]))
    assert (await raw.next()).json()["id"] == "zoë €𝄞"


@pytest.mark.parametrize(
    "payload", [b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xce\xba\xe1", b'{"type":"\xfe"}', b"\xf8\x88\x80\x80\x80"]
)
async def test_text_that_is_no_utf8_is_refused(memory_feed: MemoryFeed, payload: bytes) -> None:
    for data in (frame(TEXT, payload), frame(TEXT, payload[:1], fin=False) + frame(CONTINUATION, payload[1:])):
        raw = await RawClient.connect(memory_feed.port)
        await raw.send(data)
        assert await raw.close_code() == 1007


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 3000, 3999, 4000, 4999])
async def test_a_close_is_answered_with_the_same(raw: RawClient, code: int) -> None:
    payload = code.to_bytes(2) + "auf Wiederhören".encode()
    await raw.send(frame(CLOSE, payload))
    assert [(found.opcode, found.payload) for found in await raw.rest()] == [(CLOSE, payload)]


async def test_a_close_without_a_code_is_answered_without_one(raw: RawClient) -> None:
    await raw.send(frame(CLOSE))
    assert await raw.close_code() is None


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_codes_that_may_not_be_sent_are_refused(raw: RawClient, code: int) -> None:
    await raw.send(frame(CLOSE, code.to_bytes(2)))
    assert await raw.close_code() == 1002


async def test_closes_that_are_malformed_are_refused(memory_feed: MemoryFeed) -> None:
    for payload, code in ((b"\x03", 1002), (b"\x03\xe8\xff\xfe", 1007)):
        raw = await RawClient.connect(memory_feed.port)
        await raw.send(frame(CLOSE, payload))
        assert await raw.close_code() == code


async def test_nothing_after_a_close_is_heard(raw: RawClient, memory_feed: MemoryFeed) -> None:
    await raw.send(frame(TEXT, SUBSCRIBE))
    await raw.until("caught_up")
    await raw.send(frame(CLOSE, b"\x03\xe8") + frame(TEXT, SUBSCRIBE) + frame(PING, b"late"))
    memory_feed.log.show(0, created())
    assert [found.opcode for found in await raw.rest()] in ([CLOSE], [TEXT, CLOSE])


async def test_byte_by_byte(raw: RawClient) -> None:
    for byte in frame(TEXT, SUBSCRIBE) + frame(PING, b"x" * 20):
        await raw.send(bytes((byte,)))
        await asyncio.sleep(0)
    # The library answers a ping by itself, maybe before the session has had its turn.
    assert sorted([(await raw.next()).opcode for _ in range(3)]) == [TEXT, TEXT, PONG]

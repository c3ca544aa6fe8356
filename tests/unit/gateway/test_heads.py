"""A request's head is bounded in bytes, headers and time; what is refused is said, and nothing else on the connection is lost."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from prometheus_client import REGISTRY

from gateway.heads import HeadLimits
from tests.support.raw_http import RawClient, RawSite, serving
from tests.support.service_process import eventually

SHORT = HeadLimits(seconds=0.2)
GET = b"GET /fine HTTP/1.1\r\nHost: x\r\n\r\n"
HOLD = b"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"
START = b"GET /fine HTTP/1.1\r\nHost: x\r\n"


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("orders_refused_heads_total", {"reason": reason}) or 0.0


@pytest.fixture
async def site() -> AsyncIterator[RawSite]:
    async with serving(HeadLimits()) as made:
        yield made


@pytest.fixture
async def hasty() -> AsyncIterator[RawSite]:
    async with serving(SHORT) as made:
        yield made


@pytest.fixture
async def client(site: RawSite) -> RawClient:
    return await site.client()


def filled(size: int) -> bytes:
    """A whole head of so many bytes."""
    head = START + b"X: \r\n\r\n"
    return head.replace(b"X: ", b"X: " + b"a" * (size - len(head)))


async def test_a_head_of_exactly_the_limit_is_served(client: RawClient):
    await client.send(filled(16 * 1024), filled(16 * 1024)[:-1], b"\n")

    assert [(await client.answer()).status for _ in range(2)] == [200, 200]


LARGE: dict[str, tuple[bytes, int, str]] = {
    "one byte more": (filled(16 * 1024 + 1), 431, "head_too_large"),
    "one long header": (START + b"Prefer: " + b"a," * 10_000, 431, "head_too_large"),
    "many short headers": (START + b"a:b\r\n" * 4000, 431, "head_too_large"),
    "129 headers": (START + b"a:b\r\n" * 128 + b"\r\n", 431, "head_too_large"),
    "129 headers and no end": (START + b"a:b\r\n" * 129, 431, "head_too_large"),
    "empty lines before it": (b"\r\n" * 10_000, 431, "head_too_large"),
    "a long target": (b"GET /" + b"a" * 20_000, 414, "target_too_long"),
    "a long target and headers": (b"GET /" + b"a" * 16_000 + b" HTTP/1.1\r\n" + b"X: " + b"a" * 500 + b"\r\n\r\n", 414, "target_too_long"),
}


@pytest.mark.parametrize("large", LARGE.values(), ids=LARGE)
async def test_a_head_that_is_too_large_is_refused_with_a_problem(site: RawSite, large: tuple[bytes, int, str]):
    head, status, code = large
    before = refused(code)
    client = await site.client()
    await client.send(head)
    answer = await client.answer()

    assert (answer.status, answer.code, answer.headers["connection"]) == (status, code, "close")
    assert answer.headers["date"]
    assert await client.rest() == b""
    assert (site.served, refused(code)) == ([], before + 1)


async def test_it_does_not_matter_in_which_pieces_a_head_comes(site: RawSite):
    fine, large = await site.client(), await site.client()
    await fine.send(*(bytes([byte]) for byte in GET))
    await large.send(*(bytes([byte]) for byte in filled(2 * 16 * 1024)[: 16 * 1024 + 1]))

    assert (await fine.answer()).status == 200
    assert (await large.answer()).status == 431


async def test_a_client_that_sent_more_than_it_may_can_read_its_answer(client: RawClient):
    """It listens only when it has sent all."""
    await client.send(*[START, *[b"X: " + b"a" * 1000 + b"\r\n"] * 100])

    assert (await client.answer()).code == "head_too_large"
    assert await client.rest() == b""


async def test_a_client_that_goes_on_sending_is_cut_off(client: RawClient):
    with pytest.raises(ConnectionError):
        await client.send(*[b"x: y\r\n" * 10_000] * 10_000)


async def test_a_client_that_takes_its_answer_and_stays_is_left_after_a_while():
    async with serving(HeadLimits(linger_s=0.1)) as site:
        client = await site.client()
        await client.send(filled(20_000))
        assert (await client.answer()).status == 431

        async def gone() -> bool:
            try:
                await client.send(b"a")
            except ConnectionError:
                return True
            return False

        await eventually(gone)


@pytest.mark.parametrize("first", [b"G", START, b"\r\n"], ids=["one byte", "headers", "an empty line"])
async def test_a_head_that_does_not_end_in_time_is_refused(hasty: RawSite, first: bytes):
    before = refused("head_too_slow")
    client = await hasty.client()
    await client.send(first)
    answer = await client.answer()

    assert (answer.status, answer.code, answer.headers["connection"]) == (408, "head_too_slow", "close")
    assert await client.rest() == b""
    assert refused("head_too_slow") == before + 1


async def test_bytes_now_and_then_win_no_time(hasty: RawSite):
    client = await hasty.client()
    answer = asyncio.create_task(client.answer())
    await client.send(START)
    while not answer.done():
        await client.send(b"a:b\r\n")
        await asyncio.wait([answer], timeout=0.05)

    assert (await answer).status == 408


async def test_a_client_that_says_nothing_is_left_without_a_word(hasty: RawSite):
    before = refused("silent")
    client = await hasty.client()

    assert await client.rest() == b""
    assert refused("silent") == before + 1


async def test_a_later_head_has_its_own_time_and_an_idle_connection_that_of_keep_alive(hasty: RawSite):
    client = await hasty.client()
    await client.send(GET)
    assert (await client.answer()).status == 200
    await asyncio.sleep(2 * SHORT.seconds)
    await client.send(GET)
    assert (await client.answer()).status == 200
    await client.send(START)

    assert (await client.answer()).status == 408


async def test_a_body_is_no_part_of_the_head(hasty: RawSite):
    client = await hasty.client()
    await client.send(b"POST /fine HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", b"a" * 50_000)
    await asyncio.sleep(2 * SHORT.seconds)
    await client.send(b"a" * 50_000 + GET)

    assert b'"body":100000' in (await client.answer()).body
    assert (await client.answer()).status == 200


async def test_chunks_of_a_body_are_no_part_of_the_head(client: RawClient):
    await client.send(b"POST /fine HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", *[b"1\r\na\r\n"] * 5000, b"0\r\n\r\n" + GET)

    assert b'"body":5000' in (await client.answer()).body
    assert (await client.answer()).status == 200


@pytest.mark.parametrize("second", [filled(16 * 1024 + 1), filled(60_000), b"G\r\n", START], ids=["large", "larger", "malformed", "slow"])
async def test_a_second_head_that_is_refused_costs_the_first_request_nothing(hasty: RawSite, second: bytes):
    client = await hasty.client()
    await client.send(HOLD + second)
    await asyncio.sleep(2 * SHORT.seconds)
    hasty.release.set()

    assert b'"path":"/hold"' in (await client.answer()).body
    assert (await client.answer()).status in {431, 400, 408}
    assert await client.rest() == b""


async def test_a_large_second_head_that_begins_behind_a_body_is_refused(client: RawClient):
    await client.send(b"POST /fine HTTP/1.1\r\nHost: x\r\nContent-Length: 4000\r\n\r\n" + b"a" * 4000 + filled(17_000))

    assert [(await client.answer()).status for _ in range(2)] == [200, 431]


async def test_many_requests_at_once_are_answered_in_order(site: RawSite, client: RawClient):
    count = 3000
    await client.send(HOLD + b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(count)))
    site.release.set()
    for _ in range(count + 1):
        assert (await client.answer()).status == 200

    assert site.served == ["/hold", *(f"/{number}" for number in range(count))]


async def test_a_stopping_server_waits_for_the_answer_and_not_for_the_head(site: RawSite):
    asked, half = await site.client(), await site.client()
    await half.send(START)
    await asked.send(HOLD + START)
    while not site.served:
        await asyncio.sleep(0.01)
    assert site.server is not None
    site.server.stop()

    assert await half.rest() == b""
    site.release.set()
    assert (await asked.answer()).status == 200
    assert await asked.rest() == b""


MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "a bare line feed": b"GET / HTTP/1.1\nHost: x\n\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("sent", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_http_is_answered_with_a_problem(client: RawClient, sent: bytes):
    await client.send(sent)
    answer = await client.answer()

    assert (answer.status, answer.code) == (400, "malformed_request")
    assert await client.rest() == b""


async def test_a_malformed_body_is_the_end_of_its_request(site: RawSite, client: RawClient):
    await client.send(b"POST /fine HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n", b"no length\r\n")

    assert (await client.answer()).status == 400
    assert await client.rest() == b""
    await asyncio.wait_for(site.disconnected.wait(), 5)


async def test_a_malformed_body_behind_its_answer_is_not_answered_again(client: RawClient):
    await client.send(b"POST /early HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    assert (await client.answer()).status == 200
    await client.send(b"no length\r\n")

    assert await client.rest() == b""


async def test_a_malformed_body_of_a_second_request_costs_the_first_nothing(site: RawSite, client: RawClient):
    await client.send(HOLD + b"POST /fine HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nno length\r\n")
    site.release.set()

    assert [(await client.answer()).status for _ in range(2)] == [200, 400]
    assert await client.rest() == b""
    assert site.served == ["/hold"]


POST = b"POST /fine HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n"


@pytest.mark.parametrize("trailer", [b"a: b\r\n" * 50_000, b"a: " + b"b" * 300_000], ids=["many", "one"])
async def test_trailers_are_bounded_as_a_head_is(site: RawSite, trailer: bytes):
    before = refused("head_too_large")
    client = await site.client()
    with contextlib.suppress(ConnectionError):
        await client.send(POST + trailer)

    async def counted() -> bool:
        return refused("head_too_large") == before + 1

    await eventually(counted)


async def test_a_trailer_is_no_header_and_the_connection_goes_on(site: RawSite):
    client = await site.client()
    await client.send(POST + b"Idempotency-Key: k\r\n\r\n" + GET)
    assert [(await client.answer()).status for _ in range(2)] == [200, 200]

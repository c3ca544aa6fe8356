"""The feed under load: many connections held, many matches, stalled clients, all cut at once, and a long way to catch up.

Everything is small in frames and large in numbers; figures depend on the machine and on this process, which plays all clients.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from event_schemas.feed_codes import CloseCode
from notifier.websocket.connection import text_frame
from tools.bench.feed_load.clients import FeedClients, parsed, subscribe
from tools.bench.feed_load.stage import FeedStage, age_ms, bare_feed, due_at, event, feed_stage, wide_event
from tools.bench.measuring import percentile
from tools.bench.report import Finding
from tools.bench.servers import Servers
from tools.bench.sizes import LoadSize

_MATCHES = 5
"""Clients that want the same customer's events."""
_KIB = 1024.0
_SMALL = 32 * 1024
"""What the kernel holds for a client that stalls: as little as may be, so that the server notices."""
_ENDED = (CloseCode.SLOW, 0)
"""A client that does not even read the code is cut off; the notifier then tells that it was too slow."""
_SLOW_CLOSES = "orders_feed_slow_closes_total"
Load = Callable[[Servers, LoadSize], Awaitable[Sequence[Finding]]]


async def hold(servers: Servers, size: LoadSize) -> list[Finding]:
    """Connections that are held: what each costs, whether any is lost, and how long an event to all of them takes."""
    async with feed_stage(servers) as stage:
        before = stage.notifier.memory_mib()
        async with stage.connected([subscribe()] * size.connections) as clients:
            each_kib = (stage.notifier.memory_mib() - before) * _KIB / size.connections
            await asyncio.to_thread(clients.receive_for, size.hold_s)
            for _ in range(size.events_to_all):
                clients.expect()
                await stage.log.append([event("bench-1", due_ns=time.monotonic_ns())])
                await _all_have_it(clients)
            held_kib = (stage.notifier.memory_mib() - before) * _KIB / size.connections
            p99_ms, dropped, payload = stage.p99_ms(), clients.closed, clients.clients[0].last_event
    least_ms = await _least_to_all(servers, size, payload)
    return [
        Finding("connections held", float(size.connections)),
        Finding("seconds", size.hold_s, "s"),
        Finding("memory of each when connected", each_kib, "KiB", at_most=25),
        Finding("memory of each at the end", held_kib, "KiB", at_most=25),
        Finding("dropped", float(dropped), at_most=0),
        Finding("an event to all of them, p99", p99_ms, "ms", at_most=150),
        Finding("the same frame by a bare loop to as many sockets, without a log, p99", least_ms, "ms"),
        Finding("times the bare loop", p99_ms / least_ms),
    ]


async def _all_have_it(clients: FeedClients) -> None:
    wanted = len(clients.clients)
    await asyncio.to_thread(clients.receive_until, lambda: clients.events >= wanted or clients.closed > 0, 30.0)


async def _least_to_all(servers: Servers, size: LoadSize, payload: bytes) -> float:
    """p99, in milliseconds, from when a bare loop is told to write a frame to all clients until each of them has it."""
    ages_ms: list[float] = []
    async with bare_feed(servers, size.connections) as bare:
        bare.clients.on_event = lambda _, frame: ages_ms.append(age_ms(frame))
        for _ in range(size.events_to_all):
            bare.clients.expect()
            bare.write(text_frame(due_at(payload, time.monotonic_ns())))
            await _all_have_it(bare.clients)
    return percentile(ages_ms, 0.99)


async def match(servers: Servers, size: LoadSize) -> list[Finding]:
    """Events that a few of many clients want: from when an event was due to be appended to the client."""
    customers = max(1, size.connections // _MATCHES)
    async with feed_stage(servers) as stage:
        wanted = [subscribe(customer_id=f"bench-{number % customers}") for number in range(size.connections)]
        async with stage.connected(wanted) as clients:

            async def follow(seconds: float) -> int:
                appending = asyncio.create_task(
                    stage.append_steadily(size.match_rate, seconds, lambda number, due: event(f"bench-{number % customers}", due_ns=due))
                )
                await asyncio.to_thread(clients.receive_for, seconds)
                expected = await appending * _MATCHES
                await asyncio.to_thread(clients.receive_until, lambda: clients.events >= expected or clients.closed > 0, 30.0)
                return expected

            await follow(size.warm_up_s)
            stage.ages_ms.clear()
            clients.expect()
            used = stage.notifier.cpu_s()
            expected = await follow(size.match_s)
            appended = expected // _MATCHES
            return [
                Finding("events a second appended", appended / size.match_s, at_least=0.95 * size.match_rate),
                Finding("frames that came", float(clients.events), at_least=expected, at_most=expected),
                Finding("dropped", float(clients.closed), at_most=0),
                Finding("CPU of the notifier an event", 1e6 * (stage.notifier.cpu_s() - used) / appended, "µs"),
                Finding("append to client, p99", stage.p99_ms(), "ms", at_most=50),
            ]


async def stall(servers: Servers, size: LoadSize) -> list[Finding]:
    """One client in ten stops reading: what it costs the others, and what it costs in memory."""
    stalled = max(1, size.stall_clients // 10)

    async with feed_stage(servers) as stage, stage.connected([subscribe()] * size.stall_clients, receive_bytes=_SMALL) as clients:
        await _p99_of_others(stage, clients, size, size.warm_up_s)
        calm = await _p99_of_others(stage, clients, size, size.stall_s)
        before = stage.notifier.memory_mib()
        still = clients.clients[:stalled]
        clients.pause(still)
        ended_before = clients.closed
        hurt = await _p99_of_others(stage, clients, size, size.stall_s)
        most_mib = (stage.notifier.memory_mib() - before) / stalled
        clients.resume(still)
        await asyncio.to_thread(clients.receive_for, 5.0)
        complete = max(client.events for client in clients.clients)
        behind = sum(client.closed is None and client.events != complete for client in still)
        after_mib = (stage.notifier.memory_mib() - before) / stalled
        # Measure before and after, so that a machine that became slower meanwhile is not blamed on the stalled clients.
        calm = (calm + await _p99_of_others(stage, clients, size, size.stall_s)) / 2
        slow_closes = (await stage.notifier.metrics())[_SLOW_CLOSES]
        return [
            Finding("clients that stalled", float(stalled)),
            Finding(
                "ended as slow",
                float(sum(client.closed in _ENDED for client in still)),
                at_most=slow_closes,
            ),
            Finding("went on without a gap", float(sum(client.closed is None and client.events == complete for client in still))),
            Finding("neither", float(sum(client.closed not in (None, *_ENDED) for client in still) + behind), at_most=0),
            Finding("other clients ended", float(clients.closed - ended_before - sum(one.closed is not None for one in still)), at_most=0),
            Finding("memory of each that stalled", most_mib, "MiB", at_most=1.25),
            Finding("memory of each 5 s after", after_mib, "MiB", at_most=0.25),
            Finding("others' p99 before and after, mean", calm, "ms"),
            Finding("others' p99 meanwhile", hurt, "ms"),
            Finding("others' p99, meanwhile to otherwise", hurt / calm, "times", at_most=1.1),
        ]


async def _p99_of_others(stage: FeedStage, clients: FeedClients, size: LoadSize, seconds: float) -> float:
    """Send events at a steady rate for a while: p99 in ms of those that are read."""
    stage.ages_ms.clear()
    appending = asyncio.create_task(stage.append_steadily(size.stall_rate, seconds, lambda _, due: wide_event(due_ns=due)))
    await asyncio.to_thread(clients.receive_for, seconds + 0.5)
    await appending
    return stage.p99_ms()


async def _all_received(clients: FeedClients, events: int) -> float:
    """Wait for so many events in all, 30 s at most; when that was (perf_counter).

    `caught_up` does not mean that the events are there: a client may come before the notifier has read what was just appended.
    """
    give_up = time.perf_counter() + 30.0
    return await asyncio.to_thread(clients.receive_until, lambda: clients.events >= events or time.perf_counter() > give_up, 60.0)


async def cut(servers: Servers, size: LoadSize) -> list[Finding]:
    """All clients are cut at once, and come back when each is some events behind."""
    async with feed_stage(servers) as stage:
        async with stage.connected([subscribe()] * size.cut_clients) as clients:
            clients.expect()
            await stage.log.append([event("bench-1", due_ns=time.monotonic_ns())])
            await asyncio.to_thread(clients.receive_until, lambda: clients.events >= size.cut_clients, 30.0)
            position = parsed(clients.clients[0].last_event)["position"]
        await stage.log.append(event(f"bench-{number}") for number in range(size.cut_behind))
        began = time.perf_counter()
        async with stage.connected([subscribe(position)] * size.cut_clients) as clients:
            live_s = await _all_received(clients, size.cut_clients * size.cut_behind) - began
            behind = [client.events for client in clients.clients]
            last = {parsed(client.last_event)["seq"] for client in clients.clients}
            return [
                Finding("clients cut at once", float(size.cut_clients)),
                Finding("events each was behind", float(size.cut_behind)),
                Finding("all live again after", live_s, "s", at_most=15),
                Finding("clients with a gap", float(sum(one != size.cut_behind for one in behind)), at_most=0),
                Finding("different last numbers", float(len(last)), at_most=1),
                Finding("ended", float(clients.closed), at_most=0),
            ]


async def resume(servers: Servers, size: LoadSize) -> list[Finding]:
    """One client catches up with a long stretch of the log."""
    async with feed_stage(servers) as stage:
        for first in range(0, size.missed, 1_000):
            await stage.log.append(event(f"bench-{number}") for number in range(first, min(first + 1_000, size.missed)))
        await asyncio.sleep(1.0)  # the notifier reads the log meanwhile, and must be near its end when the client comes
        began = time.perf_counter()
        async with stage.connected([subscribe("earliest")]) as clients:
            seconds = await _all_received(clients, size.missed) - began
            return [
                Finding("events missed", float(clients.events), at_least=size.missed),
                Finding("caught up after", seconds, "s", at_most=5),
                Finding("events a second", clients.events / seconds),
            ]


LOADS: dict[str, Load] = {"hold": hold, "match": match, "stall": stall, "cut": cut, "resume": resume}
"""The loads by name."""

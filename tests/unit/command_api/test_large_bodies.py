"""Large bodies take turns; a small one never waits for them."""

import asyncio

from command_api import body as body_module
from command_api.body import LARGE_BODY, LargeBodies


async def test_one_large_body_is_looked_at_at_a_time_and_small_ones_go_past_it():
    bodies, seen = LargeBodies(), []

    async def look(name: str, size: int) -> None:
        async with bodies.turn(size):
            seen.append(name)

    async with bodies.turn(LARGE_BODY + 1):
        waiting = asyncio.create_task(look("large", LARGE_BODY + 1))
        await asyncio.sleep(0)
        await look("small", LARGE_BODY)
        assert seen == ["small"]
    await waiting
    assert seen == ["small", "large"]


async def test_the_next_large_body_waits_for_three_times_as_long_as_the_last_one_took(monkeypatch):
    clock, slept = iter([0.0, 10.0, 10.5, 11.0, 20.0, 20.1]), []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(body_module, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(body_module.asyncio, "sleep", sleep)
    bodies = LargeBodies()
    for _ in range(2):
        async with bodies.turn(LARGE_BODY + 1):
            pass
    assert slept == [0.0, 1.0]


async def test_a_fault_in_a_body_lets_the_next_one_in():
    bodies = LargeBodies()
    for _ in range(2):
        try:
            async with bodies.turn(LARGE_BODY + 1):
                raise ValueError
        except ValueError:
            continue

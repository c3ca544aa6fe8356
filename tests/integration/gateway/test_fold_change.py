"""A release that changes the folds, deployed, rebuilt and promoted in any order: it can always be promoted, and reads go on."""

import asyncio
import random
import re
import shlex
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from projections.tables.registry import FOLD_VERSION
from tests.integration.gateway.conftest import ORDER, Stack
from tests.support.releases import NEW_COLUMN, Release, changed_release, counting_units
from tests.support.service_process import CHECKOUT, ServiceProcess, eventually

STEPS = ("gateway", "projections", "rebuild", "promote")
ORDERS = (
    # What is done first by someone who reads no page: `up` with the new code over the old data.
    ("projections", "gateway", "rebuild", "promote"),
    # The rows are switched under a release that is still to go.
    ("rebuild", "promote", "gateway", "projections"),
)
_STEP = re.compile(r"`\./orders ([^`]+)`")


class Shop:
    """Clients at one address: some order, others read, whatever release answers them."""

    def __init__(self, url: str, rate: float) -> None:
        self.url, self._pause_s = url, 1 / rate
        self.accepted = 0
        self.away_s = 0.0
        self.away: list[str] = []
        self.lags: list[float] = []

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(self._order()), asyncio.create_task(self._read())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _order(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as client:
            while True:
                await asyncio.sleep(self._pause_s)
                try:
                    self.accepted += (await client.post("/orders", json=ORDER)).status_code == 202
                except httpx.HTTPError:
                    continue  # the gateway is being replaced

    async def _read(self) -> None:
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as client:
            before = time.monotonic()
            while True:
                try:
                    answer = await client.get("/sales")
                    good, what = answer.status_code == 200, answer.text[:300]
                except httpx.HTTPError as error:
                    good, what = False, type(error).__name__
                now = time.monotonic()
                if good:
                    self.lags.append(float(answer.headers["orders-lag"]))
                else:
                    self.away_s += now - before
                    self.away.append(what)
                before = now
                await asyncio.sleep(0.05)


class Deployment:
    """The services of a release, and the next one that takes over step by step."""

    def __init__(self, stack: Stack, old: Release) -> None:
        self._stack, self._old = stack, old
        self.gateway, self.projections = old.service("gateway"), old.service("projections")
        self.said: list[str] = []

    async def start(self) -> None:
        for process in (self.projections, self.gateway):
            await process.start().until("running", 60)

    async def step(self, name: str, new: Release) -> None:
        if name == "gateway":
            self.gateway.stop()
            self.gateway = await self._started(new.service("gateway"))
        elif name == "projections":
            self.projections.stop()
            self.projections = await self._started(new.service("projections"))
        else:
            await self.command(new, ["projections", name, *(["--accept-differences"] if name == "promote" else [])])

    async def _started(self, process: ServiceProcess) -> ServiceProcess:
        process.start()

        async def looked() -> bool:
            return (await process.health())["state"] != "starting"

        await eventually(looked, 60, lambda: process.log.read_text()[-2000:])
        return process

    async def command(self, release: Release, arguments: Sequence[str]) -> int:
        done = await asyncio.to_thread(release.run, *arguments)
        self.said.append(f"{' '.join(arguments)}: {done.returncode} {done.stdout[-600:]}{done.stderr[-600:]}")
        return done.returncode

    async def follow_what_it_says(self, new: Release) -> None:
        """Type the commands that the waiting projections name, as an operator would, until they work."""
        for _ in range(4):
            health = await self.projections.health()
            if health["state"] == "running":
                return
            named = _STEP.findall(health["detail"] or "")
            if named:
                await self.command(new, shlex.split(named[-1]))
            await asyncio.sleep(2.5)
        raise AssertionError(f"the projections still say {await self.projections.health()}\n" + "\n".join(self.said))

    def end(self) -> None:
        for process in (self.gateway, self.projections):
            process.end()


def _releases(stack: Stack, folder: Path, rounds: int) -> list[Release]:
    copies = [changed_release(folder / f"release-{n}", counting_units(n + 1), newer=n) for n in range(1, rounds + 1)]
    return [Release(path, stack.environment, folder) for path in (CHECKOUT, *copies)]


async def _change_folds(stack: Stack, folder: Path, orders: Sequence[Sequence[str]], rate: float) -> list[dict[str, Any]]:
    """One round for each order of steps, each from the release before to the next one. What each round showed."""
    releases = _releases(stack, folder, len(orders))
    aggregate = releases[0].service("order_aggregate").start()
    deployment, shop, shown = Deployment(stack, releases[0]), Shop(stack.url, rate), []
    try:
        await deployment.start()
        await aggregate.until("running", 60)
        async with shop.open():
            await asyncio.sleep(1)
            for number, (steps, new) in enumerate(zip(orders, releases[1:], strict=True), start=1):
                shop.away_s, shop.away, shop.lags, began = 0.0, [], [], time.monotonic()
                for step in steps:
                    await deployment.step(step, new)
                    await asyncio.sleep(0.5)
                await deployment.follow_what_it_says(new)
                lasted = time.monotonic() - began
                shown.append({"steps": steps, "away_s": shop.away_s, "away": shop.away, "lag": max(shop.lags), "lasted": lasted})
                await _holds_all(stack.url, new, shop, times=number + 1, said=deployment.said)
    finally:
        deployment.end()
        aggregate.end()
    return shown


async def _holds_all(url: str, new: Release, shop: Shop, *, times: int, said: Sequence[str]) -> None:
    """The new rows are read, they hold everything that was accepted, and they are as the log says."""
    async with httpx.AsyncClient(base_url=url, timeout=10) as client:
        accepted, seen = shop.accepted, ""

        async def complete() -> bool:
            nonlocal seen
            answer = await client.get("/sales")
            seen = f"{accepted} accepted: {answer.text}"
            if answer.status_code != 200:
                return False
            days = answer.json()["items"]
            orders, units = sum(day["orders"] for day in days), sum(day["units"] for day in days)
            return bool(orders >= accepted and units == times * 2 * orders)

        await eventually(complete, 60, lambda: f"{seen}\n" + "\n".join(said))
    verified = await asyncio.to_thread(new.run, "projections", "verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


async def test_any_order_of_steps_ends_in_the_new_rows_and_reads_go_on(stack, tmp_path):
    shown = await _change_folds(stack, tmp_path, ORDERS, rate=20)

    for one in shown:
        # The gateway's own restart is all that clients may notice.
        assert not [said for said in one["away"] if "rebuilding" in said], one
    assert shown[0]["lag"] > 2, "the old rows stood still, and the answers did not say so"


@pytest.mark.slow
@pytest.mark.timeout(1_500)
async def test_ten_random_orders_of_steps_under_50_orders_a_second(stack, tmp_path):
    seed = random.randrange(10**6)
    chance = random.Random(seed)
    shown = await _change_folds(stack, tmp_path, [chance.sample(STEPS, len(STEPS)) for _ in range(10)], rate=50)

    for one in shown:
        print(
            f"{one['steps']}: {one['lasted']:.0f} s, reads away {one['away_s']:.1f} s, lag at most {one['lag']:.1f} s, {set(one['away'])}"
        )
    assert max(one["away_s"] for one in shown) <= 5, (seed, shown)


async def test_rows_that_lack_a_column_are_refused_with_the_missing_step_and_all_others_are_read(stack, tmp_path):
    release = Release(changed_release(tmp_path / "next", *NEW_COLUMN, newer=100), stack.environment, tmp_path)
    gateway = release.service("gateway").start()
    try:
        await gateway.until("running", 60)
        async with httpx.AsyncClient(base_url=stack.url, timeout=10) as client:
            assert (await client.get("/sales")).status_code == 200
            refused = await client.get("/customers/ada")
            assert (refused.status_code, refused.json()["code"]) == (503, "rebuilding")
            assert f"this release folds version {FOLD_VERSION + 100}" in refused.json()["detail"]
            assert "`./orders projections rebuild --promote --accept-differences`" in refused.json()["detail"]
    finally:
        gateway.end()

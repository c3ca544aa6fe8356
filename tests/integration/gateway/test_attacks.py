"""The security review's programs against the real gateway: refused, at hardly any memory, and everyone else is served."""

import asyncio
import re
from urllib.parse import urlsplit

import psutil
import pytest

from tests.integration.gateway.conftest import ORDER
from tests.support.attacks import CUT_OFF, QUICK, slow_heads

MOST_MIB = 20
REFUSED = re.compile(r"HTTP/1\.1 (400|408|413|414|422|431) ")


def _mib(pid: int) -> float:
    return float(psutil.Process(pid).memory_info().rss) / 2**20


@pytest.mark.parametrize("attack", [*QUICK, slow_heads], ids=lambda attack: attack.__name__)
async def test_it_is_refused_and_everyone_else_is_served(stack, gateway, client, attack):
    pid, port = gateway.process.pid, int(urlsplit(stack.url).port)
    before, most = _mib(pid), 0.0
    attacking = asyncio.gather(*(asyncio.to_thread(attack, port) for _ in range(2)))
    while not attacking.done():
        assert (await client.post("/orders", json=ORDER)).status_code == 202
        assert (await client.get("/health/live")).status_code == 200
        most = max(most, _mib(pid))
        await asyncio.wait([attacking], timeout=0.05)

    said = [one for answers in attacking.result() for one in answers]
    # A client that goes on sending may be cut off before it listens.
    assert all(one == CUT_OFF or REFUSED.match(one) for one in said), set(said)
    assert most - before < MOST_MIB
    assert gateway.process.poll() is None

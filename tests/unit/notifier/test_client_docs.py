"""The program in docs/feed-clients.md does what the page says of it."""

import asyncio
import os
import re
import sys
from pathlib import Path

from tests.support.house import ROOT
from tests.support.records import created, shipped
from tests.unit.notifier.memory_feed import MemoryFeed


async def _lines(program: Path, folder: Path, count: int) -> list[str]:
    """Run it until it has said so many lines, then kill it."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), cwd=folder, env=environment, stdout=-1)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            return [(await process.stdout.readline()).decode().strip() for _ in range(count)]
    finally:
        process.kill()
        await process.wait()


async def test_killed_and_started_again_it_goes_on_behind_the_last_order(memory_feed: MemoryFeed, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "feed-clients.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    program = tmp_path / "follow.py"
    program.write_text(text.replace("ws://127.0.0.1:8001/feed", f"ws://127.0.0.1:{memory_feed.port}/feed"))
    orders = [created() for _ in range(4)]
    memory_feed.log.show(0, orders[0], shipped(orders[0].order_id), orders[1])

    said = await _lines(program, tmp_path, 2)
    memory_feed.log.show(0, orders[2], orders[3])
    said += await _lines(program, tmp_path, 2)

    assert said == [f"order {order.order_id}: 9.00" for order in orders]

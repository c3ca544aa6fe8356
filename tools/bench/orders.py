"""The orders that the bench places: always the same ones."""

import random
from collections.abc import Iterator
from typing import Any

CUSTOMERS = 2_000
_CURRENCIES = ("EUR", "EUR", "USD")


def order_bodies(count: int, *, seed: int = 7) -> Iterator[dict[str, Any]]:
    """Bodies of `POST /orders`, of one to three lines each."""
    chance = random.Random(seed)  # noqa: S311 - the same orders each time
    for number in range(count):
        lines = [
            {
                "sku": f"sku-{chance.randrange(2_000)}",
                "quantity": chance.randrange(1, 9),
                "unit_price": f"{chance.randrange(1, 500)}.{chance.randrange(100):02}",
            }
            for _ in range(1 + number % 3)
        ]
        yield {"customer_id": f"bench-{chance.randrange(CUSTOMERS)}", "currency": chance.choice(_CURRENCIES), "lines": lines}

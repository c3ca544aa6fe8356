"""What the kit's client wants, a seeded stream of commands, and its history: what it sent, and what it was answered. No I/O of its own."""

import json
import random
import uuid
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TextIO

Kind = Literal["create", "ship", "cancel"]
MARKED_BY: dict[Kind, str] = {"create": "reference", "ship": "tracking_number", "cancel": "reason"}
"""The field of each command's content that carries the intent's marker."""

_REMEMBERED = 400
_CUSTOMERS = 30
_UNITS = (("EUR", 2), ("USD", 2), ("JPY", 0), ("CHF", 4))
_NEWEST = datetime(2025, 6, 1, tzinfo=UTC)
Ending = Literal["pending", "accepted", "rejected"]


@dataclass(frozen=True, slots=True)
class Intent:
    """One request, as often as it is sent. `marker` stands in its content, so that it is found again in the topic."""

    marker: str
    kind: Kind
    path: str
    body: dict[str, Any]
    key: str | None = None
    if_match: str | None = None
    wait_s: int | None = None

    @property
    def scope(self) -> tuple[str, ...] | None:
        """What an Idempotency-Key is unique in: the caller (there is one) and, for ship and cancel, the order."""
        if self.key is None:
            return None
        return (self.key,) if self.kind == "create" else (self.key, self.path.split("/")[2])


class Workload:
    """An endless stream. The seed fixes every draw; which orders are known depends on the answers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(f"intents {seed}")  # noqa: S311 reproducible on purpose
        self._run = f"{seed:x}"
        self._count = 0
        self._orders: deque[str] = deque(maxlen=_REMEMBERED)
        self._keyed: deque[Intent] = deque(maxlen=_REMEMBERED)

    def learned(self, order_id: str) -> None:
        """An order of this client's that later intents may be about."""
        self._orders.append(order_id)

    def next(self) -> Intent:
        """The next request that the client wants."""
        draw = self._random.random()
        if draw < 0.12 and self._keyed:
            return self._random.choice(self._keyed)
        if draw < 0.18 and self._keyed:
            return self._contradicted(self._random.choice(self._keyed))
        intent = self._change() if draw < 0.50 and self._orders else self._create()
        if self._random.random() < 0.85:
            intent = replace(intent, key=f"key-{intent.marker}")
            self._keyed.append(intent)
        return intent if self._random.random() < 0.95 else replace(intent, wait_s=2)

    def _marker(self) -> str:
        self._count += 1
        return f"{self._run}-{self._count}"

    def _create(self) -> Intent:
        marker = self._marker()
        return Intent(marker, "create", "/orders", self._order(marker))

    def _order(self, marker: str) -> dict[str, Any]:
        currency, decimals = self._random.choice(_UNITS)
        lines = [
            {
                "sku": f"sku-{self._random.randrange(50)}",
                "quantity": self._random.randint(1, 9),
                "unit_price": f"{self._random.randrange(100_000) / 10**decimals:.{decimals}f}",
            }
            for _ in range(self._random.randint(1, 3))
        ]
        body = {"customer_id": f"customer-{self._random.randrange(_CUSTOMERS)}", "currency": currency, "lines": lines, "reference": marker}
        if self._random.random() < 0.6:
            body["ordered_at"] = (_NEWEST - timedelta(hours=self._random.randrange(240))).isoformat()
        return body

    def _change(self) -> Intent:
        # Take the newest orders most often: their creation may not even be decided.
        known = list(self._orders)
        order_id = known[-1 - min(int(self._random.expovariate(0.1)), len(known) - 1)]
        if self._random.random() < 0.05:
            order_id = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
        intent = self._of("ship" if self._random.random() < 0.6 else "cancel", order_id)
        if self._random.random() < 0.3:
            intent = replace(intent, if_match=f'"{self._random.choice((1, 1, 1, 2))}"')
        return intent

    def _of(self, kind: Kind, order_id: str) -> Intent:
        marker = self._marker()
        return Intent(marker, kind, f"/orders/{order_id}/{kind}", {MARKED_BY[kind]: marker})

    def _contradicted(self, earlier: Intent) -> Intent:
        """Another request under the same key."""
        if earlier.kind == "create":
            marker = self._marker()
            return replace(earlier, marker=marker, body=self._order(marker))
        other = self._of(self._random.choice(("ship", "cancel")), earlier.path.split("/")[2])
        return replace(other, key=earlier.key)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request. Times in seconds since 1970; `said` is the answer's status, or why there was no answer."""

    gateway: str
    sent_at: float
    answered_at: float
    said: str


@dataclass(slots=True)
class Sent:
    """An intent that was sent, until it was answered or given up.

    `key`: the key that was used last, which the gateway may have given. `ending`: what the answer said of the command, None
    without an answer. `refused`: an answer that no valid request should get.
    """

    intent: Intent
    key: str | None
    attempts: list[Attempt] = field(default_factory=list)
    command_id: str | None = None
    order_id: str | None = None
    ending: Ending | None = None
    code: str | None = None
    version: int | None = None
    refused: str | None = None


class History:
    """Everything that the client sent, in the order of sending; each line is written down when it is over."""

    def __init__(self, journal: TextIO | None = None) -> None:
        self.sent: list[Sent] = []
        self._journal = journal

    def begin(self, intent: Intent) -> Sent:
        """Note that a request is about to be sent."""
        sent = Sent(intent, intent.key)
        self.sent.append(sent)
        return sent

    def over(self, sent: Sent) -> None:
        """Note that a request was answered or given up."""
        if self._journal is not None:
            self._journal.write(json.dumps(_line(sent)) + "\n")

    @property
    def answered(self) -> int:
        """Requests that were answered for good."""
        return sum(sent.ending is not None for sent in self.sent)

    def newest_order(self) -> str | None:
        """The order whose creation was answered last, None while there is none."""
        return next((sent.order_id for sent in reversed(self.sent) if sent.intent.kind == "create" and sent.order_id), None)

    @property
    def retries(self) -> int:
        """Attempts after the first."""
        return sum(max(0, len(sent.attempts) - 1) for sent in self.sent)

    @property
    def unanswered(self) -> int:
        """Requests that were never answered: the client had no key, or its patience ended."""
        return sum(sent.ending is None and sent.refused is None for sent in self.sent)


def _line(sent: Sent) -> dict[str, Any]:
    intent = sent.intent
    return {
        "marker": intent.marker,
        "path": intent.path,
        "key": sent.key,
        "if_match": intent.if_match,
        "command_id": sent.command_id,
        "order_id": sent.order_id,
        "ending": sent.ending,
        "code": sent.code,
        "refused": sent.refused,
        "attempts": [(a.gateway, round(a.sent_at, 3), round(a.answered_at, 3), a.said) for a in sent.attempts],
    }

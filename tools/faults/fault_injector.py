"""Plans faults and carries them out: one process at a time is killed, frozen or stopped, and a freeze is undone.

The schedule is a deck of faults, shuffled by the seed and dealt out again and again.
"""

import asyncio
import logging
import random
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import psutil
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from event_schemas.topics import COMMANDS, EVENTS
from order_service.stack.process_identity import ProcessIdentity
from tools.faults.kit_stack import BROKERS, WORKERS, KitStack, Living

Action = Literal["kill", "freeze", "stop", "scale"]
"""kill: SIGKILL. freeze: SIGSTOP beyond the session timeout, then SIGCONT. stop: SIGTERM. scale: to one worker less or more, then back."""
Target = Literal["gateway", "order_aggregate", "projections", "notifier", "kafka", "postgres", "workers"]
"""workers: those of the aggregate and of the projections together, as `./orders up --workers N` counts them."""

Card = tuple[Action, Target]

_COPIES: dict[Card, int] = {
    ("kill", "gateway"): 3,
    ("kill", "order_aggregate"): 4,
    ("kill", "projections"): 3,
    ("kill", "notifier"): 2,
    ("freeze", "order_aggregate"): 1,
    ("freeze", "projections"): 1,
    ("stop", "order_aggregate"): 1,
    ("stop", "projections"): 1,
    ("scale", "workers"): 1,
    ("kill", "kafka"): 1,
    ("kill", "postgres"): 1,
}
DECK = [card for card, copies in _COPIES.items() for _ in range(copies)]
"""The whole deck is dealt before it is shuffled again, so that a short run meets every kind too."""

_LASTS_S: dict[Action, tuple[float, float]] = {"freeze": (8.0, 10.0), "scale": (4.0, 6.0)}
_BROKERS_WHOLE_S = 40.0
"""How long a broker's death is put off until all three are in sync again."""
_SIGNALS = {"kill": signal.SIGKILL, "freeze": signal.SIGSTOP, "stop": signal.SIGTERM}
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Fault:
    """`at_s` after the load began. `lot` in [0, 1): which of the target's processes; of a scaling, below a half one
    worker less, else one more. `lasts_s`: of a freeze or a scaling, until it is taken back.
    """

    at_s: float
    action: Action
    target: Target
    lot: float
    lasts_s: float = 0.0


def cards(only: Sequence[str]) -> list[Card]:
    """The cards of the deck that one of these names: an action, a target, or ACTION:TARGET; all for none. Raises ValueError."""
    for name in only:
        if not any(_is_named(card, name) for card in DECK):
            raise ValueError(f"there is no fault {name!r}: name an action, a target, or both as in freeze:order_aggregate")
    return [card for card in DECK if not only or any(_is_named(card, name) for name in only)]


def _is_named(card: Card, name: str) -> bool:
    return name in {*card, ":".join(card)}


def schedule(seed: int, *, seconds: float, every_s: float, deck: Sequence[Card] = DECK) -> Iterator[Fault]:
    """The faults of a run, about one `every_s` seconds; the last one early enough to be felt under load."""
    draws = random.Random(f"faults {seed}")  # noqa: S311 reproducible on purpose
    at_s, hand = every_s, list[Card]()
    while at_s < seconds - 2.0:
        if not hand:
            hand = draws.sample(deck, len(deck))
        action, target = hand.pop()
        lasts_s = draws.uniform(*_LASTS_S[action]) if action in _LASTS_S else 0.0
        yield Fault(at_s, action, target, draws.random(), lasts_s)
        at_s += every_s * draws.uniform(0.6, 1.4)


@dataclass(frozen=True, slots=True)
class Done:
    """A fault that was carried out, or why it was not. Times in seconds since 1970; `until`: the end of a freeze or a scaling."""

    fault: Fault
    at: float
    until: float
    process: str
    why_not: str | None = None


class FaultInjector:
    """Carries out a schedule against a stack."""

    def __init__(self, stack: KitStack) -> None:
        self.done: list[Done] = []
        self._stack = stack
        self._frozen: set[ProcessIdentity] = set()
        self._one_broker = asyncio.Lock()
        self._one_scaling = asyncio.Lock()

    async def run(self, faults: Iterable[Fault]) -> None:
        """Carry out the faults, each at its time; a freeze or a broker that is waited for holds up nothing else."""
        begin = time.monotonic()
        async with asyncio.TaskGroup() as tasks:
            for fault in faults:
                await asyncio.sleep(max(0.0, begin + fault.at_s - time.monotonic()))
                tasks.create_task(self._carry_out(fault))

    def thaw(self) -> None:
        """Wake everything that is frozen."""
        for identity in list(self._frozen):
            self._go_on(identity)

    async def _carry_out(self, fault: Fault) -> None:
        match fault.target:
            case "kafka":
                await self._broker(fault)
            case "workers":
                await self._workers(fault)
            case _:
                await self._process(fault)

    async def _workers(self, fault: Fault) -> None:
        """Let one worker of each kind leave or join by a clean stop or start, and undo that a while later."""
        async with self._one_scaling:
            fewer = fault.lot < 0.5
            self._stack.scale(WORKERS - 1 if fewer else WORKERS + 1)
            # The fault has the name of the aggregate's worker that comes or goes: its partitions move.
            self._note(fault, f"order_aggregate-{WORKERS if fewer else WORKERS + 1}")
            try:
                await asyncio.sleep(fault.lasts_s)
            finally:
                self._stack.scale(WORKERS)

    async def _process(self, fault: Fault) -> None:
        there = [living for living in self._stack.living(fault.target) if living.identity not in self._frozen]
        if not there:
            self._note(fault, "-", why_not="no process of it runs")
            return
        chosen = there[int(fault.lot * len(there))]
        if not _signalled(chosen, _SIGNALS[fault.action]):
            self._note(fault, chosen.name, why_not="it ended just before")
            return
        self._note(fault, chosen.name)
        if fault.action == "freeze":
            self._frozen.add(chosen.identity)
            try:
                await asyncio.sleep(fault.lasts_s)
            finally:
                self._go_on(chosen.identity)

    async def _broker(self, fault: Fault) -> None:
        """Hurt one broker, never two at once: the next one only when all are in sync again."""
        async with self._one_broker:
            deadline = time.monotonic() + _BROKERS_WHOLE_S
            while not await self._brokers_are_whole():
                if time.monotonic() > deadline:
                    self._note(fault, "-", why_not=f"the brokers were not in sync for {_BROKERS_WHOLE_S:.0f} s")
                    return
                await asyncio.sleep(0.5)
            await self._process(fault)
            await asyncio.sleep(2.0)  # until the other brokers have noticed

    async def _brokers_are_whole(self) -> bool:
        living = self._stack.living("kafka")
        return len(living) == BROKERS and all(broker.state == "running" for broker in living) and await in_sync(self._stack.kafka)

    def _note(self, fault: Fault, process: str, why_not: str | None = None) -> None:
        now = time.time()
        self.done.append(Done(fault, now, now + fault.lasts_s, process, why_not))
        _log.info("%s %s: %s", fault.action, process if why_not is None else fault.target, why_not or "done")

    def _go_on(self, identity: ProcessIdentity) -> None:
        self._frozen.discard(identity)
        process = identity.find()
        if process is not None:
            process.send_signal(signal.SIGCONT)


def _signalled(living: Living, number: signal.Signals) -> bool:
    process = living.identity.find()
    if process is None:
        return False
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return False
    return True


async def in_sync(servers: str) -> bool:
    """Whether every partition of the commands and the log has all its replicas."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers, client_id="faults", request_timeout_ms=5_000)
    try:
        async with asyncio.timeout(8.0):
            await admin.start()
            topics = await admin.describe_topics([COMMANDS, EVENTS])
    except (KafkaError, OSError, TimeoutError):
        return False
    finally:
        await admin.close()
    return all(len(partition["isr"]) == len(partition["replicas"]) == BROKERS for topic in topics for partition in topic["partitions"])

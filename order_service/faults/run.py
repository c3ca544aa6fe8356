"""One run of the kit, from the stack's start to the findings."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

from order_service.faults.client import Client
from order_service.faults.evidence import Evidence
from order_service.faults.findings import Findings
from order_service.faults.hand import Done, Hand
from order_service.faults.history import History
from order_service.faults.home import KitHome
from order_service.faults.judge import judge_run
from order_service.faults.kit_stack import PARTITIONS, WORKERS, KitStack
from order_service.faults.raw_tables import Sampler
from order_service.faults.schedule import schedule
from order_service.faults.standstill import Assignment, Blame, Standstill, assignments, longest_standstills
from order_service.faults.watcher import Watcher
from order_service.faults.writer import Writer

_HEAL_S = 240.0
_ANSWERS_S = 120.0
"""How long after the last fault every command may take to be answered."""
_SAMPLE_EVERY_S = 2.0
_WRITE_EVERY_S = 4.0
_TELL_EVERY_S = 10.0


@dataclass(frozen=True)
class Plan:
    """What to do. `rate`: commands a second. `every_s`: between two faults, about."""

    seconds: float
    seed: int
    rate: float
    every_s: float


@dataclass
class Outcome:
    """Everything that a run knows at its end."""

    plan: Plan
    history: History
    done: list[Done]
    evidence: Evidence
    findings: Findings
    watchers: list[Watcher]
    samples: int
    by_hand: int
    restarts: dict[str, int]
    seconds: float
    standstills: dict[Blame, Standstill] = field(default_factory=dict)
    unfinished: str | None = None


async def run_kit(plan: Plan, home: KitHome, stack: KitStack, tell: Callable[[str], None]) -> Outcome:
    """Start, load, hurt, heal, judge. The caller ends the stack. Raises StackDidNotStart, TopicUnreadable, psycopg.Error."""
    begin = time.monotonic()
    await stack.start()
    tell(f"the stack is ready after {time.monotonic() - begin:.0f} s")
    with (home.folder / "history.ndjson").open("w", encoding="utf-8") as journal:
        history = History(journal)
        client = Client(stack.gateways, seed=plan.seed, rate=plan.rate, history=history)
        hand = Hand(stack)
        writer = Writer(stack.kafka, seed=plan.seed, partitions=PARTITIONS, every_s=_WRITE_EVERY_S)
        sampler = Sampler(stack.postgres, every_s=_SAMPLE_EVERY_S)
        watchers = _watchers(plan, stack)
        evidence = Evidence.of(stack.kafka, PARTITIONS)
        async with _background(plan, stack, sampler, watchers, history) as latecomers:
            await _under_fire(plan, client, hand, writer, tell)
            tell(f"{len(history.sent):,} commands sent, {history.given_up} not answered; healing")
            healed = await stack.ready(_HEAL_S)
            await evidence.gather(stack.postgres, [*watchers, *latecomers], tell)
    watchers += latecomers
    findings = judge_run(evidence, history.sent, watchers, sampler.samples, writer.written)
    outcome = Outcome(
        plan=plan,
        history=history,
        done=hand.done,
        evidence=evidence,
        findings=findings,
        watchers=watchers,
        samples=len(sampler.samples),
        by_hand=len(writer.written),
        restarts=_restarts(stack),
        seconds=time.monotonic() - begin,
        unfinished=evidence.unfinished or (None if healed else f"the stack did not heal within {_HEAL_S:.0f} s"),
    )
    outcome.standstills = longest_standstills(evidence.read.commands, evidence.counting, _owners(home), hand.done)
    return outcome


async def _under_fire(plan: Plan, client: Client, hand: Hand, writer: Writer, tell: Callable[[str], None]) -> None:
    """The load and the faults, both over at the end, and nothing left frozen."""
    teller = asyncio.create_task(_tell_now_and_then(client.history, hand, tell))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.run(plan.seconds, patience_s=_ANSWERS_S))
            tasks.create_task(hand.run(schedule(plan.seed, seconds=plan.seconds, every_s=plan.every_s)))
            tasks.create_task(writer.run(plan.seconds))
    finally:
        teller.cancel()
        hand.thaw()


async def _tell_now_and_then(history: History, hand: Hand, tell: Callable[[str], None]) -> None:
    begin = time.monotonic()
    while True:
        await asyncio.sleep(_TELL_EVERY_S)
        done = sum(one.why_not is None for one in hand.done)
        tell(f"{time.monotonic() - begin:.0f} s: {len(history.sent):,} commands, {history.answered:,} answered, {done} faults")


def _watchers(plan: Plan, stack: KitStack) -> list[Watcher]:
    def watcher(name: str, start: str = "earliest", restless_s: float | None = None, **wanted: str) -> Watcher:
        return Watcher(name, stack.feeds, seed=plan.seed, wanted=wanted, start=start, restless_s=restless_s)

    return [
        watcher("watcher of everything"),
        watcher("watcher of everything from now on", start="latest"),
        watcher("restless watcher of everything", restless_s=7.0),
        watcher("restless watcher of a customer", restless_s=11.0, customer_id="customer-3"),
    ]


async def _come_late(plan: Plan, stack: KitStack, history: History, latecomers: list[Watcher], group: asyncio.TaskGroup) -> None:
    """Watchers who begin in the middle: of an order that is being worked on, and of everything from the beginning."""
    await asyncio.sleep(plan.seconds * 0.3)
    order_id = next((sent.order_id for sent in reversed(history.sent) if sent.intent.kind == "create" and sent.order_id), None)
    if order_id is not None:
        wanted = {"order_id": order_id}
        _join(
            Watcher("watcher of an order", stack.feeds, seed=plan.seed, wanted=wanted, start="earliest", restless_s=5.0), latecomers, group
        )
    await asyncio.sleep(plan.seconds * 0.4)
    _join(Watcher("late watcher of everything", stack.feeds, seed=plan.seed, wanted={}, start="earliest"), latecomers, group)


def _join(watcher: Watcher, latecomers: list[Watcher], group: asyncio.TaskGroup) -> None:
    latecomers.append(watcher)
    group.create_task(watcher.run())


@contextlib.asynccontextmanager
async def _background(
    plan: Plan, stack: KitStack, sampler: Sampler, watchers: list[Watcher], history: History
) -> AsyncIterator[list[Watcher]]:
    """Guests, watchers and samples, until the block is left; yields the watchers who come late."""
    latecomers: list[Watcher] = []
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(stack.keep_guests()), group.create_task(sampler.run())]
        tasks += [group.create_task(watcher.run()) for watcher in watchers]
        tasks.append(group.create_task(_come_late(plan, stack, history, latecomers, group)))
        try:
            yield latecomers
        finally:
            stop.set()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()


def _restarts(stack: KitStack) -> dict[str, int]:
    counts: dict[str, int] = {}
    for process in stack.record.processes:
        counts[process.service] = counts.get(process.service, 0) + process.restarts
    return counts | {"guests": stack.guest_restarts}


def _owners(home: KitHome) -> list[Assignment]:
    found: list[Assignment] = []
    for number in range(1, WORKERS + 1):
        worker = "order_aggregate" if number == 1 else f"order_aggregate-{number}"
        for log in (home.stack.logs / f"{worker}.log.1", home.stack.logs / f"{worker}.log"):
            if log.exists():
                found += assignments(worker, log.read_text(encoding="utf-8", errors="replace"))
    return found

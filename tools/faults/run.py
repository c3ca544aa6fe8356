"""One run of the kit, from the stack's start to the findings."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from tools.faults.checks.findings import Findings
from tools.faults.checks.raw_tables import Sampler
from tools.faults.evidence import Evidence, judge_run
from tools.faults.fault_injector import Card, Done, FaultInjector, schedule
from tools.faults.kit_stack import PARTITIONS, WORKERS, KitHome, KitStack
from tools.faults.load.client import Client
from tools.faults.load.feed_watcher import FeedWatcher, audience
from tools.faults.load.noise_writer import NoiseWriter
from tools.faults.load.workload import History
from tools.faults.standstill import Assignment, Blame, Standstill, assignments, longest_standstills

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
    deck: Sequence[Card]


@dataclass
class Outcome:
    """The results of a run."""

    plan: Plan
    history: History
    done: list[Done]
    evidence: Evidence
    findings: Findings
    watchers: list[FeedWatcher]
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
    stack.tend_guests()
    await stack.ailing(_HEAL_S)
    tell(f"the stack is ready after {time.monotonic() - begin:.0f} s")
    with (home.folder / "history.ndjson").open("w", encoding="utf-8") as journal:
        history = History(journal)
        client = Client(stack.gateways, seed=plan.seed, rate=plan.rate, history=history)
        injector = FaultInjector(stack)
        noise_writer = NoiseWriter(stack.kafka, seed=plan.seed, partitions=PARTITIONS, every_s=_WRITE_EVERY_S)
        sampler = Sampler(stack.postgres, every_s=_SAMPLE_EVERY_S)
        watchers = audience(stack.feeds, seed=plan.seed, seconds=plan.seconds, an_order=history.newest_order)
        evidence = Evidence.of(stack.kafka, PARTITIONS)
        async with _background(stack.keep_guests(), sampler.run(), *(watcher.run() for watcher in watchers)):
            await _under_fire(plan, client, injector, noise_writer, tell)
            tell(f"{len(history.sent):,} commands sent, {history.unanswered} not answered; healing")
            ailing = await stack.ailing(_HEAL_S)
            await evidence.gather(stack.postgres, watchers, tell)
    findings = judge_run(evidence, history.sent, watchers, sampler.samples, noise_writer.written)
    findings.expect("heals", not ailing, f"not running {_HEAL_S:.0f} s after the last fault: {'; '.join(ailing)}")
    outcome = Outcome(
        plan=plan,
        history=history,
        done=injector.done,
        evidence=evidence,
        findings=findings,
        watchers=watchers,
        samples=len(sampler.samples),
        by_hand=len(noise_writer.written),
        restarts=_restarts(stack),
        seconds=time.monotonic() - begin,
        unfinished=evidence.unfinished,
    )
    outcome.standstills = longest_standstills(evidence.read.commands, evidence.counting, _owners(home), injector.done)
    return outcome


async def _under_fire(plan: Plan, client: Client, injector: FaultInjector, noise_writer: NoiseWriter, tell: Callable[[str], None]) -> None:
    """Run the load and the faults to their end, and leave nothing frozen."""
    teller = asyncio.create_task(_tell_now_and_then(client.history, injector, tell))
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(client.run(plan.seconds, patience_s=_ANSWERS_S))
            tasks.create_task(injector.run(schedule(plan.seed, seconds=plan.seconds, every_s=plan.every_s, deck=plan.deck)))
            tasks.create_task(noise_writer.run(plan.seconds))
    finally:
        teller.cancel()
        injector.thaw()


async def _tell_now_and_then(history: History, injector: FaultInjector, tell: Callable[[str], None]) -> None:
    begin = time.monotonic()
    while True:
        await asyncio.sleep(_TELL_EVERY_S)
        done = sum(one.why_not is None for one in injector.done)
        tell(f"{time.monotonic() - begin:.0f} s: {len(history.sent):,} commands, {history.answered:,} answered, {done} faults")


@contextlib.asynccontextmanager
async def _background(*works: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run these until the block is left; then report if one of them failed meanwhile."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ended:
        if isinstance(end, Exception):
            raise end


def _restarts(stack: KitStack) -> dict[str, int]:
    counts: dict[str, int] = {}
    for process in stack.record.processes:
        counts[process.service] = counts.get(process.service, 0) + process.restarts
    return counts | {"guests": stack.guest_restarts}


def _owners(home: KitHome) -> list[Assignment]:
    found: list[Assignment] = []
    for number in range(1, WORKERS + 2):  # a scaling adds one
        worker = "order_aggregate" if number == 1 else f"order_aggregate-{number}"
        for log in (home.stack.logs / f"{worker}.log.1", home.stack.logs / f"{worker}.log"):
            if log.exists():
                found += assignments(worker, log.read_text(encoding="utf-8", errors="replace"))
    return found

"""A model of one partition: writers that lose it without knowing, late arrivals, stale ends, crashes, garbage, snapshots, rolling deploys.

The product's own fold, decider and gate are used; the broker and the processes are the model. The net behind `place`, a worker
that ends when its heartbeat is old, is off here: woken writers go on as if nothing had happened.
"""

from collections import Counter
from dataclasses import dataclass, field
from functools import cache
from unittest import mock
from uuid import UUID

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, precondition, rule, run_state_machine_as_test

from event_schemas.commands import Command
from event_schemas.events import Record
from event_schemas.recorded import RecordedMessage, classify
from order_aggregate import decider
from order_aggregate.order import CancelledOrder, CreatedOrder, ShippedOrder
from order_aggregate.partition_state import PartitionState
from tests.support.examples import examples
from tests.support.given import Envelope, cancel, create, ship

_ORDERS = [UUID(int=number) for number in (1, 2)]
_KINDS = {"create": create, "ship": ship, "cancel": cancel}


@dataclass(frozen=True)
class _LogRecord:
    """A Kafka record of the log."""

    offset: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...]
    partition: int = 0
    timestamp: int = 0


@cache
def _counted(record: _LogRecord) -> RecordedMessage | None:
    verdict = classify(record)
    return verdict if isinstance(verdict, RecordedMessage) else None


@dataclass(frozen=True)
class _Decided:
    record: Record
    command_offset: int


@dataclass
class _Writer:
    """A process that owns the partition, or believes so."""

    state: PartitionState
    next_command: int
    new_rules: bool
    alive: bool = True
    in_flight: list[tuple[int, list[_Decided]]] = field(default_factory=list)
    displaced: list[_Decided] = field(default_factory=list)


@dataclass(frozen=True)
class _Snapshot:
    """What a writer held while nothing of it was in flight; it may be any writer's, and old."""

    sections: tuple[bytes, ...]
    next_place: int
    next_command: int
    last_command: tuple[UUID, int] | None

    def loaded(self) -> PartitionState:
        state = PartitionState()
        state.unpack(self.sections)
        state.next_place, state.next_command, state.last_command = self.next_place, self.next_command, self.last_command
        return state


def _decide_by_new_rules(command, status, *, key_used=False):
    """The next release lets a shipped order be cancelled."""
    if isinstance(status, ShippedOrder) and command.type == "CancelOrder":
        status = CreatedOrder(status.version, status.customer_id, command.issued_at, "EUR", 1, "0")
    return _decide_by_old_rules(command, status, key_used=key_used)


_decide_by_old_rules = decider.decide


class OnePartition(RuleBasedStateMachine):
    """`counts` is the rule by which readers and writers tell records that count.

    `snapshots_wait`: for what is in flight. No snapshot is checked here: that it fits the log is the net behind.
    """

    snapshots_wait = True

    commands = Bundle("commands")

    def counts(self, record: _LogRecord) -> RecordedMessage | None:
        return _counted(record)

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Command] = []
        self.log: list[_LogRecord] = []
        self.writers: list[_Writer] = []
        self.snapshots: list[_Snapshot] = []
        self.take_over(new_rules=False, unseen=0, snapshot=None)

    # Clients

    @rule(target=commands, kind=st.sampled_from(sorted(_KINDS)), order=st.sampled_from(_ORDERS))
    def send(self, kind, order):
        self.sent.append(_KINDS[kind](envelope=Envelope(order_id=order)))
        return multiple(self.sent[-1])

    @rule(command=commands)
    def send_again(self, command):
        self.sent.append(command)

    # The owner and those who were

    @rule(new_rules=st.booleans(), unseen=st.sampled_from([0, 0, 1, 2]), snapshot=st.sampled_from([None, 0, -1, -2]))
    def take_over(self, new_rules, unseen, snapshot):
        """Another process folds the log and owns the partition; nobody tells the one before.

        `unseen`: the last records that the broker does not tell of yet. `snapshot`: the fold begins at one of those there are.
        """
        state = PartitionState()
        if snapshot is not None and self.snapshots:
            state = self.snapshots[snapshot % len(self.snapshots)].loaded()
        for record in self.log[state.next_place : len(self.log) - unseen]:
            counted = self.counts(record)
            if counted is None:
                state.pass_by(offset=record.offset, value=record.value)
            else:
                state.apply(counted.record, offset=record.offset, command_offset=counted.command_offset, value=record.value)
        self.writers.append(_Writer(state, state.next_command, new_rules))

    @rule(pick=st.integers(0, 3), count=st.integers(1, 4), split=st.booleans())
    def decide(self, pick, count, split):
        """A fetch is decided and sent in one or two batches. Any writer may do so, for a woken one does not know."""
        writer = self._alive(pick)
        if writer is None or writer.in_flight:
            return
        decided = []
        for offset in range(writer.next_command, min(writer.next_command + count, len(self.sent))):
            with mock.patch("order_aggregate.partition_state.decide", _decide_by_new_rules if writer.new_rules else _decide_by_old_rules):
                ending = writer.state.decide(self.sent[offset])
            writer.next_command = offset + 1
            if ending is not None:
                decided.append(_Decided(ending.record, offset))
        self._send(writer, decided, split=split)

    def _send(self, writer, decided, *, split=False):
        place = writer.state.next_place
        middle = len(decided) // 2 if split else 0
        for batch in (decided[:middle], decided[middle:]):
            if batch:
                writer.in_flight.append((place, batch))
                place += len(batch)

    @rule(pick=st.integers(0, 5))
    def deliver(self, pick):
        """A batch arrives at the broker: in time, late, or from a process that is dead."""
        sending = [writer for writer in self.writers if writer.in_flight]
        if not sending:
            return
        writer = sending[pick % len(sending)]
        place, batch = writer.in_flight.pop(0)
        base = len(self.log)
        for index, decided in enumerate(batch):
            headers = (("place", b"%d" % (place + index)), ("command_offset", b"%d" % decided.command_offset))
            key = str(decided.record.order_id).encode()
            self.log.append(_LogRecord(base + index, key, decided.record.encoded(), headers))
        if writer.alive:
            self._acknowledge(writer, place, base, batch)

    def _acknowledge(self, writer, place, base, batch):
        writer.state.next_place = base + len(batch)
        if base != place:
            if any(self.counts(record) for record in self.log[place:base]):
                writer.alive = False  # another owner is ahead
                return
            writer.displaced += batch
        if not writer.in_flight and writer.displaced:
            again, writer.displaced = writer.displaced, []
            self._send(writer, again)
        elif not writer.in_flight:
            writer.state.last_command = (batch[-1].record.command_id, batch[-1].command_offset)

    @rule(pick=st.integers(0, 3))
    def take_snapshot(self, pick):
        writer = self._alive(pick)
        if writer is None or (writer.in_flight and self.snapshots_wait):
            return
        state, last = writer.state, writer.state.last_command
        self.snapshots.append(_Snapshot(state.packed(), state.next_place, last[1] + 1 if last else 0, last))

    @rule(pick=st.integers(0, 3), late=st.booleans())
    def kill(self, pick, late):
        writer = self._alive(pick)
        if writer is not None:
            writer.alive = False
            if not late:
                writer.in_flight.clear()

    @rule()
    def write_garbage(self):
        self.log.append(_LogRecord(len(self.log), b"", b"garbage", ()))

    @precondition(lambda self: len(self.writers) > 6)
    @rule()
    def forget_the_oldest(self):
        self.writers.pop(0)

    def _alive(self, pick) -> _Writer | None:
        alive = [writer for writer in self.writers if writer.alive]
        return alive[pick % len(alive)] if alive else None

    # Readers

    def _judged(self) -> Counter[UUID]:
        """Invariants 1 to 3, record by record: what is wrong with any beginning of the log is wrong with all of it."""
        ended: Counter[UUID] = Counter()
        versions: Counter[UUID] = Counter()
        last_command = -1
        for record in self.log:
            counted = self.counts(record)
            if counted is None:
                continue
            ended[counted.record.command_id] += 1
            assert ended[counted.record.command_id] == 1, "a command ended twice"
            versions[counted.record.order_id] += counted.record.type != "CommandRejected"
            assert counted.record.version == versions[counted.record.order_id], "the versions have a gap, or forked"
            assert counted.command_offset > last_command, "records out of the order of their commands"
            last_command = counted.command_offset
        return ended

    def teardown(self):
        """Whatever happened: the next owner decides the rest, and every command has exactly one record."""
        self.take_over(new_rules=False, unseen=0, snapshot=-1)
        owner = self.writers[-1]
        for writer in self.writers[:-1]:
            writer.alive = False
        for _ in range(10 * (len(self.sent) + 10)):
            if not owner.alive:
                self.take_over(new_rules=False, unseen=0, snapshot=None)
                owner = self.writers[-1]
            if owner.next_command >= len(self.sent) and not any(writer.in_flight for writer in self.writers):
                break
            alive = [writer for writer in self.writers if writer.alive]
            self.decide(alive.index(owner), 3, split=False)
            self.deliver(len(self.log))
        assert self._judged().keys() == {command.id for command in self.sent}, "a command was lost"


class _CountingEverything(OnePartition):
    """The guard taken out: every readable envelope counts, wherever it stands."""

    def counts(self, record):
        place = (("place", b"%d" % record.offset), *(header for header in record.headers if header[0] != "place"))
        return super().counts(_LogRecord(record.offset, record.key, record.value, place))


class _CountingFirstOfAVersion(_CountingEverything):
    """A rule that looks right and is not: the first record of a version counts, wherever its writer meant it to stand."""

    def counts(self, record):
        judged = super().counts(record)
        before = [_CountingEverything.counts(self, earlier) for earlier in self.log[: record.offset]]
        if judged is None or judged.record.type == "CommandRejected":
            return judged
        seen = {(b.record.order_id, b.record.version) for b in before if b is not None and b.record.type != "CommandRejected"}
        return None if (judged.record.order_id, judged.record.version) in seen else judged


class _SnapshottingInFlight(OnePartition):
    """The guard taken out: a snapshot is written of what the log may never have."""

    snapshots_wait = False


def test_nothing_is_lost_doubled_or_reordered_under_the_rule_of_place():
    run_state_machine_as_test(OnePartition, settings=settings(max_examples=examples(150), stateful_step_count=40, deadline=None))


@pytest.mark.parametrize("broken", [_CountingEverything, _CountingFirstOfAVersion])
def test_without_the_rule_of_place_the_model_finds_a_violation(broken):
    _finds_a_violation(broken)


def test_without_snapshots_of_acknowledged_state_only_the_model_finds_a_violation():
    _finds_a_violation(_SnapshottingInFlight)


def _finds_a_violation(broken):
    found_is_enough = settings(max_examples=400, stateful_step_count=40, deadline=None, database=None, phases=[Phase.generate])
    with pytest.raises(AssertionError, match=r"twice|gap|out of the order|lost"):
        run_state_machine_as_test(broken, settings=found_is_enough)


def test_the_new_rules_do_decide_differently():
    """Else the rolling deploy in the model would be none."""
    shipped = ShippedOrder(2, "ada")

    assert isinstance(_decide_by_old_rules(cancel(), shipped), decider.Rejection)
    assert not isinstance(_decide_by_new_rules(cancel(), shipped), decider.Rejection)
    assert isinstance(decider.evolve(shipped, PartitionState().decide(ship()).record), ShippedOrder | CancelledOrder)

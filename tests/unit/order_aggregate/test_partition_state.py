"""Folding the log is the same as having decided it, however it is split or repeated."""

from hypothesis import given, settings
from hypothesis import strategies as st

from event_schemas.commands import InvalidCommand
from event_schemas.decoding import decode_command, decode_record
from event_schemas.events import Record
from order_aggregate.partition_state import PartitionState
from tests.support.examples import examples
from tests.support.given import Envelope, cancel, create, keyed, ship

_ORDERS = [Envelope().order_id.__class__(int=n) for n in range(1, 4)]


@st.composite
def _commands(draw):
    """A stream of commands on three orders, some of them sent again, some under used keys."""
    commands = []
    for _ in range(draw(st.integers(1, 25))):
        if commands and draw(st.booleans()) and draw(st.booleans()):
            commands.append(draw(st.sampled_from(commands)))
            continue
        order = draw(st.sampled_from(_ORDERS))
        key = draw(st.sampled_from([None, None, "a", "b"]))
        envelope = Envelope(order_id=order) if key is None else keyed(f"{key}{order.int}", order_id=order)
        commands.append(draw(st.sampled_from([create, ship, cancel]))(envelope=envelope))
    return commands


def _decide_all(partition: PartitionState, commands) -> list[tuple[int, Record]]:
    decided = []
    for offset, command in enumerate(commands):
        ending = partition.decide(command)
        if ending is not None:
            assert ending.value == ending.record.encoded()
            decided.append((offset, ending.record))
    return decided


@given(_commands(), st.data())
@settings(max_examples=examples(150))
def test_folding_the_records_gives_the_state_that_decided_them(commands, data):
    live = PartitionState()
    log = [(offset, decode_record(record.encoded())) for offset, record in _decide_all(live, commands)]

    folded = PartitionState()
    place = 0
    for offset, record in log:
        if data.draw(st.booleans()):  # a void record stands in between
            folded.pass_by(offset=place, value=None)
            place += 1
        folded.apply(record, offset=place, command_offset=offset, value=None)
        place += 1

    assert folded.packed() == live.packed()
    assert folded.next_place == place
    assert folded.next_command == (log[-1][0] + 1 if log else 0)


@given(_commands(), st.sets(st.integers(0, 24)))
@settings(max_examples=examples(150))
def test_stopping_anywhere_and_going_on_from_the_log_decides_the_same_records(commands, stops):
    once = [record.encoded() for _, record in _decide_all(PartitionState(), commands)]

    log: list[tuple[int, Record]] = []
    partition, offset = PartitionState(), 0
    while offset < len(commands):
        if offset in stops:  # the process ends; another folds what was appended and resumes
            stops = stops - {offset}
            partition = PartitionState()
            for place, (command_offset, record) in enumerate(log):
                partition.apply(record, offset=place, command_offset=command_offset, value=None)
            offset = partition.next_command
            continue
        ending = partition.decide(commands[offset])
        if ending is not None:
            log.append((offset, ending.record))
        offset += 1

    assert [record.encoded() for _, record in log] == once


@given(_commands())
@settings(max_examples=examples(100))
def test_versions_run_without_a_gap_and_every_command_ends_once(commands):
    decided = _decide_all(PartitionState(), commands)

    assert sorted(record.command_id for _, record in decided) == sorted({command.id for command in commands})
    versions: dict[object, int] = {}
    for _, record in decided:
        before = versions.get(record.order_id, 0)
        assert record.version == (before if record.type == "CommandRejected" else before + 1)
        versions[record.order_id] = record.version


def test_a_repeat_that_a_narrower_rule_finds_invalid_changes_nothing():
    """The rule of today comes after the memory of what was decided, in the process that decided it and in one that folded the log."""
    command, live, folded = create(), PartitionState(), PartitionState()
    decided = live.decide(command)
    assert decided is not None
    folded.apply(decided.record, offset=0, command_offset=0, value=None)
    again = decode_command(command.encoded().replace(b'"EUR"', b'"EUX"'))
    assert isinstance(again, InvalidCommand)
    assert again.id == command.id

    for partition in (live, folded):
        before = partition.packed()
        assert partition.decide(again) is None
        assert partition.packed() == before

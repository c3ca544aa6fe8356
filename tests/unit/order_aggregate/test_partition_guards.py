"""The guards in the core, each taken out, and its twin. The memory of commands is tested on a log: tests/integration/guards."""

from uuid import uuid4

from event_schemas import registry
from event_schemas.codes import Code
from order_aggregate.id_tables import IdSet
from order_aggregate.partition_state import PartitionState
from tests.support.given import create, keyed, ship


def _another_body_under_a_used_key():
    """The second body gets the order's id, for that follows from the key, but is another command."""
    partition = PartitionState()
    first, second = create(envelope=keyed("k")), ship(envelope=keyed("k"))
    return [decided and decided.record for decided in (partition.decide(first), partition.decide(second))]


def test_without_the_memory_of_keys_another_request_under_a_used_key_has_an_effect(monkeypatch):
    monkeypatch.setattr(IdSet, "add", lambda *_: True)
    _, second = _another_body_under_a_used_key()

    assert second is not None
    assert second.type == "OrderShipped"


def test_with_the_memory_of_keys_it_is_rejected():
    _, second = _another_body_under_a_used_key()

    assert second is not None
    assert (second.type, second.data.code) == ("CommandRejected", Code.IDEMPOTENCY_KEY_REUSED)


def _the_same_commands_by_two_workers():
    commands = [create(), ship(), ship()]

    def all_decided(partition: PartitionState) -> list[bytes]:
        return [decided.value for command in commands if (decided := partition.decide(command)) is not None]

    return all_decided(PartitionState()), all_decided(PartitionState())


def test_without_ids_that_follow_from_commands_deciding_again_gives_another_record(monkeypatch):
    monkeypatch.setattr(registry, "record_id", lambda _command: uuid4())
    first, again = _the_same_commands_by_two_workers()

    assert first != again


def test_with_ids_that_follow_from_commands_deciding_again_gives_the_same_bytes():
    first, again = _the_same_commands_by_two_workers()

    assert first == again

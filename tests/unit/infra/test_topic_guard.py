"""What the topic guard says of topics that are not as they must be."""

from dataclasses import replace

import pytest

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS, LARGEST_BATCH, TOPICS
from infra.kafka.topic_guard import FoundTopic, problems_of
from infra.process.settings import Settings

_SETTINGS = Settings(ORDERS_REPLICATION=3)
_GOOD = {topic.name: FoundTopic(partitions=12, replication=3, settings=dict(topic.settings)) for topic in TOPICS}


def test_right_topics_are_no_problem():
    assert problems_of(_GOOD, _SETTINGS) == []


def test_a_missing_topic_names_the_command_that_creates_it():
    problems = problems_of({COMMANDS: _GOOD[COMMANDS], EVENTS: _GOOD[EVENTS]}, _SETTINGS)

    assert problems == [f"topic {DEAD_LETTERS} is missing: run `./orders topics create`"]


def test_partition_counts_must_be_equal():
    (problem,) = problems_of(_GOOD | {COMMANDS: replace(_GOOD[COMMANDS], partitions=6)}, _SETTINGS)

    assert "6 partitions" in problem
    assert "12" in problem


def test_a_log_that_expires_or_is_compacted_is_refused():
    expiring = replace(_GOOD[EVENTS], settings=_GOOD[EVENTS].settings | {"retention.ms": "604800000"})
    compacted = replace(_GOOD[EVENTS], settings=_GOOD[EVENTS].settings | {"cleanup.policy": "compact"})

    assert "retention.ms=604800000" in problems_of(_GOOD | {EVENTS: expiring}, _SETTINGS)[0]
    assert "cleanup.policy=compact" in problems_of(_GOOD | {EVENTS: compacted}, _SETTINGS)[0]


def test_fewer_replicas_than_configured_are_refused():
    (problem,) = problems_of(_GOOD | {EVENTS: replace(_GOOD[EVENTS], replication=1)}, _SETTINGS)

    assert "ORDERS_REPLICATION=1" in problem


def _with_limit(name: str, limit: int) -> dict[str, FoundTopic]:
    return _GOOD | {name: replace(_GOOD[name], settings=_GOOD[name].settings | {LARGEST_BATCH: str(limit)})}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_a_topic_that_takes_less_than_the_one_before_it_may_bring_is_refused(topic):
    wanted = int(topic.settings[LARGEST_BATCH])
    (problem,) = problems_of(_with_limit(topic.name, wanted - 1), _SETTINGS)

    assert f"{topic.name} has max.message.bytes={wanted - 1}" in problem
    assert "./orders topics mend" in problem
    assert problems_of(_with_limit(topic.name, wanted + 1), _SETTINGS) == []


def test_how_long_dead_letters_are_kept_is_the_operators_choice():
    shorter = replace(_GOOD[DEAD_LETTERS], settings=_GOOD[DEAD_LETTERS].settings | {"retention.ms": "1000"})

    assert problems_of(_GOOD | {DEAD_LETTERS: shorter}, _SETTINGS) == []

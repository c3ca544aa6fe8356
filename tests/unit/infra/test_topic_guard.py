"""What the topic guard says of topics that are not as they must be."""

from dataclasses import replace

from event_schemas.topics import COMMANDS, DEAD_LETTERS, EVENTS, TOPICS
from infra.settings import Settings
from infra.topic_guard import FoundTopic, problems_of

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

"""`./orders topics create|check`: the topics as they must be, on the embedded broker or on your own cluster."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Any, TypeVar

import typer
from aiokafka.errors import KafkaError

from infra.kafka import NoBroker, bootstrap_servers
from infra.settings import Settings
from infra.topic_guard import create_topics, find_topics, problems_of
from order_service.plain_table import table
from order_service.running_stack import stack_settings

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)


@app.command()
def create() -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    settings = stack_settings()
    created = _asked(create_topics(settings))
    sys.stdout.write(f"created: {', '.join(created)}\n" if created else "all topics exist\n")
    _report(settings)


@app.command()
def check() -> None:
    """Say what the topics are like, and what is wrong with them; exits 1 when something is."""
    _report(stack_settings())


def _report(settings: Settings) -> None:
    found = _asked(find_topics(settings))
    rows = [("topic", "partitions", "replicas", "cleanup.policy", "retention.ms")]
    for name, topic in sorted(found.items()):
        kept = topic.settings
        rows.append((name, str(topic.partitions), str(topic.replication), kept.get("cleanup.policy", "?"), kept.get("retention.ms", "?")))
    sys.stdout.write(f"topics at {bootstrap_servers(settings)}\n{table(rows)}")
    problems = problems_of(found, settings)
    for problem in problems:
        sys.stderr.write(f"wrong: {problem}\n")
    raise typer.Exit(1 if problems else 0)


def _asked(question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except (NoBroker, KafkaError, OSError, TimeoutError) as error:
        sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        raise typer.Exit(1) from error

"""`./orders topics create|check|mend`: the topics as they must be, on the embedded broker or on your own cluster."""

import asyncio
import sys
from collections.abc import Coroutine
from typing import Annotated, Any, TypeVar

import typer

from event_schemas.topics import LARGEST_BATCH
from infra.errors import BrokerAway
from infra.kafka.clients import bootstrap_servers
from infra.kafka.topic_guard import create_topics, find_topics, problems_of
from infra.kafka.topic_mending import NotMended, mend_topics
from infra.process.settings import Settings
from order_service.stack.running import stack_settings
from order_service.terminal import table

T = TypeVar("T")
app = typer.Typer(no_args_is_help=True)


@app.command()
def create(
    *, mend: Annotated[bool, typer.Option("--mend", help="Also set what is wrong with those that exist, as `mend` does")] = False
) -> None:
    """Create the topics that are missing; those that exist are left as they are."""
    settings = stack_settings()
    created = _asked(create_topics(settings))
    sys.stdout.write(f"created: {', '.join(created)}\n" if created else "all topics exist\n")
    if mend:
        _mend(settings)
    _report(settings)


@app.command()
def check() -> None:
    """Say what the topics are like, and what is wrong with them; exits 1 when something is."""
    _report(stack_settings())


@app.command()
def mend() -> None:
    """Set what `check` finds wrong and can be set, and leave all other settings alone; exits 1 when something stays wrong.

    Retention, cleanup and sizes are set. How many partitions and replicas a topic has is not changed: `check` says what to do.
    """
    settings = stack_settings()
    _mend(settings)
    _report(settings)


def _mend(settings: Settings) -> None:
    changed = _asked(mend_topics(settings))
    sys.stdout.write("".join(f"mended: {change}\n" for change in changed) or "no setting had to be mended\n")


def _report(settings: Settings) -> None:
    found = _asked(find_topics(settings))
    shown = ("cleanup.policy", "retention.ms", LARGEST_BATCH)
    rows: list[tuple[str, ...]] = [("topic", "partitions", "replicas", *shown)]
    for name, topic in sorted(found.items()):
        rows.append((name, str(topic.partitions), str(topic.replication), *(topic.settings.get(setting, "?") for setting in shown)))
    sys.stdout.write(f"topics at {bootstrap_servers(settings)}\n{table(rows)}")
    problems = problems_of(found, settings)
    for problem in problems:
        sys.stderr.write(f"wrong: {problem}\n")
    raise typer.Exit(1 if problems else 0)


def _asked(question: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(question)
    except (BrokerAway, NotMended) as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from error

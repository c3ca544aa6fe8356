"""Create the topics that are missing, then end: `python -m order_service.create_topics`. The last line of standard error says why not."""

import asyncio
import sys

from aiokafka.errors import KafkaError

from infra.kafka import NoBroker
from infra.settings import Settings
from infra.topic_guard import create_topics


def main() -> int:
    """0 when all topics exist."""
    try:
        asyncio.run(create_topics(Settings()))
    except (NoBroker, KafkaError, OSError, TimeoutError) as error:
        sys.stderr.write(f"{str(error) or type(error).__name__}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

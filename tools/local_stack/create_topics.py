"""Create the topics that are missing, then end: `python -m tools.local_stack.create_topics [--mend]`.

With --mend also set what is wrong with those that exist: for a broker that is the stack's own. What was changed is printed, a line
each; the last line of standard error says why not.
"""

import asyncio
import sys

from infra.errors import BrokerAway
from infra.kafka.topic_guard import create_topics
from infra.kafka.topic_mending import NotMended, mend_topics
from infra.process.settings import Settings


def main() -> int:
    """0 when all topics exist, and with --mend are as they must be."""
    try:
        asyncio.run(_make_right(Settings(), mend=sys.argv[1:] == ["--mend"]))
    except (BrokerAway, NotMended) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _make_right(settings: Settings, *, mend: bool) -> None:
    for name in await create_topics(settings):
        sys.stdout.write(f"created {name}\n")
    for change in await mend_topics(settings) if mend else ():
        sys.stdout.write(f"mended {change}\n")


if __name__ == "__main__":
    sys.exit(main())

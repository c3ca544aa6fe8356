"""Create the topics that are missing, then end: `python -m tools.local_stack.create_topics [--mend]`.

With --mend also set the wrong settings of existing topics: for a broker that is the stack's own. Each change is printed on a line;
on failure the last line of standard error says why.
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

"""`python -m gateway`: the HTTP door, in a process of its own."""

import asyncio

import uvloop

from gateway.app import serve
from infra.process.logs import configure_logging
from infra.process.settings import Settings
from infra.process.tuning import FEW_YOUNG, allow_many_files, collect_rarely


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    allow_many_files()
    settings = Settings()
    configure_logging(settings, "gateway")
    collect_rarely(FEW_YOUNG)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(settings))


if __name__ == "__main__":
    main()

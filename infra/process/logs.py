"""Logging for every process: one line an event, ids and no payloads, as text or as JSON."""

import logging
import sys

import structlog

from infra.process.settings import Settings

_QUIET = {
    "aiokafka": logging.ERROR,
    "faust": logging.WARNING,
    "mode": logging.WARNING,
    "asyncio": logging.WARNING,
    "aiohttp": logging.WARNING,
}


def _unless_health_says_it(record: logging.LogRecord) -> bool:
    # aiokafka repeats these several times a second while a broker is away; our health says it once, with what to do.
    return not str(record.msg).startswith(("Unable connect to", "Unable to update metadata", "Unable to request metadata"))


def configure_logging(settings: Settings, service: str) -> None:
    """Send the standard library's loggers, ours and the libraries', through one format to standard error."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor
    if settings.log_format == "json":
        renderer = structlog.processors.JSONRenderer()
        shared.append(lambda _logger, _method, event: {"service": service, **event})
    else:
        # Plain tracebacks: the pretty ones print local variables, and so payloads and passwords.
        renderer = structlog.dev.ConsoleRenderer(
            colors=False, pad_event_to=0, pad_level=False, exception_formatter=structlog.dev.plain_traceback
        )
    final: list[structlog.typing.Processor] = [structlog.stdlib.ProcessorFormatter.remove_processors_meta]
    if settings.log_format == "json":
        final.append(structlog.processors.format_exc_info)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[*final, renderer]))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level)
    logging.getLogger("aiokafka").addFilter(_unless_health_says_it)
    for name, level in _QUIET.items():
        logging.getLogger(name).setLevel(level)

"""structlog for our own events and for the libraries', in one format on standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import Processor

from mindtrack_shared.settings import LogSettings


def configure_logging(settings: LogSettings, *, service: str) -> None:
    """Send every log line through the same processors; call once, at a service's entry point."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=_rendering(settings, service)
        ),
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level)


def _rendering(settings: LogSettings, service: str) -> list[Processor]:
    if settings.format == "console":
        return [
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.dev.ConsoleRenderer(
                colors=False,
                exception_formatter=structlog.dev.plain_traceback,
                pad_event_to=24,
            ),
        ]
    return [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _static_field("service", service),
        structlog.processors.ExceptionRenderer(
            # Local variables could hold a person's data.
            structlog.tracebacks.ExceptionDictTransformer(show_locals=False),
        ),
        structlog.processors.JSONRenderer(),
    ]


def _static_field(key: str, value: str) -> Processor:
    def add(
        _logger: structlog.typing.WrappedLogger,
        _name: str,
        event: structlog.typing.EventDict,
    ) -> structlog.typing.EventDict:
        event[key] = value
        return event

    return add


def get_logger() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()
    return logger

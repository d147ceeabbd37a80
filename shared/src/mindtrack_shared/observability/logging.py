"""structlog for our own events and for the libraries', in one format on standard error.

A line holds what is declared, and nothing else: an event of `events`, fields of `fields`, and of an exception
what `exceptions` tells. What libraries say is theirs, and may quote anything; so of them a line holds who
spoke, where, and the words only if they are a constant of the speaker's code.
"""

from __future__ import annotations

import logging
import sys
import threading
import warnings
from pathlib import Path
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from mindtrack_shared.observability import events
from mindtrack_shared.observability.exceptions import accounts, as_text, caught
from mindtrack_shared.observability.fields import FIELDS
from mindtrack_shared.settings import LogSettings

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

#: What every line has.
STAMP = ("timestamp", "level")


def configure_logging(settings: LogSettings, *, service: str) -> None:
    """Send every log line through the same processors; call once, at a service's entry point.

    What would be written past the log comes in, too: warnings, and exceptions that nobody caught.
    """
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
            foreign_pre_chain=shared,
            processors=[_admitted, *_rendering(settings, service)],
            use_get_message=False,  # arguments stay what they are
        ),
    )
    if settings.level != "DEBUG":
        handler.addFilter(_matters)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.level)
    logging.raiseExceptions = False  # it would print the record that could not be written
    _take_over_standard_error()


def _matters(record: logging.LogRecord) -> bool:
    """Leave out what libraries say of each step: it is little once its arguments are withheld."""
    return isinstance(record.msg, dict) or record.levelno >= logging.WARNING


def get_logger() -> structlog.stdlib.BoundLogger:
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger()
    return logger


def _admitted(_logger: WrappedLogger, _name: str, said: EventDict) -> EventDict:
    """Make the line of what may be in it."""
    record: logging.LogRecord = said.pop("_record")
    error = caught(said.pop("exc_info", None))
    ours = said.pop("_from_structlog")
    event = said.pop("event")
    line: dict[str, Any] = {key: said.pop(key) for key in STAMP}
    line |= _event(event) if ours else _spoken(record)
    fields = {name: value for name, value in said.items() if name in FIELDS and FIELDS[name](value)}
    line |= fields
    if withheld := len(said) - len(fields):
        line["withheld"] = withheld
    if error is not None:
        line["exception"] = accounts(error)
    return line


def _event(event: object) -> dict[str, Any]:
    return {"event": event if event in events.NAMES else events.UNDECLARED}


def _spoken(record: logging.LogRecord) -> dict[str, Any]:
    """Tell that a library logged something, and where. The record is as it was but for its arguments."""
    said: dict[str, Any] = {
        "event": events.LIBRARY_SPOKE,
        "logger": record.name,
        "at": f"{record.module}:{record.lineno}",
    }
    if _is_constant(record):
        said["message"] = record.msg
    return said


def _is_constant(record: logging.LogRecord) -> bool:
    """Whether a record's words, before its arguments go in, are a constant of the function that logged them.

    What an f-string or a concatenation makes is none. The function is still running: we are called by it.
    """
    frame: FrameType | None = sys._getframe()  # noqa: SLF001 - the only way to who called
    while frame is not None:
        code = frame.f_code
        if (code.co_filename, code.co_name, frame.f_lineno) == (
            record.pathname,
            record.funcName,
            record.lineno,
        ):
            return isinstance(record.msg, str) and record.msg in code.co_consts
        frame = frame.f_back
    return False


def _rendering(settings: LogSettings, service: str) -> list[Processor]:
    if settings.format == "console":
        return [_told, structlog.dev.ConsoleRenderer(colors=False, pad_event_to=24)]

    def named(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
        return {**line, "service": service}

    return [named, structlog.processors.JSONRenderer()]


def _told(_logger: WrappedLogger, _name: str, line: EventDict) -> EventDict:
    if "exception" in line:
        line["exception"] = as_text(line["exception"])
    return line


def _take_over_standard_error() -> None:
    warnings.showwarning = _warned
    sys.excepthook = _uncaught
    sys.unraisablehook = _unraisable
    threading.excepthook = _uncaught_in_thread


def _warned(  # noqa: PLR0913, PLR0917 - the signature of `warnings.showwarning`
    message: Warning | str,  # noqa: ARG001 - it may quote anything
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001
    line: str | None = None,  # noqa: ARG001
) -> None:
    get_logger().warning(events.WARNED, category=category.__name__, at=f"{Path(filename).stem}:{lineno}")


def _uncaught(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
    if isinstance(error, KeyboardInterrupt):
        sys.__excepthook__(kind, error, traceback)
    else:
        get_logger().critical(events.SERVICE_BROKEN, exc_info=error)


def _uncaught_in_thread(told: threading.ExceptHookArgs) -> None:
    if not isinstance(told.exc_value, SystemExit):
        get_logger().critical(events.SERVICE_BROKEN, exc_info=told.exc_value)


def _unraisable(told: UnraisableHookArgs) -> None:
    get_logger().error(events.LIBRARY_SPOKE, exc_info=told.exc_value)

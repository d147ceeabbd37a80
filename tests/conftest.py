"""What holds for all tests."""

from __future__ import annotations

import structlog
from hypothesis import settings

# A busy machine is slow, and no finding.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

# Of the default, drawing boxes around all locals of a traceback takes longer than most tests.
structlog.configure(
    processors=[
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%Y-%m-%d %H:%M:%S", utc=False),
        structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
    ]
)

"""Times of statements: always the database's, so that clocks of workers and gateways cannot matter."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, func
from sqlalchemy.dialects.postgresql import INTERVAL
from sqlalchemy.sql.expression import cast


def now() -> ColumnElement[Any]:
    # Stable within a statement, so that indexes can be searched with it; `clock_timestamp()` is not.
    return func.statement_timestamp()


def after(delay: timedelta) -> ColumnElement[Any]:
    return now() + cast(delay, INTERVAL)

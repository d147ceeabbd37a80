"""Whether the database has a table yet: a release may run before the migration that makes it."""

from __future__ import annotations

from sqlalchemy import Select, func, select

from mindtrack_shared.db.models import Base


def exists(table: type[Base]) -> Select[bool]:
    return select(func.to_regclass(table.__tablename__).is_not(None))

"""Statements on service keys. Each function builds a query; whoever calls it runs and commits it."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import ColumnElement, Select, Update, func, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from mindtrack_shared.db.clock import after, now
from mindtrack_shared.db.models import ServiceKey

#: How exactly the last use is known: a busy system must not write a row with each request.
USED_WITHIN = timedelta(minutes=1)


def _is_live() -> ColumnElement[bool]:
    return ServiceKey.revoked_at.is_(None) & (ServiceKey.expires_at > now())


def one_at_a_time(service: str) -> Select[None]:
    """Have keys of one system counted and made one after the other, until the transaction ends."""
    return select(func.pg_advisory_xact_lock(func.hashtextextended(f"service-key {service}", 0)))


def count_live(service: str) -> Select[int]:
    return select(func.count()).where(ServiceKey.service == service, _is_live()).select_from(ServiceKey)


def digests() -> Select[str, bytes]:
    """Ids and secrets' digests of all live keys."""
    return select(ServiceKey.id, ServiceKey.secret_sha256).where(_is_live())


def live(key_id: str) -> Select[ServiceKey, bool]:
    """One key, if it is live, and whether its use should be noted."""
    stale = func.coalesce(ServiceKey.last_used_at < after(-USED_WITHIN), True)
    return select(ServiceKey, stale).where(ServiceKey.id == key_id, _is_live())


def use(key_id: str) -> Update:
    return update(ServiceKey).where(ServiceKey.id == key_id).values(last_used_at=now())


def revoke(key_id: str) -> ReturningUpdate[str]:
    """End a key; no row back means that there is none, or that it was revoked before."""
    wanted = update(ServiceKey).where(ServiceKey.id == key_id, ServiceKey.revoked_at.is_(None))
    return wanted.values(revoked_at=now()).returning(ServiceKey.service)


def every() -> Select[ServiceKey]:
    return select(ServiceKey).order_by(ServiceKey.service, ServiceKey.created_at)

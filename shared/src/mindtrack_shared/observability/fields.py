"""What a log line may hold besides its event: fields that are declared here, with values of their kind.

Everything else is withheld, and the line says how many fields were. A field is declared once, for all events.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

#: Whether a value is what a field of some kind holds.
Kind = Callable[[object], bool]


def _text(pattern: str) -> Kind:
    fits = re.compile(pattern, re.ASCII).fullmatch
    return lambda value: isinstance(value, str) and fits(value) is not None


def _count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _seconds(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flag(value: object) -> bool:
    return isinstance(value, bool)


#: A UUID, as we write them or a client may.
_id = _text(r"[0-9A-Fa-f-]{32,38}")
#: A word of ours, or the name of an exception's type.
_code = _text(r"[A-Za-z][A-Za-z0-9_.:-]{0,63}")
#: Where an object lies: a name that the server made.
_key = _text(r"[a-z]+/[0-9a-f/-]{1,80}")
#: The template of a path, not the path.
_route = _text(r"[a-z0-9_/{}:.-]{1,120}")
#: What an operator calls something.
_name = _text(r"[A-Za-z0-9_./+-]{1,200}")


def _answer(value: object) -> bool:
    """Either a status of HTTP or a word of ours."""
    return _count(value) or _code(value)


def _names(value: object) -> bool:
    return isinstance(value, list) and all(_name(each) for each in value)


FIELDS: Mapping[str, Kind] = MappingProxyType(
    {
        "alert_id": _id,
        #: Says as little as a person's.
        "actor_id": _id,
        "delivery_id": _id,
        "emergency_id": _id,
        "endpoint_id": _id,
        "grant_id": _id,
        "job_id": _id,
        "notification_id": _id,
        "receipt_id": _id,
        "request_id": _id,
        #: Says nothing about anybody without the database.
        "user_id": _id,
        "worker_id": _id,
        "attempt": _count,
        "count": _count,
        "failed": _count,
        "requeued": _count,
        "rung_again": _count,
        "size_bytes": _count,
        "delay_seconds": _seconds,
        "limit_seconds": _seconds,
        "processing_seconds": _seconds,
        "by_key": _flag,
        "code": _answer,
        #: The name of an exception's type.
        "error": _code,
        "instead": _code,
        "outcome": _code,
        #: Of what retention keeps.
        "data_class": _code,
        "task": _code,
        "precision": _code,
        "reason": _code,
        "bundle": _name,
        #: Of a system's key: the part of it that is no secret.
        "key_id": _text(r"[0-9a-f]{16}"),
        #: A system, as an operator calls it, and what its key opens.
        "service": _name,
        "scopes": _names,
        #: Of public keys, as their issuer calls them.
        "key_ids": _names,
        "object_key": _key,
        "route": _route,
        # Of what libraries say.
        "at": _text(r"[\w.]+:\d+"),
        "category": _code,
        "logger": _name,
    }
)

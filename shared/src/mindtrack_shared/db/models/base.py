"""What all tables share: how columns are typed, how constraints are named, and conditions that many use."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from enum import StrEnum
from typing import Any

from sqlalchemy import CheckConstraint, Date, DateTime, Double, Enum, LargeBinary, MetaData, Text, Time
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase

from mindtrack_shared.domain.sealed_text import SEALED_MARK, longest_sealed

SHA256_BYTES = 32


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        },
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy reads a plain class attribute
        datetime: DateTime(timezone=True),
        float: Double,
        str: Text,
        date: Date,
        time: Time,
        bytes: LargeBinary,
    }


#: Measurements by name. Absent as a whole is NULL, not JSON's null.
Measurements = dict[str, Any]
measurements = JSONB(none_as_null=True)


def enumeration(members: type[StrEnum], name: str) -> Enum:
    """Return a type of the database's own, in which the members sort in their order."""
    return Enum(members, name=name, values_callable=lambda kind: [member.value for member in kind])


def in_unit_interval(*columns: str) -> tuple[CheckConstraint, ...]:
    return tuple(
        CheckConstraint(f"{column} between 0 and 1", name=f"{column}_in_unit_interval") for column in columns
    )


def quoted(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)


def one_of(column: str, words: Iterable[str]) -> CheckConstraint:
    return CheckConstraint(f"{column} in ({quoted(words)})", name=f"{column}_known")


def is_object(column: str) -> CheckConstraint:
    return CheckConstraint(f"jsonb_typeof({column}) = 'object'", name=f"{column}_is_object")


def is_short_text(column: str, most: int, *, or_sealed: bool = False) -> CheckConstraint:
    """Some characters, none of them a control character."""
    condition = f"length({column}) between 1 and {most} and {column} !~ '[[:cntrl:]]'"
    if or_sealed:
        condition = f"{condition} or {sealed(column, most)}"
    return CheckConstraint(condition, name=f"{column}_bounded")


def is_text(column: str, most: int) -> CheckConstraint:
    """Some characters, in clear or sealed."""
    condition = f"length({column}) between 1 and {most} or {sealed(column, most)}"
    return CheckConstraint(condition, name=f"{column}_bounded")


def sealed(column: str, most: int) -> str:
    """What holds for so many characters once they are sealed."""
    return f"ascii({column}) = {ord(SEALED_MARK)} and length({column}) <= {longest_sealed(most)}"

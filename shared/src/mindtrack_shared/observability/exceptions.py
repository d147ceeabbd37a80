"""What a log tells of an exception: its type, its code and its place, and never what it was raised with.

Arguments of an exception are data: the row that a constraint refused, the text that is no number, the URL
that could not be reached. Only an `OperatorError`, and a setting that does not fit, are told in words.
"""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from itertools import islice
from traceback import walk_tb
from types import TracebackType
from typing import NotRequired, TypedDict

from pydantic import ValidationError
from pydantic_settings import SettingsError

from mindtrack_shared.errors import OperatorError
from mindtrack_shared.settings import VARIABLE_PREFIX

#: Of a chain, and of a traceback; what is innermost stays.
LONGEST_CHAIN, LONGEST_TRACEBACK = 8, 40
_SQLSTATE = re.compile(r"[0-9A-Z]{5}")


class Account(TypedDict):
    """What is told of one exception of a chain."""

    type: str
    #: The database's or the operating system's word for it.
    code: NotRequired[str]
    #: For operators, of what is theirs to mend.
    detail: NotRequired[str]
    #: Module, line and function, outermost first.
    at: list[str]


def accounts(error: BaseException) -> list[Account]:
    """Tell of an exception, and of those that led to it."""
    return [_account(each) for each in islice(_chain(error), LONGEST_CHAIN)]


def as_text(told: list[Account]) -> str:
    """Put it as people read it."""
    return "\n".join(
        line
        for each in told
        for line in (
            " ".join(word for word in (each["type"], each.get("code"), each.get("detail")) if word),
            *(f"    {place}" for place in each["at"]),
        )
    )


def caught(exc_info: object) -> BaseException | None:
    """Read what `exc_info` may be: an exception, a triple, or that there is one to look up."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return next((each for each in exc_info if isinstance(each, BaseException)), None)
    return sys.exception() if exc_info else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Walk from an exception to its causes, and through groups, each once."""
    found, waiting = set[int](), [error]
    while waiting:
        each = waiting.pop(0)
        if id(each) in found:
            continue
        found.add(id(each))
        yield each
        if isinstance(each, BaseExceptionGroup):
            waiting.extend(each.exceptions)
        cause = each.__cause__ or (None if each.__suppress_context__ else each.__context__)
        if cause is not None:
            waiting.append(cause)


def _account(error: BaseException) -> Account:
    kind = type(error)
    account = Account(type=f"{kind.__module__}.{kind.__qualname__}", at=list(_places(error.__traceback__)))
    if code := _code(error):
        account["code"] = code
    if detail := _detail(error):
        account["detail"] = detail
    return account


def _places(traceback: TracebackType | None) -> Iterator[str]:
    frames = [(frame, line) for frame, line in walk_tb(traceback)][-LONGEST_TRACEBACK:]
    for frame, line in frames:
        yield f"{frame.f_globals.get('__name__', '?')}:{line} {frame.f_code.co_qualname}"


def _code(error: BaseException) -> str | None:
    sqlstate = getattr(error, "sqlstate", None)
    if isinstance(sqlstate, str) and _SQLSTATE.fullmatch(sqlstate):
        return sqlstate
    return errno.errorcode.get(error.errno or 0) if isinstance(error, OSError) else None


def _detail(error: BaseException) -> str | None:
    if isinstance(error, OperatorError | SettingsError):
        return str(error)
    if isinstance(error, ValidationError) and error.title.startswith(VARIABLE_PREFIX):
        return "; ".join(
            f"{'_'.join([error.title, *(str(part).upper() for part in item['loc'])])}: {item['msg']}"
            for item in error.errors(include_url=False, include_context=False, include_input=False)
        )
    return None

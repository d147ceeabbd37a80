"""What words of people must be so that they can be kept."""

from __future__ import annotations

from pydantic_core import PydanticCustomError

from mindtrack_shared.domain.sealed_text import SEALED_MARK


def storable(text: str) -> str:
    """Return words that a text column holds, and that do not pass for sealed ones.

    Raises:
        PydanticCustomError: they have the character NUL, or begin as sealed words do.

    """
    if "\0" in text:
        raise PydanticCustomError("note", "must not hold the character NUL")
    if text.startswith(SEALED_MARK):
        raise PydanticCustomError("note", "must not begin with a control character")
    return text

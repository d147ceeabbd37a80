"""What words of people must be so that they can be kept."""

from __future__ import annotations

from unicodedata import category

from pydantic_core import PydanticCustomError

from mindtrack_shared.domain.sealed_text import SEALED_MARK

#: Control characters, halves of a surrogate pair, separators of lines and paragraphs.
_CONTROL = frozenset({"Cc", "Cs", "Zl", "Zp"})
CONTROL_REFUSED = "must not hold control characters"


def holds_control(text: str) -> bool:
    """Whether a text is more than one line of characters that can be seen."""
    return any(category(character) in _CONTROL for character in text)


def one_line(text: str | None) -> str | None:
    """Return a text that is one line, or none.

    Raises:
        PydanticCustomError: it holds control characters.

    """
    if text is not None and holds_control(text):
        raise PydanticCustomError("one_line", CONTROL_REFUSED)
    return text


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

"""How sealed words look in a text column."""

#: What they begin with. A control character, which nobody can type into what is kept.
SEALED_MARK = "\x02"


def longest_sealed(characters: int) -> int:
    """Return the most characters that so many may take once they are sealed: base64 of UTF-8 and 57 bytes."""
    return 1 + -(-(4 * characters + 57) // 3) * 4

"""Words, sealed into the text columns that held them in clear.

They begin with a mark that the gateway lets nobody type, so the column tells which of both it is.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from mindtrack_shared.domain.sealed_text import SEALED_MARK
from mindtrack_shared.sealing.errors import SealBrokenError
from mindtrack_shared.sealing.format import MAGIC, DataKey, Finds, Sealer, unsealed


def is_sealed(text: str) -> bool:
    return text.startswith(SEALED_MARK)


def seal_text(key: DataKey, text: str, *, person: UUID, place: str) -> str:
    """Seal words about a person for one place, such as one column of one row."""
    sealer = Sealer(key, person=person, place=place)
    sealed = sealer.update(text.encode()) + sealer.finish()
    return SEALED_MARK + base64.b64encode(sealed).decode()


def unseal_text(text: str, find: Finds, *, person: UUID, place: str) -> str:
    """Return the words; those that were never sealed as they are.

    Raises:
        SealBrokenError: they were changed, or are another person's or place's.

    Whatever `find` raises passes through.

    """
    if not is_sealed(text):
        return text
    try:
        sealed = base64.b64decode(text.removeprefix(SEALED_MARK), validate=True)
    except binascii.Error:
        raise SealBrokenError("it is no base64") from None
    if not sealed.startswith(MAGIC):
        raise SealBrokenError("it has the mark and is not sealed")
    return b"".join(unsealed([sealed], find, person=person, place=place)).decode()

"""A URL's signature holds for one upload, until one moment, with one secret."""

from __future__ import annotations

from uuid import UUID

import pytest

from mindtrack_gateway.recordings.signing import UrlSigner

UPLOAD = UUID("019a2b3c-4d5e-7f60-8a1b-2c3d4e5f6071")
EXPIRES = 1_800_000_000
SIGNER = UrlSigner(b"a secret of thirty-two characters")
SIGNATURE = SIGNER.sign(UPLOAD, EXPIRES)


def test_it_holds_until_it_expires() -> None:
    assert SIGNER.is_valid(UPLOAD, EXPIRES, SIGNATURE, now=EXPIRES - 1)
    assert not SIGNER.is_valid(UPLOAD, EXPIRES, SIGNATURE, now=EXPIRES)


@pytest.mark.parametrize(
    ("upload_id", "expires", "signature"),
    [
        (UUID(int=UPLOAD.int + 1), EXPIRES, SIGNATURE),
        (UPLOAD, EXPIRES + 1, SIGNATURE),
        (UPLOAD, EXPIRES, ""),
        (UPLOAD, EXPIRES, SIGNATURE[:-1]),
        (UPLOAD, EXPIRES, SIGNATURE + "0"),
        (UPLOAD, EXPIRES, SIGNATURE.upper()),
        (UPLOAD, EXPIRES, "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64),
        (UPLOAD, EXPIRES, UrlSigner(b"another secret").sign(UPLOAD, EXPIRES)),
    ],
)
def test_it_holds_for_nothing_else(upload_id: UUID, expires: int, signature: str) -> None:
    assert not SIGNER.is_valid(upload_id, expires, signature, now=0)

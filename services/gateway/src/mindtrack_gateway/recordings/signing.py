"""Signs upload URLs that lead to the gateway: whoever has one may put one object there, and nothing else."""

from __future__ import annotations

import hashlib
import hmac
from uuid import UUID


class UrlSigner:
    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, upload_id: UUID, expires: int) -> str:
        """Return the signature of an upload that may be written until `expires`, in seconds since 1970."""
        # The purpose stands first, so that no signature of anything else can ever pass for this one.
        signed = f"PUT /v1/uploads/{upload_id}?expires={expires}"
        return hmac.new(self._secret, signed.encode(), hashlib.sha256).hexdigest()

    def is_valid(self, upload_id: UUID, expires: int, signature: str, *, now: float) -> bool:
        """Tell whether we signed this and it has not expired; how long that takes tells nothing about it."""
        ours = self.sign(upload_id, expires).encode()
        return hmac.compare_digest(ours, signature.encode()) and now < expires

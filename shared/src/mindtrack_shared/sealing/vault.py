"""A key-encryption key that never leaves Vault, which logs each use; or what speaks as it does: OpenBao."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2 as httpx

from mindtrack_shared.sealing.errors import UnwrapRefusedError
from mindtrack_shared.storage import StorageUnavailableError

TIMEOUT = 5.0  # seconds


class VaultTransit:
    """A key of Vault's transit engine, of type aes256-gcm96; it is rotated there.

    The token is read from its file each time: whoever renews it replaces the file.
    """

    def __init__(self, *, url: str, token_file: Path, mount: str, key: str) -> None:
        self._token_file = token_file
        self._key = quote(key, safe="")
        self._http = httpx.Client(base_url=f"{url.rstrip('/')}/v1/{mount}/", timeout=TIMEOUT)

    def wrap(self, secret: bytes, context: bytes) -> str:
        told = self._ask("POST", "encrypt", {"plaintext": _text(secret), "associated_data": _text(context)})
        return str(told["ciphertext"])

    def unwrap(self, wrapped: str, context: bytes) -> bytes:
        asked = {"ciphertext": wrapped, "associated_data": _text(context)}
        return base64.b64decode(self._ask("POST", "decrypt", asked)["plaintext"])

    def current(self) -> str:
        return f"vault:v{self._ask('GET', 'keys')['latest_version']}:"

    def _ask(self, method: str, operation: str, asked: dict[str, str] | None = None) -> dict[str, Any]:
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
            answer = self._http.request(
                method, f"{operation}/{self._key}", json=asked, headers={"X-Vault-Token": token}
            )
        except (httpx.HTTPError, OSError) as error:
            raise StorageUnavailableError(f"Vault does not answer: {type(error).__name__}") from error
        if answer.status_code == httpx.codes.BAD_REQUEST:  # it says so of what it cannot decrypt
            raise UnwrapRefusedError("Vault does not open a wrapped key")
        if not answer.is_success:
            raise StorageUnavailableError(f"Vault answers {answer.status_code} to {operation}")
        data: dict[str, Any] = answer.json()["data"]
        return data


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()

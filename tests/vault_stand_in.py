"""A server that answers as Vault's transit engine does, and really encrypts: for tests, on loopback."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM


@dataclass
class Vault:
    """One key of type aes256-gcm96, in versions."""

    token: str = "s.stand-in"  # noqa: S105 - opens this and nothing else
    url: str = ""
    versions: list[bytes] = field(default_factory=lambda: [secrets.token_bytes(32)])
    #: Versions below this decrypt nothing any more.
    least: int = 1
    #: What was asked, and by no means what for.
    asked: list[str] = field(default_factory=list)
    sealed: bool = False

    def rotate(self) -> None:
        self.versions.append(secrets.token_bytes(32))

    def encrypt(self, asked: dict[str, str]) -> dict[str, Any]:
        nonce = secrets.token_bytes(12)
        text = AESGCM(self.versions[-1]).encrypt(nonce, _bytes(asked["plaintext"]), _associated(asked))
        return {"ciphertext": f"vault:v{len(self.versions)}:{base64.b64encode(nonce + text).decode()}"}

    def decrypt(self, asked: dict[str, str]) -> dict[str, Any]:
        kind, version, text = asked["ciphertext"].split(":")
        number, content = int(version.removeprefix("v")), _bytes(text)
        if kind != "vault" or not self.least <= number <= len(self.versions):
            raise ValueError("ciphertext or signature version is disallowed by policy (too old)")
        key = AESGCM(self.versions[number - 1])
        return {"plaintext": _text(key.decrypt(content[:12], content[12:], _associated(asked)))}

    def describe(self, _asked: dict[str, str]) -> dict[str, Any]:
        return {"latest_version": len(self.versions), "type": "aes256-gcm96"}

    def answer(self, method: str, path: str, token: str | None, body: bytes) -> tuple[int, dict[str, Any]]:
        self.asked.append(f"{method} {path}")
        if self.sealed:
            return 503, {"errors": ["Vault is sealed"]}
        if token != self.token:
            return 403, {"errors": ["permission denied"]}
        operations = {
            "POST /v1/transit/encrypt/mindtrack": self.encrypt,
            "POST /v1/transit/decrypt/mindtrack": self.decrypt,
            "GET /v1/transit/keys/mindtrack": self.describe,
        }
        operation = operations.get(f"{method} {path}")
        if operation is None:
            return 404, {"errors": []}
        try:
            return 200, {"data": operation(json.loads(body or b"{}"))}
        except (InvalidTag, ValueError):
            return 400, {"errors": ["cipher: message authentication failed"]}


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode()


def _associated(asked: dict[str, str]) -> bytes:
    return _bytes(asked["associated_data"])


@contextmanager
def serving_vault() -> Iterator[Vault]:
    vault = Vault()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, document = vault.answer(self.command, self.path, self.headers["X-Vault-Token"], body)
            content = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815 - the library's names

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        vault.url = f"http://127.0.0.1:{server.server_port}"
        try:
            yield vault
        finally:
            server.shutdown()
            thread.join()

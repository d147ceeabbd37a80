"""Two gateways for the tests of uploads: over S3, and over a folder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx

from mindtrack_shared.db.models import Recording
from mindtrack_shared.sealing import DataKeys, SealedRecordings
from mindtrack_shared.storage import RecordingStore


@dataclass(frozen=True)
class Place:
    """A gateway with its storage, and somebody who uses it."""

    client: httpx.Client
    store: RecordingStore
    data_keys: DataKeys
    #: Whether upload URLs lead to storage itself.
    presigns: bool

    def ask(self, **declared: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
        """Ask for an upload URL."""
        response = self.client.post("/v1/uploads", json=declared)
        assert response.status_code == 201, response.text
        answer: dict[str, Any] = response.json()
        return answer

    def submit(self, upload: dict[str, Any], **fields: str) -> httpx.Response:
        return self.client.post("/v1/jobs", json={"upload_id": upload["id"], **fields})

    def keys(self) -> set[str]:
        return {found.key for found in self.store.objects()}

    def read(self, key: str) -> bytes:
        """Return an object as it lies there."""
        return b"".join(self.store.read(key))

    def heard(self, row: Recording) -> bytes:
        """Return a recording as it was uploaded."""
        return b"".join(SealedRecordings(self.store, self.data_keys).read(row.object_key, row.user_id))


def put(upload: dict[str, Any], content: bytes, **headers: str) -> httpx.Response:
    """Do what a phone does with an upload URL: no token, and the headers that it was told."""
    with httpx.Client(timeout=30) as anybody:
        return anybody.put(upload["url"], content=content, headers={**upload["headers"], **headers})


async def chunks(content: bytes) -> AsyncIterator[bytes]:
    yield content

"""What the gateway takes of bombs and lies: it knows formats by their first bytes, and decodes nothing."""

from __future__ import annotations

import httpx2 as httpx

from hostile.corpus import CASES
from mindtrack_gateway.recordings.formats import SNIFF_BYTES, sniff

#: Of the tests' gateway.
MAX_BYTES = 2 * 1024 * 1024


def test_every_case_is_taken_or_refused_by_a_code(ada: httpx.Client) -> None:
    for case in CASES:
        source = case.make()
        response = ada.post("/v1/jobs", content=source, headers={"Content-Type": "audio/x-anything"})
        found = sniff(source[:SNIFF_BYTES])
        if found is None:
            assert response.status_code in {413, 415, 422}, case.name
        elif len(source) > MAX_BYTES:
            assert response.status_code == 413, case.name
        else:
            assert response.status_code == 202, case.name
            assert response.json()["recording"]["content_type"] == found
        if response.is_error:
            assert response.json()["type"].startswith("urn:mindtrack:problem:")

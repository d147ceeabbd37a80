from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from mindtrack_shared.bundles import MANIFEST_NAME, BundleError, BundleManifest
from mindtrack_shared.domain.emotions import Emotion


def manifest(**changes: object) -> BundleManifest:
    fields: dict[str, object] = {
        "id": "tiny",
        "revision": "0123456789ab",
        "window_seconds": 4.0,
        "hop_seconds": 2.0,
        "label_mapping": {"calm": "Neutral", "angry": "Stressed"},
        "licence": "Apache-2.0",
        "intended_use": "tests",
    }
    return BundleManifest.model_validate(fields | changes)


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    manifest(temperature=1.5).write(tmp_path)

    assert BundleManifest.read(tmp_path) == manifest(temperature=1.5)


def test_supported_labels_follow_from_the_mapping() -> None:
    assert manifest().supported_labels == (Emotion.NEUTRAL, Emotion.STRESSED)


def test_a_directory_without_manifest_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=f"has no {MANIFEST_NAME}"):
        BundleManifest.read(tmp_path)


def test_a_manifest_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / MANIFEST_NAME).write_text('{"schema_version": 2}')

    with pytest.raises(BundleError, match="schema version 1"):
        BundleManifest.read(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"hop_seconds": 5.0},
        {"temperature": 0.0},
        {"label_mapping": {"calm": "Bored"}},
        {"revision": "latest"},
        {"surprise": True},
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        manifest(**changes)

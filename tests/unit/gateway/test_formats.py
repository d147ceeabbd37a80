from __future__ import annotations

import pytest

from mindtrack_gateway.recordings.formats import (
    SNIFF_BYTES,
    contradicts,
    is_acceptable_declaration,
    sniff,
)


@pytest.mark.parametrize(
    ("head", "media_type"),
    [
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"fLaC\x00\x00\x00\x22\x10\x00\x10\x00\x00\x00\x00\x00", "audio/flac"),
        (b"OggS\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", "audio/ogg"),
        (b"\x00\x00\x00\x1cftypM4A \x00\x00\x00\x00", "audio/mp4"),
        (b"\x1aE\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81", "audio/webm"),
        (b"ID3\x04\x00\x00\x00\x00\x00#TSSE\x00\x00", "audio/mpeg"),
        (b"\xff\xfb\x90\x64\x00\x00\x00\x00", "audio/mpeg"),
        (b"\xff\xf1\x50\x80\x02\x1f\xfc", "audio/aac"),
        (b"#!AMR\n\x3c\x91", "audio/amr"),
    ],
)
def test_recordings_are_known_by_their_first_bytes(head: bytes, media_type: str) -> None:
    assert len(head) <= SNIFF_BYTES
    assert sniff(head) == media_type


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"R",
        b"\xff",
        b"Dear diary, toda",
        b"%PDF-1.7",
        b"RIFF\x24\x00\x00\x00AVI LIST",
        b"\x89PNG\r\n\x1a\n",
    ],
)
def test_anything_else_is_not(head: bytes) -> None:
    assert sniff(head) is None


@pytest.mark.parametrize(
    ("declared", "acceptable"),
    [
        (None, True),
        ("application/octet-stream", True),
        ("audio/x-m4a", True),
        ("video/webm", True),
        ("Video/WebM; codecs=opus", True),
        ("application/ogg", True),
        ("text/plain", False),
        ("application/pdf", False),
        ("video/quicktime", False),
    ],
)
def test_a_declared_type_must_leave_room_for_sound(declared: str | None, acceptable: bool) -> None:  # noqa: FBT001
    assert is_acceptable_declaration(declared) is acceptable


@pytest.mark.parametrize(
    ("declared", "found", "contradiction"),
    [
        ("audio/wav", "audio/wav", False),
        ("audio/x-wav", "audio/wav", False),
        ("audio/wav", "audio/mpeg", True),
        ("audio/webm;codecs=opus", "audio/webm", False),
        ("video/mp4", "audio/mp4", False),
        ("audio/aac", "audio/mp4", False),
        ("audio/mp3", "audio/aac", False),
        ("audio/mp4", "audio/webm", True),
        ("application/ogg", "audio/flac", True),
        ("application/octet-stream", "audio/amr", False),
        ("audio/x-unheard-of", "audio/amr", False),
    ],
)
def test_a_declared_type_may_rule_out_what_was_found(
    declared: str,
    found: str,
    contradiction: bool,  # noqa: FBT001
) -> None:
    assert contradicts(declared, found) is contradiction

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from mindtrack_gateway.problems import MalformedRequestError
from mindtrack_gateway.recordings.idempotency import KEY_PARAMETER, MAX_KEY, fingerprint, parse_key
from mindtrack_gateway.recordings.metadata import capture_metadata
from mindtrack_shared.domain.jobs import Priority

UUID = "8e03978e-40d5-43dd-bc93-6894a57f9324"
NOW = datetime(2026, 3, 1, 18, tzinfo=UTC)
SHA256 = bytes(32)


@pytest.mark.parametrize(
    ("value", "key"),
    [
        (f'"{UUID}"', UUID),
        (UUID, UUID),
        (f" {UUID}\t", UUID),
        ('"say\\"so\\\\"', 'say"so\\'),
        ('"!#$%&()*,;<>?@[]^{|}~"', "!#$%&()*,;<>?@[]^{|}~"),
        ("bmV2ZXIgdHdpY2U=", "bmV2ZXIgdHdpY2U="),
        ("log/2026:03", "log/2026:03"),
        ("x", "x"),
        ('"' + "k" * MAX_KEY + '"', "k" * MAX_KEY),
        ('"' + r"\"" * MAX_KEY + '"', '"' * MAX_KEY),
        ("k" * MAX_KEY, "k" * MAX_KEY),
    ],
)
def test_a_key_is_a_string_or_bare(value: str, key: str) -> None:
    assert parse_key(value) == key


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        '""',
        '"',
        '"open',
        'open"',
        '"a" "b"',
        '"a", "b"',
        '"a";p=1',
        "a, b",
        "a;b",
        "a b",
        '"a b"',
        r'"a\b"',
        '"a\\"',
        '"a\tb"',
        '"a\x7f"',
        '"é"',
        "é",
        "(a b)",
        "k" * (MAX_KEY + 1),
        '"' + "k" * (MAX_KEY + 1) + '"',
    ],
)
def test_anything_else_is_malformed(value: str) -> None:
    with pytest.raises(MalformedRequestError):
        parse_key(value)


@pytest.mark.parametrize("example", KEY_PARAMETER["examples"].values())
def test_the_documented_examples_are_keys(example: dict[str, Any]) -> None:
    assert parse_key(example["value"]) == UUID


def mark(**fields: str) -> bytes:
    return fingerprint(SHA256, capture_metadata(fields, now=NOW), fields)


def test_a_fingerprint_goes_by_meaning() -> None:
    assert mark(recorded_at="2026-03-01T18:00:00+01:00") == mark(recorded_at="2026-03-01T17:00:00Z")
    assert mark(time_zone="UTC", priority="interactive") == mark()


def test_a_fingerprint_does_not_age() -> None:
    later = replace(capture_metadata({}, now=NOW), recorded_at=datetime(2026, 3, 2, tzinfo=UTC))

    assert fingerprint(SHA256, later, {}) == mark()


def test_a_fingerprint_tells_requests_apart() -> None:
    start = "2026-03-01T17:00:00Z"
    marks = [
        mark(),
        fingerprint(bytes(31) + b"\x01", capture_metadata({}, now=NOW), {}),
        mark(time_zone="Europe/Berlin"),
        mark(priority=Priority.BULK.value),
        mark(recorded_at=start),
        mark(recorded_at=start, prompt_ended_at=start),
        mark(recorded_at=start, prompt_ended_at="2026-03-01T17:00:01Z"),
    ]

    assert len(set(marks)) == len(marks)

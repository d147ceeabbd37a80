"""The interface is what is committed, and says what clients rely on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import openapi

ROOT = Path(__file__).parents[3]
DOCUMENT: dict[str, Any] = json.loads((ROOT / "openapi.json").read_text())
METHODS = ("get", "post", "put", "patch", "delete")


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def test_the_committed_interface_is_the_gateways() -> None:
    """Run `make openapi` and look at what changed: decision 24 says what may."""
    assert (ROOT / "openapi.json").read_text() == openapi.document()


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, operation in operations()]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(("name", "operation"), [*operations()], ids=[name for name, _ in operations()])
def test_every_operation_says_what_it_is_and_how_it_fails(name: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["tags"]
    for status, answer in operation["responses"].items():
        assert answer["description"]
        if status.startswith(("4", "5")) and name.split()[1] != "/readyz":
            assert "application/problem+json" in answer["content"], status
    if name.split()[1].startswith(("/v1", "/analyze")) and "security" in operation:
        assert {"401", "403", "429"} <= operation["responses"].keys()

"""What a page of metrics says, whoever it is from.

ValueError
└── UnreadableError  it is no page of metrics
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

OPENMETRICS = "application/openmetrics-text"
TEXT = "text/plain"
#: What the parsers raise on what is not theirs.
GARBLED = (ValueError, LookupError, TypeError, AssertionError)

Labels = Mapping[str, str]


class UnreadableError(ValueError):
    """It is no page of metrics."""


class Samples:
    """Values by name and labels. One that is not a number is not known, and left out."""

    def __init__(self, families: Iterable[Metric] = ()) -> None:
        self._found: dict[str, list[tuple[Labels, float]]] = {}
        for family in families:
            for sample in family.samples:
                if math.isfinite(sample.value):
                    self._found.setdefault(sample.name, []).append((sample.labels, sample.value))

    def each(self, name: str) -> Iterator[tuple[Labels, float]]:
        """Every series of a name."""
        return iter(self._found.get(name, ()))

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of one series, or None if it is not told."""
        return next((value for told, value in self.each(name) if told == labels), None)


def read(body: bytes, content_type: str) -> Samples:
    """Read a page.

    Raises:
        UnreadableError: it is none.

    """
    media_type = content_type.partition(";")[0].strip().lower()
    parse = {OPENMETRICS: parse_openmetrics, TEXT: parse_text}.get(media_type)
    if parse is None:
        raise UnreadableError(f"{media_type or 'without a type'}")
    try:
        return Samples(parse(body.decode()))
    except GARBLED as error:
        raise UnreadableError(str(error)) from error

"""Every bomb and lie ends as it should, quickly, in little memory, and costs nobody a decoder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hostile.corpus import CASES, Case
from hostile.outcomes import BEGIN, DOCUMENT, END, outcome, ready, warm_up
from mindtrack_inference.cage import Cage
from mindtrack_shared.domain.jobs import RejectionCode

MAX_CPU_SECONDS = 2.0
MAX_MIB = 256


@pytest.fixture(scope="module")
def cage() -> Iterator[Cage]:
    """One child for all: had any of them opened a socket or run a program, it would have been killed."""
    with ready() as shared:
        yield shared
        warm_up(shared)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_case_ends_as_it_should(cage: Cage, case: Case) -> None:
    found = outcome(cage, case)
    assert found.is_as_expected, found
    assert found.is_alive
    assert found.cpu_seconds <= MAX_CPU_SECONDS
    assert found.peak_mib <= MAX_MIB


def test_there_are_enough_of_them() -> None:
    assert len({case.name for case in CASES}) == len(CASES)
    assert sum(isinstance(case.end, RejectionCode) for case in CASES) >= 25


def test_the_document_lists_them_all() -> None:
    written = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]
    rows = [line.split(" | ")[0][2:] for line in written.splitlines() if line.startswith("| ")]
    assert rows[2:] == [case.name for case in CASES]

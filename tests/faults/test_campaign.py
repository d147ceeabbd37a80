"""The most telling faults of the campaign, in few rounds with short leases; `make faults` tries them all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.campaign.journal import Journal
from faults.campaign.matrix import FAULTS
from faults.campaign.rig import QUICK, Rig
from faults.campaign.trial import Fault, run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

SHARE = 0.02
TELLING = {"F2", "F3", "F6", "F8", "F11", "F12", "F20"}


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journal]:
    with Journal(tmp_path_factory.mktemp("journal") / "journal.jsonl") as journal:
        yield journal


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with Rig(tmp_path_factory.mktemp("rig"), QUICK) as running:
        yield running


@pytest.mark.parametrize(
    "fault", [pytest.param(fault, id=fault.name) for fault in FAULTS if fault.name in TELLING]
)
def test_a_fault_loses_nothing(rig: Rig, journal: Journal, fault: Fault) -> None:
    result = run(fault, rig, journal, SHARE)

    if result.skipped:
        pytest.skip(result.skipped)
    assert not result.broken
    assert not result.violations
    # How long things take is for an idle machine to say.
    assert [check.figure for check in result.checks if not check.holds and not check.timed] == []
    assert result.accepted

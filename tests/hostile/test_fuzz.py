"""Some seconds of the fuzzer, and that its files are the same on each run: the campaign is `make fuzz`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import count, takewhile

from hostile.fuzz import TERMS, Campaign, damaged
from mindtrack_inference.cage import Cage
from unit.inference.recordings import voice_log

SECONDS = 12.0
MAX_MIB = 256
#: Not the campaign's, so that both look at other files.
SEED = 20


def test_a_file_goes_by_its_seed_and_number() -> None:
    assert damaged(1, 7) == damaged(1, 7)
    assert len({damaged(seed, number) for seed in (1, 2) for number in range(20)}) > 35


def test_damaged_recordings_cost_no_decoder() -> None:
    with Cage(TERMS) as cage:
        list(cage.prepare([voice_log()]).chunks())
        campaign = Campaign(SEED, cage)
        campaign.run(for_some_seconds())
        assert list(cage.prepare([voice_log()]).chunks())
    found = campaign.summary()
    assert found["lost"] == {}, found
    assert found["failed"] == 0
    assert campaign.peak_kib / 1024 <= MAX_MIB
    assert sum(campaign.endings.values()) >= 20  # even where the machine is busy
    assert campaign.endings["unreadable"] > 0


def for_some_seconds() -> Iterator[int]:
    end = time.monotonic() + SECONDS
    return takewhile(lambda _: time.monotonic() < end, count())

from __future__ import annotations

import pytest

from mindtrack_inference.settings import InferenceSettings
from mindtrack_inference.worker import queues
from mindtrack_shared.domain.jobs import Priority


@pytest.mark.parametrize(
    ("lanes", "listened"),
    [
        (tuple(Priority), ["drain.interactive", "drain.bulk", "drain"]),
        ((Priority.BULK,), ["drain.bulk", "drain"]),
    ],
)
def test_a_worker_listens_in_its_lanes_and_where_older_relays_ring(
    lanes: tuple[Priority, ...], listened: list[str]
) -> None:
    assert queues(InferenceSettings(lanes=lanes)) == listened
